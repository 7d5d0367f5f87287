"""The workflows that are measured: small ``async def`` tasks that set one key each, and what must come out."""

from collections.abc import Callable, Mapping

import msgspec

from penstock.workflows.context import Context
from penstock.workflows.workflow import Workflow

INPUT = {"amount": 3.0, "symbol": "X"}


class Shape(msgspec.Struct, frozen=True):
    """A workflow."""

    make: Callable[[], Workflow]
    #: What each task sets in the context.
    tasks: Mapping[str, Mapping[str, object]]

    @property
    def name(self) -> str:
        """Name of the workflow."""
        return self.make.__name__

    @property
    def output(self) -> dict[str, object]:
        """What a run must return."""
        return INPUT | {key: value for changes in self.tasks.values() for key, value in changes.items()}


def simple() -> Workflow:
    """Return one task."""
    workflow = Workflow("simple")

    @workflow.task
    async def book(context: Context) -> None:
        context["booked"] = True

    return workflow


def pipeline() -> Workflow:
    """Return three tasks, one after the other."""
    workflow = Workflow("pipeline")

    @workflow.task
    async def fetch(context: Context) -> None:
        context["price"] = 101.25

    @workflow.task(dependencies=[fetch])
    async def rate(context: Context) -> None:
        context["score"] = 0.5

    @workflow.task(dependencies=[rate])
    async def book(context: Context) -> None:
        context["booked"] = True

    return workflow


def parallel() -> Workflow:
    """Return five tasks: one, three side by side, and one that waits for these."""
    workflow = Workflow("parallel")

    @workflow.task
    async def fetch(context: Context) -> None:
        context["price"] = 101.25

    @workflow.task(dependencies=[fetch])
    async def rate(context: Context) -> None:
        context["score"] = 0.5

    @workflow.task(dependencies=[fetch])
    async def size(context: Context) -> None:
        context["lots"] = 7

    @workflow.task(dependencies=[fetch])
    async def limit(context: Context) -> None:
        context["limit"] = 1000.0

    @workflow.task(dependencies=[rate, size, limit])
    async def book(context: Context) -> None:
        context["booked"] = True

    return workflow


FETCH, RATE, BOOK = {"price": 101.25}, {"score": 0.5}, {"booked": True}
SIMPLE = Shape(simple, {"book": BOOK})
PIPELINE = Shape(pipeline, {"fetch": FETCH, "rate": RATE, "book": BOOK})
PARALLEL = Shape(
    parallel, {"fetch": FETCH, "rate": RATE, "size": {"lots": 7}, "limit": {"limit": 1000.0}, "book": BOOK}
)
