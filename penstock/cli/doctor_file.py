"""What a doctor sees of a store that is a file of SQLite."""

import shutil
from collections.abc import Generator
from pathlib import Path

from penstock.cli.findings import Finding, absent
from penstock.cli.output import size
from penstock.cli.stores import file_of, read
from penstock.runtime.clock import Clock
from penstock.runtime.config import Config
from penstock.runtime.errors import ConfigError, StoreError
from penstock.runtime.store.census import Census, take_census
from penstock.runtime.store.sqlite_check import ENGINE, find_damage, find_server
from penstock.runtime.store.store import Store

#: Below this there is a warning: group commits and the WAL need room to breathe.
LITTLE_ROOM_BYTES = 512 * 1024**2


def look_at_file(config: Config, _clock: Clock, *, named: bool) -> Generator[Finding, None, Census | None]:
    """Look at the file and into it, and return what it holds, if it can be read.

    Args:
        named: It was named on the command line.
    """
    file = file_of(config.store)
    yield look_at_disk(file)
    if not file.exists():
        yield absent(f"there is no {file}", named=named)
        return None

    return (yield from look_inside(config.store, file))


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


def look_inside(url: str, file: Path) -> Generator[Finding, None, Census | None]:
    """Look into the store; a store that cannot be read is the finding."""

    async def ask(opened: Store) -> tuple[Census, list[str]]:
        return await take_census(opened), await find_damage(opened)

    try:
        census, damage = read(url, ask)
    except (StoreError, ConfigError) as error:
        yield Finding(subject="store", state="problem", value=str(error))
        return None

    yield Finding(subject="store", value=f"{file}: {ENGINE}, schema version {census.schema}, {describe_size(file)}")
    yield Finding(
        subject="integrity",
        value=damage[0] if damage else "sound",
        state="problem" if damage else "ok",
        advice="restore the store from a backup" if damage else None,
    )
    yield Finding(subject="served by", value=find_server(file) or "nobody")
    return census


def describe_size(file: Path) -> str:
    """Return the sizes of the file and of what is not yet in it."""
    wal = file.with_name(f"{file.name}-wal")
    waiting = wal.stat().st_size if wal.exists() else 0
    return f"{size(file.stat().st_size)} and {size(waiting)} in the WAL"
