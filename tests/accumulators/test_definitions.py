"""What the decorators make of functions, and what they refuse."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from penstock.accumulators.batch import batch_accumulator
from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.accumulators.polling import polling_accumulator
from penstock.accumulators.state import state_accumulator
from penstock.accumulators.stream import stream_accumulator
from penstock.runtime.errors import DefinitionError
from penstock.testing.source import ScriptedSource


class Book(msgspec.Struct, frozen=True):
    bid: float
    ask: float


SOURCE = ScriptedSource([])


def refusal(decorator: Callable[..., object], fn: object) -> str:
    with pytest.raises(DefinitionError) as caught:
        decorator(fn)

    return str(caught.value)


def test_a_passthrough_knows_its_types_and_stays_callable() -> None:
    @passthrough_accumulator
    def books(event: Book) -> Book | None:
        return event if event.ask > event.bid else None

    assert (books.name, books.input_type, books.output_type, books.durable) == ("books", Book, Book, False)
    assert books(Book(1.0, 2.0)) == Book(1.0, 2.0)
    assert books(Book(2.0, 1.0)) is None
    assert repr(books) == "<passthrough accumulator 'books': Book -> Book>"


def test_options_are_kept() -> None:
    @passthrough_accumulator(durable=True, name="orders", overflow="reject", capacity=5)
    def made(event: Book) -> float:
        return event.bid

    assert (made.name, made.durable, made.overflow, made.capacity) == ("orders", True, "reject", 5)
    assert made.output_type is float


def test_annotations_may_name_local_types() -> None:
    class Local(msgspec.Struct):
        value: int

    @passthrough_accumulator
    def made(event: "Local") -> "Local | None":
        return event

    assert made.output_type is Local


def test_a_polling_accumulator_knows_its_interval() -> None:
    @polling_accumulator("1m30s", durable=True)
    async def rate() -> float | None:
        return 1.0

    assert (rate.interval, rate.output_type, rate.input_type, rate.durable) == (90.0, float, float, True)


def test_a_stream_may_carry_state() -> None:
    @stream_accumulator(SOURCE, state=0.0)
    def volume(event: Book, state: float) -> tuple[float, float | None]:
        return state + event.bid, state + event.bid

    assert volume.memory is not None
    assert (volume.memory.initial, volume.memory.type, volume.output_type) == (0.0, float, float)
    assert volume(Book(1.0, 2.0), 3.0) == (4.0, 4.0)
    assert volume.source is SOURCE


def test_none_may_be_the_first_state() -> None:
    @stream_accumulator(SOURCE, state=None)
    def last(event: float, state: float | None) -> tuple[float | None, float | None]:
        return event, state

    assert last.memory is not None
    assert last.memory.initial is None


def unannotated(event):  # type: ignore[no-untyped-def]
    return event


def returns_none(event: Book) -> None:
    print(event)  # noqa: T201


def two(event: Book, other: Book) -> Book:
    return event


def empty(event: Book) -> Book: ...  # type: ignore[empty-body]


def only_docstring(event: Book) -> Book:  # type: ignore[empty-body]
    """Say much and do nothing."""


@pytest.mark.parametrize(
    ("fn", "words"),
    [
        (unannotated, ["'event' has no annotation", "def unannotated(event: Book)", "`-> Book`"]),
        (returns_none, ["returns nothing"]),
        (two, ["takes 2 parameters"]),
        (empty, ["empty body", "return the event"]),
        (only_docstring, ["empty body"]),
    ],
)
def test_a_passthrough_that_cannot_work_is_refused_with_the_fix(fn: object, words: list[str]) -> None:
    message = refusal(passthrough_accumulator, fn)
    assert all(word in message for word in words), message


def needs_argument(x: int) -> int:
    return x


def polls_nothing() -> float | None:  # type: ignore[empty-body]
    ...


async def polls_nothing_slowly() -> float | None:
    pass


def test_a_poll_that_cannot_work_is_refused_with_the_fix() -> None:
    assert "remove the parameters x" in refusal(polling_accumulator(1.0), needs_argument)
    assert "empty body" in refusal(polling_accumulator(1.0), polls_nothing)
    assert "empty body" in refusal(polling_accumulator(1.0), polls_nothing_slowly)


@pytest.mark.parametrize("interval", [0, -1.0, "soon", True, float("nan")])
def test_an_interval_is_a_duration(interval: object) -> None:
    assert "polling_accumulator(interval" in refusal(polling_accumulator, interval)


def no_state(event: float) -> float:
    return event


def wrong_return(event: float, state: float) -> float:
    return event + state


async def slow_fold(event: float, state: float) -> tuple[float, float | None]:
    return state, event


def test_a_function_that_carries_state_does_not_wait() -> None:
    assert "carries state and is async" in refusal(stream_accumulator(SOURCE, state=0.0), slow_fold)


def test_a_fold_has_a_shape() -> None:
    fold = stream_accumulator(SOURCE, state=0.0)
    assert "returns (state, value)" in refusal(fold, no_state)
    assert "returns (state, value)" in refusal(fold, wrong_return)


def test_a_source_has_a_name_and_runs() -> None:
    assert "a source has a name" in refusal(stream_accumulator, object())


def test_wrong_options_are_reported_together() -> None:
    with pytest.raises(DefinitionError) as caught:
        passthrough_accumulator(overflow="maybe", capacity=0)(no_state)  # type: ignore[arg-type]

    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("name", ["a\0b", "half \udcff", " a", "é" * 101])
def test_a_name_is_one_that_every_database_keeps(name: str) -> None:
    with pytest.raises(DefinitionError, match=r"^accumulator: .* is no name"):
        passthrough_accumulator(name=name)(no_state)


def test_durable_and_drop_oldest_contradict_each_other() -> None:
    with pytest.raises(DefinitionError, match="durable=True keeps every event that was pushed"):
        passthrough_accumulator(durable=True, overflow="drop_oldest")(no_state)  # type: ignore[arg-type]


# -- batches and windows ---------------------------------------------------------------------------------------


def total(events: list[float]) -> float:
    return sum(events)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "accumulator 'total' is never flushed: give max_size=500, max_age=1.0 or flush_after_firing=True"),
        ({"max_size": 0}, "max_size=0 must be a whole number of at least 1"),
        ({"max_size": True}, "max_size=True must be a whole number of at least 1"),
        ({"max_size": 2.5}, "max_size=2.5 must be a whole number of at least 1"),
        ({"max_size": 10, "capacity": 9}, "capacity=9 is less than max_size=10: no batch could become full"),
        ({"max_age": 0}, "batch_accumulator(max_age=…): 0 must be longer than 0s"),
        ({"max_age": "soon"}, "batch_accumulator(max_age=…): 'soon' is not a duration"),
        (
            {"max_size": 1, "source": "kafka"},
            "source='kafka': a source has a name and",
        ),
        ({"max_size": 1, "durable": True, "overflow": "drop_oldest"}, "durable=True keeps every event"),
    ],
)
def test_a_batch_without_sense_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(problem)):
        batch_accumulator(**options)(total)


def test_the_function_of_a_batch_takes_a_list_and_gives_something() -> None:
    def single(event: float) -> float:
        return event

    def bare(events: list) -> float:  # type: ignore[type-arg]
        return float(len(events))

    def two(events: list[float], more: list[float]) -> float:
        return sum(events) + sum(more)

    def nothing(events: list[float]) -> None:
        events.clear()

    def empty(events: list[float]) -> float: ...  # type: ignore[empty-body]

    for function, problem in [
        (single, "is given its events as a list: write `def single(events: list[Trade]) -> float | None`"),
        (bare, "is given its events as a list"),
        (two, "takes 2 parameters, not one"),
        (nothing, "returns nothing"),
        (empty, "has an empty body and would drop every event: return what the events come to"),
    ]:
        with pytest.raises(DefinitionError, match=re.escape(problem)):
            batch_accumulator(max_size=1)(function)  # type: ignore[call-overload]


def test_a_batch_knows_its_types_and_bounds() -> None:
    accumulator = batch_accumulator(max_size=10, max_age="1m", name="sums")(total)
    assert (accumulator.name, accumulator.input_type, accumulator.output_type) == ("sums", float, float)
    assert (accumulator.max_size, accumulator.max_age) == (10, 60.0)
    assert accumulator([1.0, 2.0]) == 3.0
    assert repr(accumulator) == "<batch accumulator 'sums': float -> float>"


@pytest.mark.parametrize("capacity", [-1, 1.5, True, "100"])
def test_scenario_47_a_window_of_any_other_capacity_is_refused(capacity: Any) -> None:
    with pytest.raises(DefinitionError, match="must be a whole number, None for a window without a bound, or 0"):
        state_accumulator("recent", value=float, capacity=capacity)


def test_a_window_knows_its_types() -> None:
    window = state_accumulator("recent", value=float, capacity=0)
    assert (window.size, window.input_type, window.output_type) == (0, float, tuple[float, ...])
    with pytest.raises(DefinitionError, match="is no name"):
        state_accumulator("", value=float, capacity=1)
