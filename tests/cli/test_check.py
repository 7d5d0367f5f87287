from collections.abc import Callable
from pathlib import Path
from typing import cast

from tests.cli.conftest import Penstock
from tests.cli.market import MARKET, WRONG

Write = Callable[[str, str], Path]
Report = dict[str, object]


def test_good_app_is_ok_and_its_parts_are_named(write: Write, penstock: Penstock) -> None:
    write("market_good.py", MARKET)
    outcome = penstock("check", "market_good:app", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    report = cast("Report", outcome.json)
    assert (report["app"], report["ok"], report["problems"]) == ("market_good:app", True, [])
    assert report["parts"] == {
        "accumulators": ["orders"],
        "reactors": ["market"],
        "graphs": ["sizes"],
        "workflows": ["settle"],
    }


def test_good_app_in_words(write: Write, penstock: Penstock) -> None:
    write("market_words.py", MARKET)
    outcome = penstock("check", "market_words:app")
    assert outcome.out == "market_words:app: ok (1 accumulator, 1 reactor, 1 graph, 1 workflow)\n"


def test_all_problems_are_listed_at_once(write: Write, penstock: Penstock) -> None:
    write("market_wrong.py", WRONG)
    outcome = penstock("check", "market_wrong:app", "--json")
    assert (outcome.code, outcome.err) == (1, "")
    report = cast("Report", outcome.json)
    problems = cast("list[str]", report["problems"])
    assert (report["ok"], report["parts"]) == (False, {})
    assert len(problems) >= 2
    assert any("jugde" in problem and "judge" in problem for problem in problems)
    assert any("amuont" in problem and "amount" in problem for problem in problems)


def test_problems_in_words(write: Write, penstock: Penstock) -> None:
    write("market_wrong_words.py", WRONG)
    outcome = penstock("check", "market_wrong_words")
    first, *rest = outcome.out.splitlines()
    assert (outcome.code, outcome.err) == (1, "")
    assert first.startswith("market_wrong_words: ")
    assert first.endswith(" problems")
    assert [line for line in rest if line.startswith("  - ")]


def test_checking_does_not_make_the_store(write: Write, penstock: Penstock, project: Path) -> None:
    write("market_store.py", MARKET)
    assert penstock("check", "market_store").code == 0
    assert not (project / "market.db").exists()


def test_module_that_fails_on_import_is_a_failure_in_one_sentence(write: Write, penstock: Penstock) -> None:
    path = write("market_broken.py", "1 / 0\n")
    outcome = penstock("check", "market_broken", "--json")
    assert (outcome.code, outcome.out) == (1, "")
    expected = f"importing 'market_broken' failed: ZeroDivisionError: division by zero ({path}, line 1)"
    assert outcome.err == f"penstock: {expected}\n"


def test_unknown_module_is_misuse(penstock: Penstock) -> None:
    outcome = penstock("check", "nothing:app")
    assert (outcome.code, outcome.out) == (2, "")
    assert "no module 'nothing'" in outcome.err
