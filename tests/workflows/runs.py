"""Small workflows, and what the store holds of their runs."""

from typing import TypedDict

import msgspec

from penstock.runtime.store.rows import run_number
from penstock.runtime.store.runs import load_events, load_run
from penstock.workflows.events import Event
from penstock.workflows.run import Run
from penstock.workflows.workflow import Workflow
from tests.workflows.conftest import Machine
from tests.workflows.invariants import check_run

#: The events of one decision.
PACKED = msgspec.json.Decoder(list[Event])


class Order(msgspec.Struct):
    amount: float


class Booked(msgspec.Struct):
    number: int


class Total(TypedDict):
    total: float


def lone(body: object = None) -> Workflow:
    """A workflow of one task."""
    made = Workflow("lone")
    made.task(name="only")(body or (lambda: {"done": True}))  # type: ignore[call-overload]
    return made


async def stored(machine: Machine, run: Run) -> list[str]:
    """What the invariants say about a run in the store."""
    assert machine.store is not None
    assert machine.worker is not None
    row = await load_run(machine.store, run_number(run.id))
    return check_run(machine.worker._known(row.workflow).plan, row)


async def events(machine: Machine, run: Run) -> list[str]:
    """The names of the events of a run, with their tasks."""
    assert machine.store is not None
    rows = await load_events(machine.store, run_number(run.id))
    found = [event for row in rows for event in PACKED.decode(row.events)]
    return [f"{event.event} {event.task}" if event.task else event.event for event in found]


def fails_with(error: BaseException) -> Workflow:
    """A workflow whose only task raises."""

    def body() -> None:
        raise error

    return lone(body)
