"""The text of the statements: compiled once, of bounded size, and each finds its rows by an index."""

import sqlite3
from collections.abc import Iterator
from itertools import chain

import pytest
from hypothesis import given, strategies as st
from sqlalchemy.dialects import postgresql

from penstock.runtime.store import (
    checkpoints,
    commands,
    domain_statements,
    letters,
    run_statements,
    runs,
    statements,
)
from penstock.runtime.store.engine import Query
from penstock.runtime.store.kinds import Kind
from penstock.runtime.store.migrations import MIGRATIONS
from penstock.runtime.store.sqlite import WORDS
from penstock.runtime.store.sqlite_driver import (
    CACHED_STATEMENTS,
    MAX_PARAMETERS,
    SIZES,
    chunks,
    compile_kind,
    compile_query,
    statement_text,
)
from penstock.runtime.store.statements import given_table

NAMES = vars(statements) | vars(domain_statements) | vars(run_statements)
KINDS = [kind for kind in [*NAMES.values(), *domain_statements.MOVES] if isinstance(kind, Kind)]
QUERIES = [
    (f"{module.__name__.rpartition('.')[2]}.{name}", query)
    for module in (checkpoints, commands, letters, runs)
    for name, query in vars(module).items()
    if isinstance(query, Query)
]
#: A few rows, whatever happens: every row may be looked at.
SMALL = {"domains"}
#: What is in flight, looked at once per take-over.
SCANS = {"raise crashes": {"firings"}}


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    for statement in chain.from_iterable(step.statements for step in MIGRATIONS):
        connection.execute(statement.format_map(WORDS))

    yield connection
    connection.close()


class Anything(dict[str, object]):
    """Parameters for a query of which only the plan is wanted."""

    def __missing__(self, _: str) -> object:
        return 1


def scanned(connection: sqlite3.Connection, text: str, parameters: object) -> set[str]:
    """Return the tables of which every row is looked at."""
    plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters).fetchall()  # type: ignore[arg-type]
    details = [str(row[3]).split() for row in plan]
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {words[1] for words in details if words[0] == "SCAN" and words[1] in tables and "INDEX" not in words}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_finds_its_rows_by_an_index(database: sqlite3.Connection, kind: Kind) -> None:
    found = scanned(database, compile_kind(kind).text(2), [None] * 2 * len(kind.columns))
    assert found <= SMALL | SCANS.get(kind.name, set())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_same_source_compiles_for_the_other_dialect(kind: Kind) -> None:
    text = str(kind.build(given_table(kind.columns)).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert "given" in text


@pytest.mark.parametrize(("name", "query"), QUERIES)
def test_a_query_finds_its_rows_by_an_index(database: sqlite3.Connection, name: str, query: Query[object]) -> None:
    text, constants = compile_query(query.statement)
    found = scanned(database, text, Anything(constants))
    assert found <= SMALL


@given(rows=st.integers(0, 3000), columns=st.integers(1, 40))
def test_rows_are_cut_into_a_few_known_sizes(rows: int, columns: int) -> None:
    given_rows = [(n,) * columns for n in range(rows)]
    parts = list(chunks(given_rows, columns))
    assert list(chain.from_iterable(parts)) == given_rows
    assert all(len(part) in SIZES and len(part) * columns <= MAX_PARAMETERS for part in parts)


def test_a_thousand_rows_are_seven_statements() -> None:
    assert [len(part) for part in chunks([(0,) * 17] * 1000, 17)] == [256, 256, 256, 128, 64, 32, 8]


def test_all_statements_fit_the_cache_of_the_driver() -> None:
    assert len(KINDS) * len(SIZES) < CACHED_STATEMENTS


def test_a_statement_is_the_same_text_each_time() -> None:
    assert statement_text(run_statements.PUT_TASK, 64) is statement_text(run_statements.PUT_TASK, 64)
