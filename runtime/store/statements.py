"""What the statements of the writer are made of: ``domain_statements`` and ``run_statements``.

Each is a statement over a table ``given`` of rows, and belongs to a kind; the kind's comment tells which race it closes
and by which index it finds its rows. All of them run inside one write transaction, and no other writer of a serving
store comes between two of them (SQLite: BEGIN IMMEDIATE; PostgreSQL: one start serves, and its row is locked); the
races are those with what was decided before the transaction began.
"""

from collections.abc import Callable

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Table,
    and_,
    bindparam,
    column,
    delete,
    func,
    literal_column,
    select,
    true,
    tuple_,
    values,
)

# its INSERT … ON CONFLICT compiles for SQLite as well; the other way round it does not
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.sql.expression import ClauseElement

from penstock.runtime.store import schema

#: Makes the statement over the table of given rows.
Build = Callable[[CTE], ClauseElement]

#: A name has one type in all tables.
TYPES = {column.name: column.type for table in schema.METADATA.sorted_tables for column in table.columns}
TYPES["up_to"] = BigInteger()
# Part of the text: the only parameters of a statement are the given rows.
ZERO, ONE = literal_column("0", BigInteger()), literal_column("1", BigInteger())


def given_table(names: tuple[str, ...]) -> CTE:
    """Return the table of given rows, with one row of parameters; the engine gives it as many as there are."""
    columns = [column(name, TYPES[name]) for name in names]
    row = tuple(bindparam(name, type_=TYPES[name]) for name in names)
    return values(*columns, name="given").data([row]).cte("given")


def write(table: Table, given: CTE) -> Insert:
    """Insert the given rows; a row that is there already is an error."""
    names = [column.name for column in given.columns]
    # SQLite reads the ON of an ON CONFLICT that follows as a join condition unless there is a WHERE.
    return insert(table).from_select(names, select(given).where(true()))


def put(table: Table, given: CTE) -> Insert:
    """Insert the given rows, or replace what stands under their primary keys."""
    statement = write(table, given)
    keys = [column.name for column in table.primary_key]
    changes = {column.name: column for column in statement.excluded if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changes)


def drop(table: Table, given: CTE) -> ClauseElement:
    """Delete the rows with the given keys, found by the primary key."""
    keys: list[ColumnElement[object]] = [table.c[column.name] for column in given.columns]
    return delete(table).where(tuple_(*keys).in_(select(given)))


def hold(table: Table, given: CTE, *conditions: object) -> ClauseElement:
    """Count the given rows that are there as the guard expects; locks them where the database locks rows."""
    names: list[str] = [column.name for column in given.columns]
    matches = and_(true(), *(table.c[name] == given.c[name] for name in names))
    held = select(table.primary_key.columns[0]).join(given, matches).where(true(), *conditions)  # type: ignore[arg-type]
    return select(func.count()).select_from(held.with_for_update(of=table).subquery("held"))
