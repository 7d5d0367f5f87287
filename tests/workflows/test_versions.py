"""Versions: what a run was started with, told apart by what matters."""

import subprocess
import sys

import pytest

from penstock.workflows.workflow import Workflow

BODY = "def body(context: Context) -> None:\n    context['x'] = (1, 'a', {'k', 'l'})\n    return None\n"


def declared(source: str) -> Workflow:
    """A workflow whose task is this source."""
    scope: dict[str, object] = {}
    exec(f"from penstock.workflows.context import Context\n{source}", scope)  # noqa: S102
    made = Workflow("w")
    made.task(scope["body"])  # type: ignore[type-var]
    return made


@pytest.mark.parametrize(
    "other",
    [
        BODY.replace("    context", "    # a comment\n\n    context"),
        "\n\n\n" + BODY.replace(" = ", "   =   "),
        BODY.replace("(1, ", "(1,  # one\n "),
    ],
)
def test_comments_blanks_and_places_do_not_change_the_code(other: str) -> None:
    assert declared(other).code_version == declared(BODY).code_version


@pytest.mark.parametrize(
    "other",
    [
        BODY.replace("1,", "2,"),
        BODY.replace("1,", "True,"),
        BODY.replace("'k'", "'m'"),
        BODY.replace("= (", "= tuple("),
        BODY.replace("context:", "ctx:").replace("context[", "ctx["),
        BODY.replace("return None", "return [(lambda: 1)]"),
    ],
)
def test_another_body_changes_the_code_and_not_the_structure(other: str) -> None:
    made, changed = declared(BODY), declared(other)
    assert changed.code_version != made.code_version
    assert changed.structure_version == made.structure_version


def closed(value: object) -> Workflow:
    made = Workflow("w")

    @made.task
    def body() -> dict[str, object]:
        return {"x": value}

    return made


def test_constants_that_a_body_closes_over_are_code() -> None:
    assert closed(1).code_version == closed(1).code_version
    assert closed(1).code_version != closed(2).code_version
    assert closed(object()).code_version == closed(object()).code_version


def structure(needs: dict[str, list[str]]) -> str:
    made = Workflow("w")
    for name, own in needs.items():
        made.task(name=name, dependencies=own)(lambda: None)

    return made.structure_version


def test_order_of_declaration_and_of_dependencies_is_no_structure() -> None:
    first = {"a": [], "b": [], "c": ["a", "b"]}
    assert structure(first) == structure({"b": [], "a": [], "c": ["b", "a"]})
    assert len(structure(first)) == 16


@pytest.mark.parametrize("other", [{"a": []}, {"a": [], "b": []}, {"a": [], "c": ["a"]}, {"a": ["b"], "b": []}])
def test_names_and_edges_are_structure(other: dict[str, list[str]]) -> None:
    assert structure(other) != structure({"a": [], "b": ["a"]})


def versions_in_a_process(seed: int) -> list[str]:
    program = (
        "from tests.workflows.test_versions import BODY, declared; made = declared(BODY);"
        "print(made.structure_version, made.code_version)"
    )
    environment = {"PYTHONHASHSEED": str(seed), "PYTHONPATH": "."}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()


def test_versions_are_the_same_in_every_process() -> None:
    made = declared(BODY)
    assert versions_in_a_process(1) == versions_in_a_process(2) == [made.structure_version, made.code_version]
