"""Variables: read by name from the environment, and what is missing is named."""

import pytest
from hypothesis import given, strategies as st

from penstock.runtime.errors import ConfigError
from penstock.runtime.variables import resolve_template, var, var_or

ENVIRON = {
    "PENSTOCK_VAR_HOST": "example.org",
    "PENSTOCK_VAR_PATH": "{{ HOST }}",
    "PENSTOCK_VAR_EMPTY": "",
    "HOST": "no",
}


def test_variable_is_read_from_its_environment_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_VAR_HOST", "example.org")
    assert var("HOST") == var_or("HOST", "other") == resolve_template("{{HOST}}") == "example.org"


def test_missing_variable_is_named_with_its_environment_name() -> None:
    with pytest.raises(ConfigError, match="variable 'PORT' is not set; set PENSTOCK_VAR_PORT in the environment"):
        var("PORT", environ=ENVIRON)


def test_empty_variable_is_a_value() -> None:
    assert var("EMPTY", environ=ENVIRON) == var_or("EMPTY", "other", environ=ENVIRON) == ""
    assert resolve_template("[{{ EMPTY }}]", environ=ENVIRON) == "[]"


def test_default_is_used_when_the_variable_is_missing() -> None:
    assert var_or("PORT", "80", environ=ENVIRON) == "80"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("no places", "no places"),
        ("https://{{ HOST }}/", "https://example.org/"),
        ("{{HOST}}{{  HOST\n}}", "example.orgexample.org"),
        ("{{ PATH }}", "{{ HOST }}"),
        ("{{ HOST", "{{ HOST"),
        ("{{ HOST }} {{ HOST", "example.org {{ HOST"),
        ("{ HOST } }} {", "{ HOST } }} {"),
    ],
)
def test_template_is_filled(template: str, text: str) -> None:
    assert resolve_template(template, environ=ENVIRON) == text


def test_all_missing_names_are_in_one_error() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_template("{{ A }} {{ HOST }} {{ B }} {{ A }} {{ }}", environ=ENVIRON)

    assert caught.value.problems == (
        "variable 'A' is not set; set PENSTOCK_VAR_A in the environment",
        "variable 'B' is not set; set PENSTOCK_VAR_B in the environment",
        "a template holds {{ }} without a name; write {{ NAME }}",
    )


@given(st.text(), st.text(), st.text())
def test_values_are_copied_as_they_are(before: str, value: str, after: str) -> None:
    before, after = before.replace("{", "("), after.replace("}", ")")
    assert resolve_template(f"{before}{{{{ X }}}}{after}", environ={"PENSTOCK_VAR_X": value}) == before + value + after
