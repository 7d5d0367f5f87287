"""The workflows that are measured: small ``async def`` tasks that set one key each, and what must come out."""

from collections.abc import Callable, Coroutine, Mapping
from functools import partial

import msgspec

from penstock.workflows.context import Context
from penstock.workflows.workflow import Workflow

INPUT = {"amount": 3.0, "symbol": "X"}


class Shape(msgspec.Struct, frozen=True):
    """A workflow."""

    make: Callable[[], Workflow]
    name: str
    #: What each task sets in the context.
    tasks: Mapping[str, Mapping[str, object]]

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


def setter(key: str) -> Callable[[Context], Coroutine[object, object, None]]:
    """Return a task that sets a key."""

    async def set_key(context: Context) -> None:
        context[key] = True

    return set_key


def layers(count: int, width: int) -> dict[str, list[str]]:
    """Return tasks in layers with what each depends on: on all of the layer before, or on one when they are many."""
    needs: dict[str, list[str]] = {}
    for layer in range(count):
        before = [f"t{layer - 1}_{at}" for at in range(width)] if layer else []
        for at in range(width):
            needs[f"t{layer}_{at}"] = before if width <= FEW else before[at : at + 1]

    return needs


def layered(name: str, needs: Mapping[str, list[str]]) -> Workflow:
    """Return a workflow of these tasks, each of which sets the key of its name."""
    workflow = Workflow(name)
    for task, own in needs.items():
        workflow.task(name=task, dependencies=own)(setter(task))

    return workflow


def of_layers(name: str, count: int, width: int) -> Shape:
    """Return a workflow in layers."""
    needs = layers(count, width)
    return Shape(partial(layered, name, needs), name, {task: {task: True} for task in needs})


#: Tasks of a layer that all depend on all of the layer before; with more there would be more edges than tasks.
FEW = 10
FETCH, RATE, BOOK = {"price": 101.25}, {"score": 0.5}, {"booked": True}
SIMPLE = Shape(simple, "simple", {"book": BOOK})
PIPELINE = Shape(pipeline, "pipeline", {"fetch": FETCH, "rate": RATE, "book": BOOK})
PARALLEL = Shape(
    parallel, "parallel", {"fetch": FETCH, "rate": RATE, "size": {"lots": 7}, "limit": {"limit": 1000.0}, "book": BOOK}
)
LAYERED = of_layers("layered", 3, 2)
#: A hundred tasks side by side, a hundred times one after the other.
LARGE = of_layers("large", 100, 100)
