"""The statements of PostgreSQL, compiled once per process.

Each kind has one statement for any number of rows: an array per column, which ``unnest`` turns into rows.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Table,
    UpdateBase,
    bindparam,
    case,
    column,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, Insert, asyncpg as dialects
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import CTE, ClauseElement
from sqlalchemy.sql.selectable import HasCTE

from penstock.runtime.errors import InvariantError
from penstock.runtime.store import command_statements, domain_statements, run_statements, schema
from penstock.runtime.store.kinds import Kind, Role
from penstock.runtime.store.queries import QUERIES
from penstock.runtime.store.statements import ONE, TYPES, ZERO

STATEMENTS = {**domain_statements.STATEMENTS, **run_statements.STATEMENTS, **command_statements.STATEMENTS}
DIALECT = dialects.dialect()  # type: ignore[no-untyped-call]
#: How many of them are kept: a process has a few dozen kinds of commits.
WHOLES = 100
#: Roles of which it matters how many rows were matched.
CHECKED = {Role.GUARD, Role.UNLESS_TAKEN}


def given_table(names: tuple[str, ...], number: str = "") -> CTE:
    """Return the table of given rows: one array per column. A number tells it from others of the same statement."""
    arrays = [bindparam(f"{name}{number}", type_=ARRAY(TYPES[name])) for name in names]
    columns = [column(name, TYPES[name]) for name in names]
    rows = func.unnest(*arrays).table_valued(*columns, name=f"rows{number}").render_derived()
    return select(*(rows.c[name] for name in names)).cte(f"given{number}")


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


@lru_cache(WHOLES)
def compile_whole(kinds: tuple[Kind, ...]) -> str:
    """Compile a transaction of several kinds into one statement, which commits itself: a whole in one round trip.

    Its parameters: one array per column of each kind, in their order, then the number of the commit, the number of the
    start, and how many rows all guards together must hold, the start itself being one. With fewer it divides by zero.
    """
    nodes = schema.NODES
    start = update(nodes).where(nodes.c.id == bindparam("node"), nodes.c.lost_at.is_(None))
    fence = start.values(commits=bindparam("commit", type_=BigInteger())).returning(nodes.c.id).cte("fence")
    parts = [part_of(number, kind) for number, kind in enumerate(kinds)]
    held = (held_by(part) for part, kind in zip(parts, kinds, strict=True) if kind.role in CHECKED)
    enough = sum(held, held_by(fence)) == bindparam("wanted", type_=BigInteger())
    check = select(ONE.op("/")(case((enough, ONE), else_=ZERO))).add_cte(*parts)
    compiled = check.compile(dialect=DIALECT)
    columns = [f"{name}{number}" for number, kind in enumerate(kinds) for name in kind.columns]
    if compiled.positiontup != [*columns, "commit", "node", "wanted"]:
        raise InvariantError(f"{[kind.name for kind in kinds]}: parameters {compiled.positiontup}")

    return compiled.string


def part_of(number: int, kind: Kind) -> CTE:
    """Return the statement of a kind as a part of a larger one; it gives a row for each that it wrote or held."""
    statement = STATEMENTS[kind](given_table(kind.columns, str(number)))
    if kind.role in CHECKED and isinstance(statement, UpdateBase):
        statement = statement.returning(ONE.label("held"))

    return cast("HasCTE", statement).cte(f"part{number}")


def held_by(part: CTE) -> ColumnElement[int]:
    """Return how many rows a part holds: those that it gives, or the number that is its only row."""
    counts = isinstance(part.element, Select)
    return (select(part.c[0]) if counts else select(func.count()).select_from(part)).scalar_subquery()


@cache
def compile_query(statement: object) -> tuple[str, tuple[str, ...], Mapping[str, object]]:
    """Compile a query once per process; return its text, its parameters in order, and those that are part of it."""
    chosen = QUERIES[statement] if isinstance(statement, str) else cast("ClauseElement", statement)
    compiled = cast("SQLCompiler", chosen.compile(dialect=DIALECT))
    constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
    return compiled.string, tuple(compiled.positiontup or ()), constants
