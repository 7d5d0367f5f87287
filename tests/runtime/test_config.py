"""The settings: where each comes from, and that every problem is named at once."""

from pathlib import Path

import msgspec
import pytest

from penstock.runtime.config import Config, load
from penstock.runtime.durations import FORMS
from penstock.runtime.errors import ConfigError
from penstock.runtime.settings import SETTINGS


def write(directory: Path, own: str | None = None, shared: str | None = None) -> Path:
    for name, text in (("penstock.toml", own), ("pyproject.toml", shared)):
        if text is not None:
            (directory / name).write_text(text)

    return directory


def problems(
    arguments: dict[str, object] | None = None,
    environ: dict[str, str] | None = None,
    directory: Path = Path("/nowhere"),
) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(arguments or {}, environ or {}, directory)

    return caught.value.problems


def test_defaults_are_valid_and_say_so(tmp_path: Path) -> None:
    settings = load({}, {}, tmp_path)
    assert settings.config == Config()
    assert set(settings.origins.values()) == {"default"}
    assert list(settings.origins) == list(SETTINGS) == list(Config.__struct_fields__)


def test_first_source_with_a_value_wins(tmp_path: Path) -> None:
    write(tmp_path, own="threads = 1\ngroup_limit = 1\ndrain_timeout = '1m'\n")
    environ = {"PENSTOCK_THREADS": "2", "PENSTOCK_GROUP_LIMIT": "2"}
    settings = load({"threads": 3}, environ, tmp_path)
    config, origins = settings.config, settings.origins
    assert (config.threads, origins["threads"]) == (3, "argument")
    assert (config.group_limit, origins["group_limit"]) == (2, "environment PENSTOCK_GROUP_LIMIT")
    assert (config.drain_timeout, origins["drain_timeout"]) == (60.0, "penstock.toml")
    assert (config.firing_history, origins["firing_history"]) == (200, "default")


def test_table_of_pyproject_is_read(tmp_path: Path) -> None:
    write(tmp_path, shared="[project]\nname = 'x'\n[tool.penstock]\nthreads = 4\n")
    settings = load({}, {}, tmp_path)
    assert (settings.config.threads, settings.origins["threads"]) == (4, "pyproject.toml [tool.penstock]")


@pytest.mark.parametrize("shared", ["", "[project]\nname = 'x'\n", "[tool.other]\nx = 1\n"])
def test_pyproject_without_the_table_is_no_second_file(tmp_path: Path, shared: str) -> None:
    assert load({}, {}, write(tmp_path, own="threads = 4\n", shared=shared)).config.threads == 4


def test_two_files_with_settings_are_both_named(tmp_path: Path) -> None:
    write(tmp_path, own="threads = 4\n", shared="[tool.penstock]\nthreads = 5\n")
    (problem,) = problems(directory=tmp_path)
    assert (
        problem
        == f"both penstock.toml and pyproject.toml [tool.penstock] hold settings in {tmp_path}; keep one of them"
    )


def test_environment_of_the_process_and_working_directory_are_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(tmp_path, own="threads = 4\n"))
    monkeypatch.setenv("PENSTOCK_GROUP_LIMIT", "7")
    config = load().config
    assert (config.threads, config.group_limit) == (4, 7)


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    write(tmp_path, own="thread = 4\nfiring_history = -1\n")
    environ = {"PENSTOCK_GROUP_LIMITS": "1", "PENSTOCK_THREADS": "many", "PENSTOCK_DRAIN_TIMEOUT": "soon"}
    assert problems({"store": "market.db", "colour": "red"}, environ, tmp_path) == (
        "'thread' (from penstock.toml) is no setting; did you mean 'threads'?",
        (
            "PENSTOCK_GROUP_LIMITS (from the environment) is no setting; did you mean PENSTOCK_GROUP_LIMIT? "
            "Variables of your own begin with PENSTOCK_VAR_."
        ),
        f"'colour' (from argument) is no setting; there are: {', '.join(SETTINGS)}",
        "firing_history (from penstock.toml): -1 is not a whole number from 0",
        f"drain_timeout (from environment PENSTOCK_DRAIN_TIMEOUT): 'soon' is not a duration; {FORMS}",
        "threads (from environment PENSTOCK_THREADS): 'many' is not a whole number from 1",
        'store (from argument): "market.db" is not a URL; for a file write "sqlite:///market.db"',
    )


