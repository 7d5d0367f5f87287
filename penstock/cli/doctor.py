"""``penstock doctor``: what is wrong with the installation, the settings and the store, and what to do about it."""

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from penstock.cli.options import Json, StoreUrl, settings
from penstock.cli.output import Table, counted, iso, print_json, print_table, size
from penstock.cli.stores import file_of, read
from penstock.runtime.clock import Clock, SystemClock
from penstock.runtime.errors import ConfigError, StoreError
from penstock.runtime.store.census import Census, find_damage, find_server, take_census
from penstock.runtime.store.store import Store
from penstock.runtime.urls import POSTGRES, masked

#: Below this there is a warning: group commits and the WAL need room to breathe.
LITTLE_ROOM_BYTES = 512 * 1024**2
#: A wall clock before this year was never set.
FIRST_YEAR = 2026
LIBRARIES = ("penstock", "msgspec", "sqlalchemy", "anyio", "cyclopts", "rich", "prometheus-client")
#: Extra: the library that it brings, as it is imported.
EXTRAS = {"demo": "psutil", "postgres": "asyncpg"}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at a thing has shown."""

    subject: str
    state: Literal["ok", "note", "warning", "problem"] = "ok"
    value: str
    #: What to do, where there is something to do.
    advice: str | None = None


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
    clock = SystemClock()
    try:
        config = settings(store).config
        file = file_of(config.store)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding(subject="configuration", state="problem", value=problem, advice="see `penstock config show`")

        yield look_at_clock(clock, None)
        return

    yield Finding(subject="configuration", value=f"store {masked(config.store)}, synchronous={config.synchronous}")
    if config.store.startswith(POSTGRES):
        yield Finding(subject="store", state="note", value="on a server, which is not looked into yet")
        yield look_at_clock(clock, None)
        return

    yield look_at_disk(file)
    if file.exists():
        yield from look_at_store(config.store, file, clock)
    else:
        yield Finding(
            subject="store",
            state="note" if store is None else "problem",
            value=f"there is no {file}",
            advice="it is made when an app first opens it",
        )
        yield look_at_clock(clock, None)


def look_at_disk(file: Path) -> Finding:
    """Look at the room that is left where the store is."""
    folder = next(parent for parent in file.parents if parent.exists())
    free = shutil.disk_usage(folder).free
    little = free < LITTLE_ROOM_BYTES
    return Finding(
        subject="free disk space",
        value=f"{size(free)} in {folder}",
        state="warning" if little else "ok",
        advice="a full disk stops the app: free some space" if little else None,
    )


def look_at_store(url: str, file: Path, clock: Clock) -> Iterator[Finding]:
    """Look into the store; a store that cannot be read is the finding."""

    async def ask(opened: Store) -> tuple[Census, list[str]]:
        return await take_census(opened), await find_damage(opened)

    try:
        census, damage = read(url, ask)
    except (StoreError, ConfigError) as error:
        yield Finding(subject="store", state="problem", value=str(error))
        return

    yield Finding(
        subject="store", value=f"{file}: {census.engine}, schema version {census.schema}, {describe_size(file)}"
    )
    yield Finding(
        subject="integrity",
        value=damage[0] if damage else "sound",
        state="problem" if damage else "ok",
        advice="restore the store from a backup" if damage else None,
    )
    yield Finding(subject="served by", value=find_server(file) or "nobody")
    yield from look_at_contents(census)
    yield look_at_clock(clock, census)


def describe_size(file: Path) -> str:
    """Return the sizes of the file and of what is not yet in it."""
    wal = file.with_name(f"{file.name}-wal")
    waiting = wal.stat().st_size if wal.exists() else 0
    return f"{size(file.stat().st_size)} and {size(waiting)} in the WAL"


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
        f"{counted(census.inbox_rows, 'events')} in the inbox",
        f"{counted(census.firings_in_flight, 'firings')} in flight",
    ]
    yield Finding(subject="streams", value=", ".join(waiting))
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
