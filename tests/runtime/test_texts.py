import pytest

from penstock.runtime.texts import LONGEST_KEY, LONGEST_NAME, is_key, is_text, name_problem


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize("text", ["", "a", "ü ☃ \x01\x7f\u2028", "x" * 10_000])
def test_text_is_kept_whatever_it_is(text: str) -> None:
    assert is_text(text)


@pytest.mark.parametrize("value", ["\0", "a\0b", "\ud800", "half \udcff", b"abc", None, 1, Text("a")])
def test_what_one_of_the_databases_would_refuse_is_no_text(value: object) -> None:
    assert not is_text(value)
    assert not is_key(value)


def test_keys_and_names_are_measured_in_bytes() -> None:
    assert is_key("é" * (LONGEST_KEY // 2))
    assert not is_key("é" * (LONGEST_KEY // 2) + "e")
    assert name_problem("é" * (LONGEST_NAME // 2)) is None
    assert name_problem("é" * (LONGEST_NAME // 2) + "e") is not None


@pytest.mark.parametrize("name", ["a", "Börse 1", "a/b", "[x]", "👨‍👩‍👧"])
def test_names_are_printable(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "a\0b", "\x7f", "\ud800"])
def test_what_cannot_be_shown_is_no_name(name: str) -> None:
    assert name_problem(name) == f"{name!r} is no name: 1 to 200 bytes of printable characters, no space around them"


def test_a_name_is_text() -> None:
    assert name_problem(7) == "7 is no text"