def test_password_in_a_bad_url_is_not_shown() -> None:
    (problem,) = problems(environ={"PENSTOCK_STORE": "postgres://user:s3cret@host/db"})
    assert "s3cret" not in problem
    assert "user:***@host" in problem


def test_unknown_variable_without_a_near_name_lists_the_settings() -> None:
    (problem,) = problems(environ={"PENSTOCK_QQ": "1"})
    assert problem.startswith("PENSTOCK_QQ (from the environment) is no setting; there are: store, ")


def test_variables_for_other_purposes_are_no_settings(tmp_path: Path) -> None:
    names = [
        "VAR_THREAD",
        "REQUIRE",
        "TEST_POSTGRES_URL",
        "SERVICE_HOST",
        "SERVICE_PORT_HTTP",
        "PORT",
        "PORT_80_TCP_ADDR",
    ]
    assert load({}, {f"PENSTOCK_{name}": "x" for name in names} | {"PENSTOCKS": "x"}, tmp_path).config == Config()


@pytest.mark.parametrize(
    ("own", "shared", "start"),
    [
        ("threads = ", None, "penstock.toml cannot be read: Invalid value"),
        (None, "[tool", "pyproject.toml cannot be read: "),
        (None, "tool = 1", "pyproject.toml: `tool` is not a table; write [tool.penstock]"),
        (None, "[tool]\npenstock = 1", "pyproject.toml: `penstock` is not a table; write [tool.penstock]"),
    ],
)
def test_file_that_cannot_be_read_is_a_problem(tmp_path: Path, own: str | None, shared: str | None, start: str) -> None:
    (problem,) = problems(directory=write(tmp_path, own, shared))
    assert problem.startswith(start)


def test_file_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_bytes(b"\xff\xfe")
    (problem,) = problems(directory=tmp_path)
    assert problem.startswith("penstock.toml cannot be read: ")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("threads", "1_0", 10),
        ("drain_timeout", "0", 0.0),
        ("drain_timeout", "250ms", 0.25),
        ("drain_timeout", 5, 5.0),
        ("switch_interval", "none", None),
        ("switch_interval", None, None),
        ("synchronous", "normal", "normal"),
        ("firing_history", 0, 0),
        ("start_timeout", "2m", 120.0),
    ],
)
def test_value_is_read_in_each_form(name: str, value: object, expected: object, tmp_path: Path) -> None:
    assert getattr(load({name: value}, {}, tmp_path).config, name) == expected


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("threads", True, "True is not a whole number from 1"),
        ("threads", 1.0, "1.0 is not a whole number from 1"),
        ("threads", None, "None is not a whole number from 1"),
        ("threads", 0, "0 is not a whole number from 1"),
        ("group_limit", "", "'' is not a whole number from 1"),
        ("checkpoint_interval", 0, "0 must be longer than 0s"),
        ("checkpoint_interval", "nan", "is not a duration"),
        ("drain_timeout", -1, "-1 must be at least 0s"),
        ("drain_timeout", "400d", "must be at most 366d"),
        ("drain_timeout", True, "True is not a duration"),
        ("switch_interval", 0, "must be longer than 0s"),
        ("synchronous", "off", "'off' is neither full nor normal"),
        ("store", 3, "int is not a URL"),
    ],
)
def test_bad_value_names_setting_origin_and_what_is_accepted(name: str, value: object, reason: str) -> None:
    (problem,) = problems({name: value})
    assert problem.startswith(f"{name} (from argument): ")
    assert reason in problem


def test_config_made_in_code_is_checked_as_well() -> None:
    with pytest.raises(ConfigError) as caught:
        Config(threads=0, store="x", drain_timeout=-1)

    assert len(caught.value.problems) == 3
    assert caught.value.problems[1] == "drain_timeout: -1 must be at least 0s"


def test_config_holds_seconds_whatever_was_written() -> None:
    assert Config(drain_timeout="1m").drain_timeout == 60.0  # type: ignore[arg-type]  # what untyped code may do
    assert type(Config(drain_timeout=60).drain_timeout) is float


def test_replaced_value_is_checked() -> None:
    with pytest.raises(ConfigError, match="threads: 0 is not a whole number from 1"):
        msgspec.structs.replace(Config(), threads=0)


async def test_settings_may_be_gathered_on_the_loop(tmp_path: Path) -> None:
    assert load({}, {}, write(tmp_path, own="threads = 4\n")).config.threads == 4
