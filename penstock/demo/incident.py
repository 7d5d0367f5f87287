"""The durable workflow `incident`: collect evidence in parallel, analyse it, write the report.

    follow ───────┐
    processes ────┼──► analyse ──► report
    system ───────┘

Every task reads this machine or the context, and can be done again: a demo that is killed in the middle of an incident
finishes it when it is started the next time.
"""

import msgspec

import penstock as ps
from penstock.demo import collect, readings
from penstock.demo.analysis import analysis
from penstock.demo.baseline import Deviation
from penstock.demo.evidence import Findings, Incident
from penstock.demo.readings import Filesystem, MemoryUse
from penstock.demo.report import Files, write
from penstock.demo.signals import Processes, Sample

incident: ps.Workflow = ps.Workflow(
    "incident", input=Incident, description="look into what is not normal, and report it"
)


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """How the worst signal went on."""

    followed: tuple[Sample, ...]


class Busiest(msgspec.Struct, frozen=True, kw_only=True):
    """Who is busy; None where that is hidden."""

    processes: Processes | None


class System(msgspec.Struct, frozen=True, kw_only=True):
    """The rest of the machine."""

    memory: MemoryUse | None
    filesystems: tuple[Filesystem, ...]
    connections: dict[str, int] | None


@incident.task
def follow(deviations: tuple[Deviation, ...]) -> Followed:
    """Watch the worst signal for a while longer."""
    return Followed(followed=collect.follow(deviations[0]))


@incident.task
def processes() -> Busiest:
    """Measure who is busy."""
    return Busiest(processes=collect.busiest())


@incident.task
def system() -> System:
    """Look at memory, disks and connections."""
    return System(
        memory=readings.memory(),
        filesystems=tuple(readings.filesystems()),
        connections=readings.connections(),
    )


@incident.task(dependencies=[follow, processes, system], invokes=analysis)
def analyse() -> None:
    """Leave it to the graph: it finds its inputs in the context, and its verdict lands there."""


@incident.task(dependencies=[analyse])
def report(context: ps.Context) -> Files:
    """Write the page and its chart."""
    found = context.to_dict()
    return write(msgspec.convert({**found, "incident": found}, Findings))
