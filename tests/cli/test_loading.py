from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.app import App
from penstock.cli.loading import load
from penstock.runtime.errors import AppError, ConfigError, DefinitionError

Write = Callable[[str, str], Path]

GOOD = "import penstock as ps\napp = ps.App(parts=[])\nclass space:\n    inner = app\n"


def test_app_of_a_module_in_the_working_directory(write: Write) -> None:
    write("market_one.py", GOOD)
    assert isinstance(load("market_one:app"), App)


def test_attribute_is_app_when_none_is_named(write: Write) -> None:
    write("market_two.py", GOOD)
    assert load("market_two") is load("market_two:app")


def test_attribute_may_be_one_of_an_attribute(write: Write) -> None:
    write("market_three.py", GOOD)
    assert load("market_three:space.inner") is load("market_three:app")


def test_module_of_a_package(project: Path, write: Write) -> None:
    (project / "deep").mkdir()
    write("deep/market.py", GOOD)
    assert isinstance(load("deep.market:app"), App)


@pytest.mark.parametrize("reference", ["nowhere:app", "nowhere.market:app"])
def test_unknown_module(project: Path, reference: str) -> None:
    with pytest.raises(ConfigError, match=f"no module 'nowhere' can be imported from {project}"):
        load(reference)


@pytest.mark.parametrize(
    ("reference", "meant"), [("market.py", "market:app"), ("./deep/market.py:app", "deep.market:app")]
)
def test_path_is_answered_with_the_module(project: Path, reference: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"is a path; name the module instead: {meant}"):
        load(reference)


@pytest.mark.parametrize("reference", ["", ":app", "market.:app", ".market:app"])
def test_no_name_of_a_module(project: Path, reference: str) -> None:
    with pytest.raises(ConfigError, match="names no module; write module:attribute"):
        load(reference)


def test_unknown_attribute_names_the_apps_that_are_there(write: Write) -> None:
    write("market_four.py", GOOD)
    with pytest.raises(ConfigError, match=r"no attribute 'main'; did you mean market_four:app\?"):
        load("market_four:main")


def test_unknown_attribute_names_the_nearest(write: Write) -> None:
    write("market_five.py", "orders = 1\n")
    with pytest.raises(ConfigError, match=r"no attribute 'order'; did you mean market_five:orders\?"):
        load("market_five:order")


def test_attribute_that_is_no_app_says_what_it_is(write: Write) -> None:
    write("market_six.py", "app = 17\n")
    with pytest.raises(ConfigError, match="'market_six:app' is of type int, not an app"):
        load("market_six:app")


def test_class_is_no_app(write: Write) -> None:
    write("market_seven.py", "class app: ...\n")
    with pytest.raises(ConfigError, match="is the class app, not an app"):
        load("market_seven:app")


def test_error_while_importing_names_what_and_where(write: Write) -> None:
    path = write("market_eight.py", "x = 1\ny = 1 / 0\n")
    with pytest.raises(AppError) as caught:
        load("market_eight:app")

    expected = f"importing 'market_eight' failed: ZeroDivisionError: division by zero ({path}, line 2)"
    assert str(caught.value) == expected
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_missing_import_of_the_module_is_not_the_module_missing(write: Write) -> None:
    write("market_nine.py", "import nowhere_else\n")
    with pytest.raises(AppError, match=r"importing 'market_nine' failed: .*No module named 'nowhere_else'"):
        load("market_nine:app")


def test_syntax_error_names_the_line(write: Write) -> None:
    write("market_ten.py", "x = (\n")
    with pytest.raises(AppError, match=r"importing 'market_ten' failed: SyntaxError: .*line 1"):
        load("market_ten:app")


def test_module_that_exits_while_imported_does_not_end_the_command(write: Write) -> None:
    write("market_eleven.py", "raise SystemExit(3)\n")
    with pytest.raises(AppError, match="importing 'market_eleven' failed: SystemExit: 3"):
        load("market_eleven:app")


def test_problems_in_declarations_arrive_as_they_are(write: Write) -> None:
    write("market_twelve.py", "from penstock.runtime.errors import DefinitionError\nraise DefinitionError('a', 'b')\n")
    with pytest.raises(DefinitionError) as caught:
        load("market_twelve:app")

    assert caught.value.problems == ("a", "b")
