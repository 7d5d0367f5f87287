"""The statements of PostgreSQL, compiled once per process.

Each kind has one statement for any number of rows: an array per column, which ``unnest`` turns into rows.
"""

from collections.abc import Mapping
from functools import cache
from typing import cast

from sqlalchemy import Table, bindparam, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY, Insert, asyncpg as dialects
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import CTE, ClauseElement

from penstock.runtime.errors import InvariantError
from penstock.runtime.store import domain_statements, run_statements
from penstock.runtime.store.kinds import Kind, Role
from penstock.runtime.store.queries import QUERIES
from penstock.runtime.store.statements import TYPES

STATEMENTS = {**domain_statements.STATEMENTS, **run_statements.STATEMENTS}
DIALECT = dialects.dialect()  # type: ignore[no-untyped-call]


def given_table(names: tuple[str, ...]) -> CTE:
    """Return the table of given rows: one array per column."""
    arrays = [bindparam(name, type_=ARRAY(TYPES[name])) for name in names]
    columns = [column(name, TYPES[name]) for name in names]
    rows = func.unnest(*arrays).table_valued(*columns, name="rows").render_derived()
    return select(*(rows.c[name] for name in names)).cte("given")


@cache
def compile_kind(kind: Kind) -> str:
    """Compile a kind's statement once per process."""
    statement = STATEMENTS[kind](given_table(kind.columns))
    if kind.role is Role.NUMBERED and isinstance(statement, Insert):
        statement = statement.returning(*cast("Table", statement.table).primary_key)

    compiled = cast("SQLCompiler", statement.compile(dialect=DIALECT))
    if tuple(compiled.positiontup or ()) != kind.columns:
        raise InvariantError(f"{kind.name}: parameters {compiled.positiontup}, given {kind.columns}")

    return compiled.string


@cache
def compile_query(statement: object) -> tuple[str, tuple[str, ...], Mapping[str, object]]:
    """Compile a query once per process; return its text, its parameters in order, and those that are part of it."""
    chosen = QUERIES[statement] if isinstance(statement, str) else cast("ClauseElement", statement)
    compiled = cast("SQLCompiler", chosen.compile(dialect=DIALECT))
    constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    return compiled.string, tuple(compiled.positiontup or ()), constants
