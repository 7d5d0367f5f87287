"""The text of the statements: compiled once, of bounded size, and each finds its rows by an index."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain

import pytest
from hypothesis import given, strategies as st
from sqlalchemy.dialects import postgresql

from penstock.runtime.store import command_kinds, domain_kinds, run_kinds
from penstock.runtime.store.kinds import Kind
from penstock.runtime.store.migrations import MIGRATIONS
from penstock.runtime.store.queries import QUERIES
from penstock.runtime.store.sqlite import WORDS
from penstock.runtime.store.sqlite_driver import (
    CACHED_STATEMENTS,
    MAX_PARAMETERS,
    SIZES,
    STATEMENTS,
    chunks,
    compile_kind,
    compile_query,
    statement_text,
)
from penstock.runtime.store.statements import given_table

MODULES = (domain_kinds, run_kinds, command_kinds)
KINDS = [kind for module in MODULES for kind in vars(module).values() if isinstance(kind, Kind)]
#: A few rows, whatever happens: every row may be looked at.
SMALL = {"domains"}


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
    assert found <= SMALL


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_same_source_compiles_for_the_other_dialect(kind: Kind) -> None:
    text = str(STATEMENTS[kind](given_table(kind.columns)).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert "given" in text


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_finds_its_rows_by_an_index(database: sqlite3.Connection, name: str) -> None:
    text, constants = compile_query(name)
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
    assert statement_text(run_kinds.PUT_TASK, 64) is statement_text(run_kinds.PUT_TASK, 64)


def test_every_kind_has_its_statement() -> None:
    assert set(KINDS) == set(STATEMENTS)


def test_what_fills_units_does_not_import_the_database() -> None:
    facets = ", ".join(f"penstock.runtime.store.{name}" for name in ("checkpoints", "commands", "letters", "runs"))
    # what measures the coverage of a started process may have imported it before
    code = (
        f"import sys; before = set(sys.modules); import {facets}; "
        "print({'sqlalchemy', 'sqlite3'} & (set(sys.modules) - before))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "set()\n"
