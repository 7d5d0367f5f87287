"""``penstock demo``: watch this machine for some seconds."""

from pathlib import Path
from typing import Annotated

import anyio
import msgspec
from cyclopts import Parameter

from penstock.cli.options import Json, store_url
from penstock.cli.output import print_json
from penstock.cli.program import program
from penstock.demo.run import DIRECTORY, FILE, Options, run_demo
from penstock.demo.summary import Summary, lines
from penstock.runtime.errors import ConfigError

#: A demo cannot tell what is normal in less, in seconds.
SHORTEST = 3.0

Seconds = Annotated[float, Parameter(help="How long to watch; at least 3.")]
Store = Annotated[str, Parameter(help="The state store, as a URL or the path of a SQLite file.")]
Reports = Annotated[Path, Parameter(help="Where the reports of incidents go.")]
Plain = Annotated[bool, Parameter(help="Print lines instead of a picture, even on a terminal.", negative=())]


def demo(
    *,
    seconds: Seconds = 15.0,
    store: Store = FILE,
    reports: Reports = Path(DIRECTORY),
    plain: Plain = False,
    json: Json = False,
) -> int:
    """Watch this machine for some seconds: events, firings, durable runs.

    Polls read processors, memory, disks, network and processes; a graph learns what is normal; what is not normal
    starts a durable run, which collects evidence and writes a report. The demo makes a short load spike of its own, so
    that there is something to see. Ctrl-C ends it early. Exit code 1 when no event, no firing or no completed run was
    seen.
    """
    if seconds < SHORTEST:
        raise ConfigError(f"--seconds {seconds:g} is too short to tell what is normal: give at least {SHORTEST:g}")

    options = Options(
        seconds=seconds, store=store_url(store), directory=str(reports.absolute()), plain=plain, silent=json
    )
    summary = anyio.run(run_demo, options)
    report(summary, json=json)
    return 1 if summary.missing else 0


def report(summary: Summary, *, json: bool) -> None:
    """Print what was seen."""
    if json:
        commands = summary.commands(program())
        print_json({**msgspec.to_builtins(summary), "missing": summary.missing, "commands": commands})
    else:
        for line in lines(summary, program()):
            print(line)
