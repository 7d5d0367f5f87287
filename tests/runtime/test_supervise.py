"""Crashed parts start again, later and later; hopeless ones rest; stopped ones end."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from anyio import create_task_group
from hypothesis import given, strategies as st

from penstock.runtime.errors import AppError, DefinitionError, PartFailed
from penstock.runtime.observe import CircuitChanged, Fact, PartRestarted
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.supervise import Part, RestartPolicy, Supervisor
from penstock.runtime.together import together
from penstock.testing.clock import VirtualClock

START = datetime(2026, 1, 1, tzinfo=UTC)
#: Delays 1, 2, 4, 4 … seconds; given up at the fourth crash, tried again after 100 s, well after 10 s.
POLICY = RestartPolicy(maximum_delay=4.0, jitter=0.0, open_after=4, probe_after=100.0, healthy_after=10.0)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def facts() -> list[Fact]:
    return []


@pytest.fixture
async def supervisor(clock: VirtualClock, facts: list[Fact]) -> AsyncIterator[Supervisor]:
    scheduler = Scheduler(clock, on_error=print)
    async with create_task_group() as group:
        supervisor = Supervisor(group, scheduler, facts.append, random.Random(1))
        yield supervisor
        await supervisor.stop()

    assert scheduler.statistics().pending == 0
    scheduler.close()


class Script:
    """A body that does one thing after the other: crashes after some seconds, or runs for ever at the end."""

    def __init__(self, clock: VirtualClock, *lives: float | None) -> None:
        self.clock, self.lives = clock, list(lives)
        self.began: list[float] = []
        self.scheduler = Scheduler(clock, on_error=print)

    async def __call__(self) -> None:
        self.began.append(self.clock.monotonic())
        if not self.lives:
            await asyncio.Event().wait()

        life = self.lives.pop(0)
        if life is None:
            return

        await self.scheduler.sleep(life)
        raise ValueError(f"crash {len(self.began)}")


# -- crashing ----------------------------------------------------------------------------------------------


async def test_crashed_part_starts_again_later_and_later(
    clock: VirtualClock, supervisor: Supervisor, facts: list[Fact]
) -> None:
    body = Script(clock, 0.0, 0.0, 0.0)
    part = supervisor.start("poll", body, POLICY)
    await clock.advance(60.0)
    assert body.began == [0.0, 1.0, 3.0, 7.0]
    assert facts == [
        PartRestarted(part="poll", restarts=number, delay=delay, error=f"ValueError: crash {number}")
        for number, delay in [(1, 1.0), (2, 2.0), (3, 4.0)]
    ]
    assert (part.state, part.restarts, part.circuit) == ("running", 3, "closed")


async def test_waiting_part_tells_what_happened_and_when_it_goes_on(
    clock: VirtualClock, supervisor: Supervisor
) -> None:
    part = supervisor.start("poll", Script(clock, 0.5), POLICY)
    await clock.advance(1.0)
    told = part.facts()
    assert (told.name, told.state, told.circuit, told.crashes, told.restarts) == ("poll", "waiting", "closed", 1, 0)
    assert (told.last_error, told.since) == ("ValueError: crash 1", START + timedelta(seconds=0.5))
    assert told.next_retry_at == part.next_retry_at == START + timedelta(seconds=1.5)
    await clock.advance(1.0)
    assert (part.state, part.next_retry_at, part.facts().last_error) == ("running", None, "ValueError: crash 1")


async def test_part_that_ran_long_enough_is_forgiven(clock: VirtualClock, supervisor: Supervisor) -> None:
    body = Script(clock, 0.0, 0.0, 10.5, 0.0)
    part = supervisor.start("poll", body, POLICY)
    await clock.advance(13.0)
    assert (part.facts().crashes, part.last_error) == (0, None)
    await clock.advance(1.0)
    assert (part.facts().crashes, part.state) == (1, "waiting")
    await clock.advance(20.0)
    assert body.began == [0.0, 1.0, 3.0, 14.5, 16.5]


async def test_parts_that_crash_together_wait_at_the_same_time(clock: VirtualClock, supervisor: Supervisor) -> None:
    bodies = [Script(clock, 0.0) for _ in range(10)]
    for number, body in enumerate(bodies):
        supervisor.start(f"poll {number}", body, POLICY)

    await clock.advance(1.0)
    assert [body.began for body in bodies] == [[0.0, 1.0]] * 10


async def test_part_that_waited_for_something_cancelled_has_crashed(
    clock: VirtualClock, supervisor: Supervisor
) -> None:
    async def body() -> None:
        asyncio.get_running_loop().call_soon(waited_for.cancel)
        await waited_for

    waited_for = asyncio.get_running_loop().create_future()
    part = supervisor.start("poll", body, POLICY)
    await clock.settle()
    assert (part.state, part.facts().last_error) == ("waiting", "CancelledError")


class Abort(BaseException):
    """What no `except Exception` sees."""


@pytest.mark.parametrize("error", [SystemExit(1), Abort(), BaseExceptionGroup("two", [Abort(), SystemExit(1)])])
async def test_what_wants_the_process_to_exit_is_a_crash_of_its_part_alone(
    clock: VirtualClock, supervisor: Supervisor, error: BaseException
) -> None:
    async def body() -> None:
        raise error

    other = supervisor.start("other", Script(clock), POLICY)
    part = supervisor.start("poll", body, POLICY)
    await clock.settle()
    assert (part.state, part.last_error, other.state) == ("waiting", error, "running")


@pytest.mark.parametrize("group", [False, True])
async def test_an_interrupt_that_comes_out_of_a_part_says_of_which(
    clock: VirtualClock, supervisor: Supervisor, facts: list[Fact], *, group: bool
) -> None:
    error = BaseExceptionGroup("one", [KeyboardInterrupt()]) if group else KeyboardInterrupt()

    async def body() -> None:
        raise error

    scheduler = Scheduler(clock, on_error=print)
    part = Part("poll", body, POLICY, scheduler=scheduler, observer=facts.append, rng=random.Random(1))
    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)) as caught:
        await part.live()

    assert caught.value.__notes__ == ["it came out of poll"]
    assert (part.state, facts) == ("stopped", [])


async def test_part_that_swallows_its_cancellation_is_closed_by_force(
    clock: VirtualClock, supervisor: Supervisor
) -> None:
    closed: list[str] = []

    async def stubborn(name: str) -> None:
        try:
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
        finally:
            closed.append(name)

    async def several() -> None:
        await together(stubborn("first"), stubborn("second"))

    parts = [supervisor.start("one", lambda: stubborn("one"), POLICY), supervisor.start("several", several, POLICY)]
    await clock.settle()
    stopping = asyncio.gather(supervisor.stop(patience=5.0), return_exceptions=True)
    await clock.advance(5.0)
    (error,) = await stopping
    assert isinstance(error, PartFailed)
    assert error.part == "one, several"
    assert closed == []
    supervisor.abandon()
    await clock.settle()
    assert closed == ["one", "first", "second"]
    assert [part.state for part in parts] == ["stopped", "stopped"]


async def test_part_that_ends_is_finished(clock: VirtualClock, supervisor: Supervisor, facts: list[Fact]) -> None:
    part = supervisor.start("lines", Script(clock, 0.0, None), POLICY)
    await clock.advance(1.0)
    await part.wait()
    assert (part.state, part.ended, part.last_error, len(facts)) == ("finished", True, None, 1)
    part.reset()
    await part.stop()
    assert part.state == "finished"


# -- the circuit -------------------------------------------------------------------------------------------


async def test_hopeless_part_rests_and_is_tried_again(
    clock: VirtualClock, supervisor: Supervisor, facts: list[Fact]
) -> None:
    body = Script(clock, *[0.0] * 5)
    part = supervisor.start("kafka", body, POLICY)
    await clock.advance(7.0)
    assert (part.state, part.circuit, part.next_retry_at) == ("open", "open", START + timedelta(seconds=107.0))
    await clock.advance(199.0)  # the first try, at 107, fails
    assert (part.state, body.began[4:]) == ("open", [107.0])
    await clock.advance(1.0)
    assert (part.state, part.circuit, body.began[4:]) == ("half_open", "half_open", [107.0, 207.0])
    await clock.advance(10.0)
    assert (part.state, part.circuit, part.restarts) == ("running", "closed", 5)
    assert [fact for fact in facts if isinstance(fact, CircuitChanged)] == [
        CircuitChanged(part="kafka", state="open", error="ValueError: crash 4"),
        CircuitChanged(part="kafka", state="half_open"),
        CircuitChanged(part="kafka", state="open", error="ValueError: crash 5"),
        CircuitChanged(part="kafka", state="half_open"),
        CircuitChanged(part="kafka", state="closed"),
    ]


async def test_probe_that_ends_closes_the_circuit(
    clock: VirtualClock, supervisor: Supervisor, facts: list[Fact]
) -> None:
    part = supervisor.start("lines", Script(clock, *[0.0] * 4, None), POLICY)
    await clock.advance(107.0)
    assert (part.state, facts[-1]) == ("finished", CircuitChanged(part="lines", state="closed"))


async def test_reset_starts_at_once_with_a_clean_record(
    clock: VirtualClock, supervisor: Supervisor, facts: list[Fact]
) -> None:
    body = Script(clock, *[0.0] * 5)
    part = supervisor.start("kafka", body, POLICY)
    await clock.advance(8.0)
    part.reset()
    await clock.settle()
    assert (part.state, part.facts().crashes, body.began[-1]) == ("waiting", 1, 8.0)
    await clock.advance(1.0)
    assert (part.state, body.began[-1]) == ("running", 9.0)
    assert CircuitChanged(part="kafka", state="closed") in facts


async def test_reset_of_a_probe_closes_the_circuit(clock: VirtualClock, supervisor: Supervisor) -> None:
    part = supervisor.start("kafka", Script(clock, *[0.0] * 4), POLICY)
    await clock.advance(107.0)
    assert part.state == "half_open"
    part.reset()
    assert (part.state, part.circuit) == ("running", "closed")


# -- stopping ----------------------------------------------------------------------------------------------


async def test_stopped_part_cleans_up_and_does_not_start_again(clock: VirtualClock, supervisor: Supervisor) -> None:
    out: list[str] = []

    async def body() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await Scheduler(clock, on_error=print).sleep(0.0)  # cleaning up may wait
            out.append("closed")

    part = supervisor.start("source", body, POLICY)
    await clock.settle()
    await asyncio.gather(part.stop(), clock.advance(1.0))
    assert (part.state, out, part.restarts) == ("stopped", ["closed"], 0)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 8.0], ids=["before it began", "waiting", "open"])
async def test_part_is_stopped_whatever_it_does(clock: VirtualClock, supervisor: Supervisor, seconds: float) -> None:
    part = supervisor.start("poll", Script(clock, *[0.0] * 9), POLICY)
    if seconds:
        await clock.advance(seconds)

    await part.stop()
    assert (part.state, part.ended, part.next_retry_at) == ("stopped", True, None)


async def test_one_part_stops_and_the_others_go_on(clock: VirtualClock, supervisor: Supervisor) -> None:
    first, second = (supervisor.start(name, Script(clock), POLICY) for name in ("first", "second"))
    await clock.settle()
    await first.stop()
    assert [(part.name, part.state) for part in supervisor.facts()] == [("first", "stopped"), ("second", "running")]
    await supervisor.stop()
    assert second.state == "stopped"


async def test_error_while_stopping_is_kept_and_starts_nothing(
    clock: VirtualClock, supervisor: Supervisor, facts: list[Fact]
) -> None:
    async def body() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("cannot close")

    part = supervisor.start("source", body, POLICY)
    await clock.settle()
    await part.stop()
    assert (part.state, part.facts().last_error, facts) == ("stopped", "OSError: cannot close", [])


async def test_part_that_swallows_its_cancellation_is_told(clock: VirtualClock, supervisor: Supervisor) -> None:
    gone_on, end = asyncio.Event(), asyncio.Event()

    async def body() -> None:
        try:
            await end.wait()
        except asyncio.CancelledError:
            gone_on.set()
            await end.wait()

    part = supervisor.start("stubborn", body, POLICY)
    await clock.settle()
    stopping = asyncio.gather(part.stop(patience=5.0), return_exceptions=True)
    await clock.advance(5.0)
    (error,) = await stopping
    assert isinstance(error, PartFailed)
    assert (error.part, part.ended, gone_on.is_set()) == ("stubborn", False, True)
    end.set()
    await part.wait()
    assert part.state == "stopped"


async def test_part_may_stop_itself(clock: VirtualClock, supervisor: Supervisor) -> None:
    async def waits() -> None:
        await supervisor.parts[0].stop()

    async def returns() -> None:
        supervisor.parts[1].cancel()

    parts = [supervisor.start("waits", waits, POLICY), supervisor.start("returns", returns, POLICY)]
    third = supervisor.start("third", Script(clock), POLICY)
    await clock.settle()
    assert [part.state for part in parts] == ["stopped", "stopped"]
    assert third.state == "running"


async def test_crash_that_cannot_be_printed_is_a_crash_like_any_other(
    clock: VirtualClock, supervisor: Supervisor, facts: list[Fact]
) -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise AttributeError

    async def body() -> None:
        raise Silent

    part = supervisor.start("poll", body, POLICY)
    await clock.settle()
    text = "Silent: <its text cannot be shown: AttributeError>"
    assert (part.state, part.facts().last_error) == ("waiting", text)
    assert facts == [PartRestarted(part="poll", restarts=1, delay=1.0, error=text)]


async def test_cancelled_task_group_ends_the_parts(clock: VirtualClock, facts: list[Fact]) -> None:
    async with create_task_group() as group:
        supervisor = Supervisor(group, Scheduler(clock, on_error=print), facts.append)
        part = supervisor.start("poll", Script(clock), POLICY)
        await clock.settle()
        group.cancel_scope.cancel()

    assert (part.state, part.ended, facts) == ("stopped", True, [])


async def test_name_is_free_when_its_part_has_ended(clock: VirtualClock, supervisor: Supervisor) -> None:
    supervisor.start("poll", Script(clock), POLICY)
    with pytest.raises(AppError, match="'poll' runs already"):
        supervisor.start("poll", Script(clock), POLICY)

    await supervisor.stop()
    again = supervisor.start("poll", Script(clock), POLICY)
    assert supervisor.parts == (again,)


# -- the policy --------------------------------------------------------------------------------------------


@given(
    crashes=st.integers(1, 10_000),
    initial=st.floats(0.0, 100.0),
    more=st.floats(0.0, 1000.0),
    factor=st.floats(1.0, 10.0),
    jitter=st.floats(0.0, 1.0),
    seed=st.integers(),
)
def test_delay_grows_up_to_its_maximum_and_jitter_only_shortens(
    *, crashes: int, initial: float, more: float, factor: float, jitter: float, seed: int
) -> None:
    policy = RestartPolicy(initial_delay=initial, maximum_delay=initial + more, factor=factor, jitter=jitter)
    exact = RestartPolicy(initial_delay=initial, maximum_delay=initial + more, factor=factor, jitter=0.0)
    full = exact.delay(crashes, random.Random())
    assert initial <= full <= exact.delay(crashes + 1, random.Random()) <= initial + more
    assert full * (1.0 - jitter) <= policy.delay(crashes, random.Random(seed)) <= full
    assert policy.delay(crashes, random.Random(seed)) == policy.delay(crashes, random.Random(seed))


def test_policy_that_makes_no_sense_names_every_problem() -> None:
    with pytest.raises(DefinitionError) as caught:
        RestartPolicy(initial_delay=5.0, maximum_delay=1.0, factor=0.5, jitter=2.0, open_after=0)

    assert len(caught.value.problems) == 4
    assert caught.value.problems[0] == "RestartPolicy: maximum_delay must not be below initial_delay"
