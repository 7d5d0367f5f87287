"""Shows the demo while it runs: a picture that is redrawn on a terminal, lines everywhere else."""

from collections.abc import Sequence
from typing import IO, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from penstock.demo.frame import Frame, RunLine, Stream
from penstock.demo.words import duration, plural

#: Heights of a column, from nothing to all.
BARS = "▁▂▃▄▅▆▇█"
#: How many columns a course has.
COURSE = 16
#: Columns that the newest values take at least, so that they do not jump.
NOW = 34
#: Runs that are shown, the newest.
RUNS = 3
#: Columns from which on there is room for more, and for everything.
WIDE, WIDEST = 100, 120

MARKS = {"completed": ("✔", "green"), "failed": ("✘", "red"), "skipped": ("–", "yellow"), "waiting": ("…", "dim")}
STATUS = {"completed": "green", "failed": "red", "running": "cyan"}


class View(Protocol):
    """Where the demo shows itself."""

    def show(self, frame: Frame) -> None:
        """Show how things are now.

        Raises:
            OSError: The output cannot be written, or nobody reads it any more.
        """
        ...

    def say(self, words: str) -> None:
        """Tell that something has happened; raises nothing."""
        ...

    def close(self) -> None:
        """Leave the last picture standing."""
        ...


class Silent:
    """Shows nothing: the result is read by a program."""

    def show(self, frame: Frame) -> None:
        """Show nothing."""

    def say(self, words: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines:
    """One line a second, and one for each thing that happens."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._next = 1.0
        self._elapsed = 0.0
        self._error: OSError | None = None

    def show(self, frame: Frame) -> None:
        """Print a line if a second has passed since the last."""
        self._elapsed = frame.elapsed
        if frame.elapsed >= self._next:
            self._next = float(int(frame.elapsed) + 1)
            self.say(line(frame))

        if self._error is not None:
            raise self._error

    def say(self, words: str) -> None:
        """Print what has happened."""
        try:
            self._file.write(f"{self._elapsed:5.1f} s  {words}\n")
            self._file.flush()
        except OSError as error:
            # told by those who must not be disturbed: whoever shows the next frame hears of it
            self._error = error

    def close(self) -> None:
        """Do nothing: lines stand."""


class Picture:
    """A picture that is redrawn."""

    def __init__(self, console: Console) -> None:
        # no thread that refreshes: the demo says when
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._live.start()

    def show(self, frame: Frame) -> None:
        """Draw the picture anew."""
        self._live.update(render(frame, self._console.width), refresh=True)

    def say(self, words: str) -> None:
        """Say nothing: the picture shows it."""

    def close(self) -> None:
        """Give the cursor back."""
        self._live.stop()


def view_for(console: Console, *, plain: bool, silent: bool) -> View:
    """Return the view that suits where the output goes."""
    if silent:
        return Silent()

    able = console.is_terminal and not console.is_dumb_terminal
    return Picture(console) if able and not plain else Lines(console.file)


# -- lines -----------------------------------------------------------------------------------------------------


def line(frame: Frame) -> str:
    """Return how things are in one line."""
    values = ", ".join(f"{stream.name} {stream.brief}" for stream in frame.streams if stream.brief)
    latency = f"p50 {duration(frame.latency.p50)}, p99 {duration(frame.latency.p99)}"
    counts = f"{plural(frame.events, 'event')} ({frame.events_rate:.1f}/s), {plural(frame.firings, 'firing')}"
    kafka = f" | kafka: {frame.kafka}" if frame.kafka else ""
    return f"{counts}, {latency} | {values}{kafka}"


# -- the picture -----------------------------------------------------------------------------------------------


def render(frame: Frame, width: int) -> RenderableType:
    """Return the picture for a terminal that is so many columns wide."""
    wide = width >= WIDE
    parts = [
        _progress(frame),
        Text(),
        _streams(frame.streams, wide=wide),
        Text(),
        *_firings(frame),
        Text(),
        *_runs(frame, wide=width >= WIDEST),
    ]
    return Panel(
        Group(*parts),
        title=Text.assemble(("penstock demo", "bold"), f" · watching {frame.host}"),
        subtitle=Text("Ctrl-C ends it", style="dim"),
        border_style="blue",
        padding=(0, 2),
        width=min(width, WIDEST),
    )


def _progress(frame: Frame) -> RenderableType:
    bar = ProgressBar(total=frame.seconds, completed=min(frame.elapsed, frame.seconds), width=20, complete_style="blue")
    grid = Table.grid(padding=(0, 2))
    grid.add_row(bar, f"{frame.elapsed:.1f} of {frame.seconds:g} s", Text(frame.spike, style="yellow"))
    return grid


def _streams(streams: Sequence[Stream], *, wide: bool) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2 if wide else 1, 0, 0), header_style="bold")
    table.add_column("stream", no_wrap=True)
    table.add_column("events", justify="right", no_wrap=True)
    table.add_column("/s", justify="right", no_wrap=True, min_width=4)
    table.add_column("", width=COURSE, no_wrap=True)
    table.add_column("now", no_wrap=True, min_width=NOW)
    if wide:
        table.add_column("normal", style="dim", no_wrap=True)

    for stream in streams:
        style = "bold red" if stream.strange else ""
        now = Text(stream.absent, style="dim") if stream.absent else Text(stream.now, style=style)
        curve = Text(bars(stream.course), style=style or "cyan")
        row = (stream.name, f"{stream.events:,}", f"{stream.rate:.1f}", curve, now, stream.normal)
        table.add_row(*row[: len(table.columns)])

    return table


def bars(course: Sequence[float]) -> str:
    """Return the course of a signal as columns, the newest at the right."""
    highest = len(BARS) - 1
    return "".join(BARS[round(min(max(part, 0.0), 1.0) * highest)] for part in course[-COURSE:]).rjust(COURSE)


def _firings(frame: Frame) -> list[RenderableType]:
    latency = frame.latency
    counts = Text.assemble(
        ("firings    ", "bold"),
        f"{frame.firings:,}, {frame.firings_rate:.1f}/s, made durable by {plural(frame.cuts, 'cut')}",
    )
    if frame.failed:
        counts.append(f"   {plural(frame.failed, 'failed firing')}", style="bold red")

    percentiles = Text.assemble(
        ("latency    ", "bold"),
        f"p50 {duration(latency.p50)}   p99 {duration(latency.p99)}   from decision to end",
    )
    if not frame.kafka:
        return [counts, percentiles]

    kafka = Text.assemble(("kafka      ", "bold"), frame.kafka, no_wrap=True, overflow="ellipsis")
    return [kafka, counts, percentiles]


def _runs(frame: Frame, *, wide: bool) -> list[RenderableType]:
    earlier = f", {plural(frame.earlier_runs, 'earlier run')} in {frame.store}" if frame.earlier_runs else ""
    words = f"{len(frame.runs)} in this demo{earlier}"
    title = Text.assemble(("incidents  ", "bold"), words, no_wrap=True, overflow="ellipsis")
    if not frame.runs:
        return [title, Text("           everything is normal so far", style="dim")]

    return [title, *(line for run in frame.runs[-RUNS:] for line in _run(run, wide=wide))]


def _run(run: RunLine, *, wide: bool) -> list[RenderableType]:
    status = f"{run.status} {duration(run.seconds)}{', recovered' if run.recovered else ''}"
    head = Text.assemble((f"{run.id:<9}  ", "bold"), f"{run.title}  ", (status, STATUS.get(run.status, "")))
    return [Text.assemble(head, no_wrap=True, overflow="ellipsis"), _tasks(run, wide=wide)]


def _tasks(run: RunLine, *, wide: bool) -> Text:
    words = Text(" " * 9, no_wrap=True, overflow="ellipsis")
    for task in run.tasks:
        mark, style = MARKS.get(task.status, ("…", "dim"))
        took = f" {duration(task.seconds)}" if wide and task.seconds is not None else ""
        words.append(f"  {mark} {task.name}{took}", style=style)

    return words
