from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from penstock.runtime.config import Config
from tests.cli.conftest import Outcome, Penstock

Write = Callable[[str, str], Path]
Rows = dict[str, dict[str, object]]


def rows(outcome: Outcome) -> Rows:
    assert (outcome.code, outcome.err) == (0, "")
    listed = cast("dict[str, list[dict[str, object]]]", outcome.json)["settings"]
    return {str(row["name"]): row for row in listed}


def test_without_anything_all_values_are_defaults(penstock: Penstock) -> None:
    shown = rows(penstock("config", "show", "--json"))
    assert list(shown) == list(Config.__struct_fields__)
    assert {row["origin"] for row in shown.values()} == {"default"}
    assert shown["drain_timeout"] == {"name": "drain_timeout", "value": 10.0, "origin": "default"}


def test_each_value_names_where_it_came_from(penstock: Penstock, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("penstock.toml", 'threads = 2\ndrain_timeout = "1m"\n')
    monkeypatch.setenv("PENSTOCK_DRAIN_TIMEOUT", "30s")
    shown = rows(penstock("config", "show", "--store", "deep/market.db", "--json"))
    found = {name: (shown[name]["value"], shown[name]["origin"]) for name in ("store", "drain_timeout", "threads")}
    assert found == {
        "store": ("sqlite:///deep/market.db", "argument"),
        "drain_timeout": (30.0, "environment PENSTOCK_DRAIN_TIMEOUT"),
        "threads": (2, "penstock.toml"),
    }


def test_pyproject_is_read_too(penstock: Penstock, write: Write) -> None:
    write("pyproject.toml", "[tool.penstock]\nthreads = 3\n")
    shown = rows(penstock("config", "show", "--json"))["threads"]
    assert (shown["value"], shown["origin"]) == (3, "pyproject.toml [tool.penstock]")


def test_text_has_a_line_for_each_setting(penstock: Penstock) -> None:
    lines = penstock("config", "show").out.splitlines()
    assert lines[0].split() == ["setting", "value", "origin"]
    assert lines[1].split() == ["store", "sqlite:///penstock.db", "default"]
    assert len(lines) == 1 + len(Config.__struct_fields__)


def test_passwords_are_not_shown(penstock: Penstock) -> None:
    for words in ((), ("--json",)):
        outcome = penstock("config", "show", "--store", "postgresql+asyncpg://me:secret@host/market", *words)
        assert "me:***@host" in outcome.out
        assert "secret" not in outcome.out + outcome.err


def test_all_problems_are_named_at_once(penstock: Penstock, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write("penstock.toml", "treads = 2\n")
    monkeypatch.setenv("PENSTOCK_THREADS", "many")
    outcome = penstock("config", "show", "--json")
    assert (outcome.code, outcome.out) == (2, "")
    assert "2 problems in the configuration" in outcome.err
    assert "did you mean 'threads'?" in outcome.err
    assert "'many' is not a whole number" in outcome.err
