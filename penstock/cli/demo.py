"""``penstock demo``: watch this machine for some seconds."""

import re
import uuid
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

Kafka = Annotated[
    str | None, Parameter(help="Brokers, as host:port[,host:port]: let the readings go through a topic of Kafka.")
]
Topic = Annotated[
    str | None, Parameter(help="The topic; the same one again goes on behind what was read. Default: a new one.")
]

#: One broker, and what a topic may be called.
BROKER, TOPIC = r"(\[[0-9a-fA-F:]+\]|[^\s,:{}\[\]]+):\d{1,5}", r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}"


def demo(
    *,
    seconds: Seconds = 15.0,
    store: Store = FILE,
    reports: Reports = Path(DIRECTORY),
    kafka: Kafka = None,
    topic: Topic = None,
    plain: Plain = False,
    json: Json = False,
) -> int:
    """Watch this machine for some seconds: events, firings, durable runs.

    Polls read processors, memory, disks, network and processes; a graph learns what is normal; what is not normal
    starts a durable run, which collects evidence and writes a report. The demo makes a short load spike of its own, so
    that there is something to see. With --kafka the readings are produced to a topic and consumed from it, and
    everything else is the same. Ctrl-C ends it early. Exit code 1 when no event, no firing or no completed run was
    seen.
    """
    if seconds < SHORTEST:
        raise ConfigError(f"--seconds {seconds:g} is too short to tell what is normal: give at least {SHORTEST:g}")

    options = Options(
        seconds=seconds,
        store=store_url(store),
        directory=str(reports.absolute()),
        plain=plain,
        silent=json,
        kafka=way(kafka, topic),
    )
    summary = anyio.run(run_demo, options)
    report(summary, json=json)
    return 1 if summary.missing else 0


def way(brokers: str | None, topic: str | None) -> tuple[str, str] | None:
    """Return the brokers and the topic that the readings go through, if any.

    Raises:
        ConfigError: They cannot be what is meant.
    """
    if brokers is None:
        if topic is not None:
            raise ConfigError(f"--topic {topic} is of no use without --kafka: give --kafka host:port as well")

        return None

    addresses = [address.strip() for address in brokers.split(",")]
    if wrong := [address for address in addresses if re.fullmatch(BROKER, address) is None]:
        raise ConfigError(f"--kafka {brokers}: {wrong[0]!r} is no broker: write host:port, several with commas")

    if topic is not None and re.fullmatch(TOPIC, topic) is None:
        raise ConfigError(f"--topic {topic}: a topic has letters, digits, '.', '_' and '-' in its name, at most 249")

    return ",".join(addresses), topic or f"penstock-demo-{uuid.uuid4().hex[:8]}"


def report(summary: Summary, *, json: bool) -> None:
    """Print what was seen."""
    if json:
        commands = summary.commands(program())
        print_json({**msgspec.to_builtins(summary), "missing": summary.missing, "commands": commands})
    else:
        for line in lines(summary, program()):
            print(line)
