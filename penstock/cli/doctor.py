"""``penstock doctor``: what is wrong with the installation, the settings and the store, and what to do about it."""

import importlib.metadata
import platform
import sys
from collections.abc import Generator, Iterator, Mapping
from typing import Protocol

import msgspec

from penstock.cli.doctor_file import look_at_file
from penstock.cli.doctor_server import look_at_server
from penstock.cli.findings import Finding
from penstock.cli.options import Json, StoreUrl, settings
from penstock.cli.output import Table, counted, iso, print_json, print_table
from penstock.runtime.clock import Clock, SystemClock
from penstock.runtime.config import Config
from penstock.runtime.errors import ConfigError
from penstock.runtime.store.census import Census
from penstock.runtime.store.dialects import parse_url
from penstock.runtime.urls import masked

#: A wall clock before this year was never set.
FIRST_YEAR = 2026
LIBRARIES = ("penstock", "msgspec", "sqlalchemy", "anyio", "cyclopts", "rich", "prometheus-client")
#: Extra: the library that it brings, as it is imported.
EXTRAS = {"demo": "psutil", "postgres": "asyncpg"}


class Look(Protocol):
    """Looks at the place of a store."""

    def __call__(self, config: Config, clock: Clock, /, *, named: bool) -> Generator[Finding, None, Census | None]:
        """Yield what it finds; return what the store holds."""
        ...


#: How the place of a store is looked at, by database.
LOOKS: Mapping[str, Look] = {"sqlite": look_at_file, "postgresql": look_at_server}


def doctor(*, store: StoreUrl = None, json: Json = False) -> int:
    """Look for what is wrong with the installation, the settings and the store.

    Nothing is changed, and a store that is being served can be looked at. Exit code 1 when there is a problem.
    """
    findings = [*look_at_installation(), *look_at_settings(store)]
    ok = all(finding.state != "problem" for finding in findings)
    if json:
        print_json({"ok": ok, "findings": [msgspec.structs.asdict(finding) for finding in findings]})
    else:
        rows = tuple((one.state, one.subject, one.value, one.advice or "") for one in findings)
        print_table(Table(columns=("", "what", "is", "to do"), rows=rows))

    return 0 if ok else 1


def look_at_installation() -> Iterator[Finding]:
    """Look at Python and the libraries."""
    implementation = platform.python_implementation()
    yield Finding(
        subject="python",
        value=f"{implementation} {platform.python_version()} ({sys.executable})",
        state="ok" if implementation == "CPython" else "warning",
        advice=None if implementation == "CPython" else "only CPython is tested",
    )
    for name in LIBRARIES:
        yield Finding(subject=name, value=installed(name) or "not installed: imported from a clone")

    for extra, module in EXTRAS.items():
        found = installed(module)
        yield Finding(
            subject=f"extra {extra}",
            value=f"{module} {found}" if found else f"{module} is not installed",
            state="ok" if found else "note",
            advice=None if found else f"pip install 'penstock[{extra}]' if you want it",
        )


def installed(name: str) -> str | None:
    """Return the version of an installed library."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def look_at_settings(store: str | None) -> Iterator[Finding]:
    """Look at the settings, then at the store that they name, then at the clock."""
    clock, census = SystemClock(), None
    try:
        config = settings(store).config
        look = LOOKS[parse_url(config.store).get_backend_name()]
    except ConfigError as error:
        for problem in error.problems:
            yield Finding(subject="configuration", state="problem", value=problem, advice="see `penstock config show`")
    else:
        yield Finding(subject="configuration", value=f"store {masked(config.store)}, synchronous={config.synchronous}")
        census = yield from look(config, clock, named=store is not None)

    if census is not None:
        yield from look_at_contents(census)

    yield look_at_clock(clock, census)


def look_at_contents(census: Census) -> Iterator[Finding]:
    """Look at what waits in the store."""
    runs = ", ".join(f"{count} {status}" for status, count in census.runs.items())
    quarantined = census.runs.get("quarantined")
    yield Finding(
        subject="runs",
        value=runs or "none",
        state="warning" if quarantined else "ok",
        advice="`penstock runs list --status quarantined` shows runs that the process died of" if quarantined else None,
    )
    waiting = [
        counted(census.domains, "domains"),
        f"{census.state_rows} rows of state",
        f"{counted(sum(census.inbox.values()), 'events')} in the inbox",
        f"{counted(census.firings_in_flight, 'firings')} in flight",
    ]
    yield Finding(subject="streams", value=", ".join(waiting))
    if census.inbox:
        yield Finding(
            subject="inbox",
            state="note",
            value=", ".join(f"{name}: {counted(events, 'events')}" for name, events in census.inbox.items()),
            advice="they wait for accumulators of these names: an app that has one of them processes its events",
        )

    yield Finding(
        subject="dead letters",
        value=str(census.dead_letters),
        state="warning" if census.dead_letters else "ok",
        advice="events or firings that could not be processed" if census.dead_letters else None,
    )


def look_at_clock(clock: Clock, census: Census | None) -> Finding:
    """Look whether the wall clock can be right."""
    now = clock.now()
    newest = census.newest_run_at if census else None
    if now.year < FIRST_YEAR:
        advice = "the clock was never set: times in the store will be wrong"
    elif newest is not None and now < newest:
        advice = f"it stands before the newest run, {iso(newest)}: it was set back, or the store is from elsewhere"
    else:
        advice = None

    return Finding(subject="clock", value=str(iso(now)), state="warning" if advice else "ok", advice=advice)
