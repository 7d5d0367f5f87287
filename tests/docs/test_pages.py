import msgspec
import pytest

from penstock.cli.main import FAILED, INTERRUPTED, MISUSED, READER_GONE, VERBS
from penstock.runtime.config import Config
from tests.docs.pages import page, table

SETTINGS = table("docs/configuration.md", "setting")


def test_every_setting_is_on_the_page_in_the_order_of_the_code() -> None:
    assert [row[0] for row in SETTINGS] == list(Config.__struct_fields__)


@pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row[0])
def test_default_on_the_page_is_the_one_of_the_code(row: list[str]) -> None:
    assert msgspec.json.decode(row[1]) == getattr(Config(), row[0])


def test_every_verb_is_on_the_page_of_the_command_line() -> None:
    named = {row[0].split()[1] for row in table("docs/cli.md", "command")}
    assert named == {name for name, _, _ in VERBS}


def test_exit_codes_on_the_page_are_those_of_the_code() -> None:
    assert [int(row[0]) for row in table("docs/cli.md", "code")] == [0, FAILED, MISUSED, INTERRUPTED, READER_GONE]


def documented(command: str) -> set[str]:
    """Return the keys that the page names for a command."""
    import re

    rows = {row[0]: row[1] for row in table("docs/cli.md", "command", occurrence=1)}
    return set(re.findall(r"`(\w+)`", rows[command]))


def test_keys_of_runs_on_the_page_are_those_of_the_code() -> None:
    from datetime import UTC, datetime

    from penstock.cli.runs import details, summary
    from penstock.runtime.store.rows import RunRow

    at = datetime(2026, 1, 1, tzinfo=UTC)
    run = RunRow(
        id=1, workflow="w", structure_version="s", code_version="c", status="running", input="{}", created_at=at
    )
    assert documented("runs list") == {"store", "runs", *summary(run)}
    assert documented("runs show") == set(details(run, [])) - set(summary(run))


def test_keys_of_findings_on_the_page_are_those_of_the_code() -> None:
    from penstock.cli.doctor import Finding

    states = {"ok", "note", "warning", "problem"}
    assert documented("doctor") == {"findings", *states, *Finding.__struct_fields__}


def test_keys_of_the_demo_on_the_page_are_those_of_the_code() -> None:
    from penstock.demo.summary import Summary

    assert documented("demo") == {*Summary.__struct_fields__, "missing", "commands"}


@pytest.mark.parametrize(
    "name",
    ["Accumulator", "Boundary", "ComputationGraph", "Context", "Criterion", "Firing", "Reactor", "Run", "Workflow"],
)
def test_what_is_public_stands_in_the_glossary(name: str) -> None:
    import re

    import penstock

    words = re.sub(r"(?<!^)([A-Z])", r" \1", name).lower()
    assert name in penstock.__all__
    assert f"| {words}" in page("docs/glossary.md")
