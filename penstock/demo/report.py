"""Writes what was found about an incident: a page in Markdown, and its chart beside it."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from penstock.demo.chart import Picture, draw
from penstock.demo.evidence import Findings, Incident
from penstock.demo.readings import Filesystem
from penstock.demo.signals import Process
from penstock.demo.words import plural, quantity, size

#: What a process is to the demo, in words.
ROLES = {"self": "this demo", "spike": "the load spike that the demo makes"}
#: Less than so much, in percent of a core, is not worth a row.
IDLE = 0.5
#: Where all of it comes from.
SOURCE = "Read from this machine by a run of the workflow `incident`; `penstock runs list` shows its runs."


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Where a report is."""

    report: str
    chart: str


def write(findings: Findings) -> Files:
    """Write both files; writing them again, after a crash, replaces them.

    Raises:
        OSError: The folder cannot be made, or is not writable.
    """
    incident = findings.incident
    directory = Path(incident.directory)
    directory.mkdir(parents=True, exist_ok=True)
    stem = f"incident-{incident.opened_at:%Y%m%d-%H%M%S}-{incident.deviations[0].subject.replace('.', '-')}"
    report, chart = directory / f"{stem}.md", directory / f"{stem}.svg"
    _replace(chart, draw(picture(findings)))
    _replace(report, page(findings, chart.name))
    return Files(report=str(report), chart=str(chart))


def _replace(path: Path, text: str) -> None:
    # a reader sees the whole file or none
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, path)  # noqa: PTH105 - Path.replace is the same, but reads as if it changed text


def headline(incident: Incident) -> str:
    """Return what happened, in one line."""
    worst = incident.deviations[0]
    return f"{worst.name} at {quantity(worst.value, worst.unit)}"


def _where(incident: Incident) -> str:
    return f"{incident.host.name} ({incident.host.system}, {plural(incident.host.cores, 'core')})"


def picture(findings: Findings) -> Picture:
    """Return what the chart shows: the worst deviation's signal, before and after."""
    incident, worst = findings.incident, findings.incident.deviations[0]
    usual = f"usually {quantity(worst.centre, worst.unit)}, normal up to {quantity(worst.limit, worst.unit)}"
    return Picture(
        title=headline(incident),
        subtitle=f"{usual} · {incident.host.name} · {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC",
        unit=worst.unit,
        samples=incident.history + findings.followed,
        centre=worst.centre,
        limit=worst.limit,
        opened=len(incident.history) - 1,
    )


def page(findings: Findings, chart: str) -> str:
    """Return the report as Markdown."""
    incident = findings.incident
    sections = [
        f"# {headline(incident)}",
        f"*{_where(incident)}, {incident.opened_at:%Y-%m-%d %H:%M:%S} UTC*",
        f"**{findings.verdict.words}**",
        f"![{headline(incident)}, over time]({chart})",
        "## What was not normal",
        _deviations(incident),
        "## Busiest processes",
        _processes(findings),
        "## Memory",
        _memory(findings),
        "## Disks",
        _filesystems(findings.filesystems),
        "## Connections",
        _connections(findings.connections),
        "---",
        SOURCE,
    ]
    return "\n\n".join(sections) + "\n"


def table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table: the first column is text, the others are numbers."""
    rule = ("---", *("---:" for _ in columns[1:]))
    lines = [columns, rule, *(tuple(map(_cell, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    # names of processes and mounts come from anywhere
    return "".join(character if character.isprintable() else " " for character in text).replace("|", "\\|")


def _deviations(incident: Incident) -> str:
    return table(
        ("signal", "value", "usually", "normal up to"),
        (
            (
                each.name,
                quantity(each.value, each.unit),
                quantity(each.centre, each.unit),
                quantity(each.limit, each.unit),
            )
            for each in incident.deviations
        ),
    )


def _processes(findings: Findings) -> str:
    processes = findings.processes
    if processes is None:
        return "The system does not show them."

    busy = [each for each in processes.busiest if each.use.value >= IDLE]
    rows = ((_name(each), str(each.pid), f"{each.use.value:.0f} %", size(each.memory_bytes)) for each in busy)
    return table(("process", "id", "of one core", "memory"), rows) + f"\n\n{processes.total:,} processes in all."


def _name(process: Process) -> str:
    return f"{process.name} ({ROLES[process.role]})" if process.role in ROLES else process.name


def _memory(findings: Findings) -> str:
    memory = findings.memory
    if memory is None:
        return "The system does not show it."

    swap = "no swap space" if memory.swap_percent is None else f"{memory.swap_percent:.0f} % of the swap space used"
    return f"{memory.percent:.0f} % of {size(memory.total_bytes)} used, {swap}."


def _filesystems(filesystems: tuple[Filesystem, ...]) -> str:
    if not filesystems:
        return "The system does not show them."

    return table(
        ("mounted at", "used", "of"),
        ((each.mount, f"{each.percent:.0f} %", size(each.total_bytes)) for each in filesystems),
    )


def _connections(states: dict[str, int] | None) -> str:
    if states is None:
        return "The system does not show them to this user."

    return ", ".join(f"{count} {state.lower().replace('_', '-')}" for state, count in states.items()) or "None."
