import msgspec
import pytest

from penstock.cli.main import FAILED, INTERRUPTED, MISUSED, READER_GONE, VERBS
from penstock.runtime.config import Config
from tests.docs.pages import table

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
