import io

import msgspec
import pytest
from rich.console import Console

from penstock.demo.frame import Frame, Latency, RunLine, Stream, Task
from penstock.demo.view import Lines, Picture, Silent, bars, line, render, view_for

FRAME = Frame(
    elapsed=6.3,
    seconds=15.0,
    host="box [2 cores]",
    store="demo.db",
    earlier_runs=2,
    spike="load spike",
    streams=(
        Stream(name="cpu", events=24, rate=4.0, now="61 %", normal="up to 31 %", course=(0.0, 1.0), strange=True),
        Stream(name="network", events=0, rate=0.0, absent="not told here"),
    ),
    firings=58,
    firings_rate=11.8,
    failed=0,
    latency=Latency(p50=86e-6, p99=1.3e-3),
    cuts=6,
    runs=(
        RunLine(
            id="3-1",
            status="running",
            seconds=1.1,
            tasks=(Task(name="follow", status="completed", seconds=0.8), Task(name="report", status="waiting")),
        ),
    ),
)


def drawn(frame: Frame, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        console.print(render(frame, width))

    return capture.get()


def written(terminal: bool) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=100, force_terminal=terminal), file


def test_picture_shows_streams_firings_and_runs() -> None:
    text = drawn(FRAME, 120)
    for words in [
        "box [2 cores]",
        "61 %",
        "up to 31 %",
        "not told here",
        "58, 11.8/s",
        "p99 1.3 ms",
        "✔ follow 800 ms",
    ]:
        assert words in text


def test_picture_fits_a_small_terminal() -> None:
    lines = drawn(msgspec.structs.replace(FRAME, streams=FRAME.streams * 3, runs=FRAME.runs * 9), 80).splitlines()
    assert len(lines) <= 24
    assert {len(line) for line in lines} == {80}


def test_picture_tells_earlier_runs_and_failed_firings() -> None:
    assert "2 earlier runs in demo.db" in drawn(FRAME, 110)
    url = "postgresql+asyncpg://postgres@127.0.0.1:5432/measurements"
    long = drawn(msgspec.structs.replace(FRAME, store=url), 80)
    assert "2 earlier runs in postgresql+asyncpg://" in long
    assert len(long.splitlines()) == len(drawn(FRAME, 80).splitlines())
    assert "3 failed firings" in drawn(msgspec.structs.replace(FRAME, failed=3), 110)


def test_bars_are_as_high_as_the_values() -> None:
    assert bars([0.0, 0.5, 1.0, 7.0]) == "            ▁▅██"


def test_lines_come_once_a_second_and_when_something_happens() -> None:
    file = io.StringIO()
    lines = Lines(file)
    for elapsed in [0.5, 1.1, 1.6, 1.9, 2.4]:
        lines.show(msgspec.structs.replace(FRAME, elapsed=elapsed))

    lines.say("incident 3-1 opened")
    assert [line[:7].strip() for line in file.getvalue().splitlines()] == ["1.1 s", "2.4 s", "2.4 s"]
    assert "\x1b" not in file.getvalue()


def test_terminal_gets_the_picture_and_its_cursor_back() -> None:
    console, file = written(terminal=True)
    view = view_for(console, plain=False, silent=False)
    view.show(FRAME)
    view.close()
    assert isinstance(view, Picture)
    assert "penstock demo" in file.getvalue()
    assert file.getvalue().count("\x1b[?25l") == file.getvalue().count("\x1b[?25h") == 1


def test_lines_are_for_everything_that_is_no_terminal_or_asks_for_them() -> None:
    assert isinstance(view_for(written(terminal=False)[0], plain=False, silent=False), Lines)
    assert isinstance(view_for(written(terminal=True)[0], plain=True, silent=False), Lines)
    assert isinstance(view_for(written(terminal=True)[0], plain=False, silent=True), Silent)


def test_reader_that_went_away_is_told_by_the_next_frame_and_to_nobody_else() -> None:
    class Closed(io.StringIO):
        def write(self, _text: str, /) -> int:
            raise BrokenPipeError("gone")

    lines = Lines(Closed())
    lines.say("incident 3-1 opened")
    with pytest.raises(BrokenPipeError):
        lines.show(FRAME)


def test_way_over_kafka_is_shown_where_there_is_one() -> None:
    over = msgspec.structs.replace(FRAME, kafka="8 produced, 7 consumed, lag 1, live", streams=FRAME.streams[:1] * 5)
    text = drawn(over, 80)
    assert "kafka      8 produced, 7 consumed, lag 1, live" in text
    assert len(text.splitlines()) <= 24
    assert "kafka" not in drawn(FRAME, 80)
    assert line(over).endswith(" | kafka: 8 produced, 7 consumed, lag 1, live")
