import json
from datetime import UTC, datetime

import pytest

from penstock.cli.output import (
    Table,
    cell,
    clock_time,
    complain,
    duration,
    iso,
    print_fields,
    print_json,
    print_table,
    size,
)

Capture = pytest.CaptureFixture[str]


def test_table_in_a_pipe_is_aligned_columns(capsys: Capture) -> None:
    print_table(Table(columns=("run", "status"), rows=(("1-17", "completed"), ("2-1", "failed"))))
    assert capsys.readouterr().out == "run   status\n1-17  completed\n2-1   failed\n"


def test_table_on_a_terminal_is_drawn(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(Table(columns=("run", "text"), rows=(("1-1", "[bold]as it is[/bold]"),)))
    out = capsys.readouterr().out
    assert "1-1" in out
    assert "[bold]as it is[/bold]" in out


def test_empty_table_says_so(capsys: Capture) -> None:
    print_table(Table(columns=("run",), rows=(), empty="no runs"))
    assert capsys.readouterr().out == "no runs\n"


def test_fields_without_a_value_are_left_out(capsys: Capture) -> None:
    print_fields([("run", "1-1"), ("error", ""), ("workflow", "settle")])
    assert capsys.readouterr().out == "run       1-1\nworkflow  settle\n"


def test_json_goes_to_stdout_and_complaints_to_stderr(capsys: Capture) -> None:
    print_json({"text": "°C", "none": None})
    complain("late")
    out, err = capsys.readouterr()
    assert json.loads(out) == {"text": "°C", "none": None}
    assert err == "late\n"


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert cell("a\tb\nc\x1b[31md") == "a b c [31md"


def test_times_are_utc() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert (iso(at), clock_time(at)) == ("2026-01-02T03:04:05.000006Z", "2026-01-02 03:04:05Z")
    assert (iso(None), clock_time(None)) == (None, "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.0, "0 ms"), (0.01234, "12.3 ms"), (1.5, "1.5 s"), (99.96, "100 s"), (3600.0, "3600 s")],
)
def test_durations_have_three_digits(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**2, "5.0 MiB"), (3 * 1024**4, "3.0 TiB")],
)
def test_sizes_have_binary_units(n_bytes: int, text: str) -> None:
    assert size(n_bytes) == text
