"""The analysis of an incident: a graph without a reactor, which a task of the workflow invokes.

Three small functions whose parameters name what they need: evidence, or each other.
"""

import penstock as ps
from penstock.demo.baseline import Deviation
from penstock.demo.evidence import Course, Culprit, Evidence, Verdict
from penstock.demo.signals import Processes, Sample
from penstock.demo.words import quantity

#: From how much of a core on a process may be the cause, in percent.
SUSPICIOUS = 10.0
#: How many samples before the opening belong to the course: those that led to it.
LED_TO = 3

analysis: ps.ComputationGraph = ps.ComputationGraph("analysis", inputs=Evidence)


@analysis.node
def course(deviations: tuple[Deviation, ...], history: tuple[Sample, ...], followed: tuple[Sample, ...]) -> Course:
    """Tell how the worst signal went on after the incident was opened."""
    values = [sample.value for sample in history[-LED_TO:] + followed]
    return Course(peak=max(values), latest=values[-1], over=values[-1] <= deviations[0].limit)


@analysis.node
def suspects(deviations: tuple[Deviation, ...], processes: Processes | None) -> tuple[Culprit, ...]:
    """Name the processes that may have caused it: those that are not normal first, then the busiest."""
    unusual = {each.pid for each in deviations if each.pid is not None}
    busy = [each for each in (processes.busiest if processes else ()) if each.use.value >= SUSPICIOUS]
    ranked = sorted(busy, key=lambda each: (each.pid in unusual, each.use.value), reverse=True)
    return tuple(
        Culprit(pid=each.pid, name=each.name, share=each.use.value, own=each.role is not None) for each in ranked
    )


@analysis.node
def verdict(deviations: tuple[Deviation, ...], course: Course, suspects: tuple[Culprit, ...]) -> Verdict:
    """Put it into words."""
    worst, culprit = deviations[0], next(iter(suspects), None)
    end = "is normal again" if course.over else f"is still at {quantity(course.latest, worst.unit)}"
    words = f"{worst.name} rose to {quantity(course.peak, worst.unit)} and {end}."
    if culprit is not None:
        cause = f"process {culprit.name} ({culprit.pid}) with {culprit.share:.0f} % of a core"
        words += f" The probable cause is {cause}{', which belongs to this demo' if culprit.own else ''}."

    return Verdict(words=words, course=course, culprit=culprit)
