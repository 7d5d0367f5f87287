"""Looks at the file of a SQLite store for the doctor: who has it, and whether it is sound."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import Text, column, func, select

from penstock.runtime.store.engine import Query
from penstock.runtime.store.lock import read_holder, try_lock
from penstock.runtime.store.store import Store

#: The library that reads the file.
ENGINE = f"SQLite {sqlite3.sqlite_version}"
#: SQLite's own check of its pages and indexes; one row that says "ok", or one per problem.
QUICK_CHECK = Query(
    select(column("quick_check", Text)).select_from(func.pragma_quick_check().table_valued("quick_check")),
    lambda row: str(row[0]),
)


def find_server(file: Path) -> str | None:
    """Return which process serves a store, in words; nothing when none does.

    Asking takes the lock for an instant: an app that starts exactly then is refused, and only has to start again.
    """
    try:
        descriptor = os.open(file.with_name(f"{file.name}.lock"), os.O_RDONLY)
    except OSError:
        return None

    try:
        return None if try_lock(descriptor) else read_holder(descriptor)
    finally:
        os.close(descriptor)


async def find_damage(store: Store) -> list[str]:
    """Return what is wrong with the file of a store; nothing when it is sound."""
    return [problem for problem in await store.read(QUICK_CHECK) if problem != "ok"]
