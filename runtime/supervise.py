"""Long-lived parts of an app: started in its task group, restarted after a crash, given up after many.

A part's circuit is *closed* while all is well. After some crashes in a row it *opens*: the part rests, and is tried
again (*half open*) after a longer while, or when an operator resets it.
"""

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal

import anyio
import msgspec
from anyio.abc import TaskGroup

from penstock.runtime.errors import AppError, DefinitionError, PartFailed
from penstock.runtime.foreign import error_text, is_failure
from penstock.runtime.observe import CircuitChanged, Observer, PartRestarted
from penstock.runtime.scheduler import Scheduler, Timer

State = Literal["running", "waiting", "open", "half_open", "finished", "stopped"]
Circuit = Literal["closed", "open", "half_open"]
Body = Callable[[], Awaitable[None]]

#: Doublings after which a delay is at its maximum, whatever the numbers.
MOST_DOUBLINGS = 64


class RestartPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a crashed part is started again.

    Raises:
        DefinitionError: Values that make no sense; all of them are named.
    """

    #: Seconds before the restart after the first crash.
    initial_delay: float = 1.0
    #: The most seconds before a restart.
    maximum_delay: float = 60.0
    #: By how much the delay grows with each further crash in a row.
    factor: float = 2.0
    #: The part of a delay, from 0 to 1, that is left to chance, so that parts do not come back all at once.
    jitter: float = 0.2
    #: Crashes in a row after which the circuit opens.
    open_after: int = 6
    #: Seconds before a part whose circuit is open is tried again.
    probe_after: float = 300.0
    #: Seconds without a crash after which a part is well again, and its crashes are forgotten.
    healthy_after: float = 60.0

    def __post_init__(self) -> None:
        wrong = {
            "initial_delay must not be negative": self.initial_delay < 0,
            "maximum_delay must not be below initial_delay": self.maximum_delay < self.initial_delay,
            "factor must be at least 1": self.factor < 1,
            "jitter must be from 0 to 1": not 0 <= self.jitter <= 1,
            "open_after must be at least 1": self.open_after < 1,
            "probe_after must not be negative": self.probe_after < 0,
            "healthy_after must not be negative": self.healthy_after < 0,
        }
        if any(wrong.values()):
            raise DefinitionError(*(f"RestartPolicy: {problem}" for problem, found in wrong.items() if found))

    def delay(self, crashes: int, rng: random.Random) -> float:
        """Return the seconds before the restart after a number of crashes in a row: exponential, capped, jittered."""
        grown = self.initial_delay * self.factor ** min(crashes - 1, MOST_DOUBLINGS)
        return min(grown, self.maximum_delay) * (1.0 - self.jitter * rng.random())


class PartFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How a part feels."""

    name: str
    state: State
    circuit: Circuit
    #: Restarts since the part was started.
    restarts: int
    #: Crashes in a row; 0 again when the part is well.
    crashes: int
    #: The last crash's text, until the part is well again.
    last_error: str | None
    #: When a waiting part is started again.
    next_retry_at: datetime | None
    #: Since when the part is in its state.
    since: datetime


class Part:
    """A supervised part. Made by ``Supervisor.start``."""

    def __init__(
        self,
        name: str,
        body: Body,
        policy: RestartPolicy,
        *,
        scheduler: Scheduler,
        observer: Observer,
        rng: random.Random,
    ) -> None:
        self.name: str = name
        self.restarts: int = 0
        #: Crashes in a row.
        self.crashes: int = 0
        #: The last crash, until the part is well again.
        self.last_error: BaseException | None = None
        #: When a waiting part is started again.
        self.next_retry_at: datetime | None = None
        self._body, self._policy, self._rng = body, policy, rng
        self._scheduler, self._observer = scheduler, observer
        self._state: State = "running"
        self._circuit: Circuit = "closed"
        self._since = scheduler.clock.now()
        self._task: asyncio.Task[object] | None = None
        self._running: Awaitable[None] | None = None
        self._stopping = False
        self._ended = asyncio.Event()
        self._retry = asyncio.Event()

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the part does now."""
        return self._state

    @property
    def circuit(self) -> Circuit:
        """Whether the part is well (``closed``), given up (``open``) or on trial (``half_open``)."""
        return self._circuit

    @property
    def ended(self) -> bool:
        """Whether the part has ended and will not start again."""
        return self._ended.is_set()

    @property
    def cancelled(self) -> bool:
        """Whether it was stopped on purpose."""
        return self._stopping

    def facts(self) -> PartFacts:
        """Return how the part feels."""
        return PartFacts(
            name=self.name,
            state=self._state,
            circuit=self._circuit,
            restarts=self.restarts,
            crashes=self.crashes,
            last_error=None if self.last_error is None else error_text(self.last_error),
            next_retry_at=self.next_retry_at,
            since=self._since,
        )

    # -- acting --------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget the crashes, close the circuit, and start at once what waits; nothing for a part that has ended."""
        if not self.ended:
            self._is_well()
            self._retry.set()

    def cancel(self) -> None:
        """Cancel the part once; it may clean up, and is not started again."""
        if self._stopping or self.ended:
            return

        self._stopping = True
        task, by_itself = self._task, self._task is asyncio.current_task()
        if task is not None and by_itself:
            # later: were it cancelled when it returns, without another wait, its whole task group would end
            asyncio.get_running_loop().call_soon(task.cancel)
        elif task is not None:
            task.cancel(f"{self.name} is stopped")

    async def wait(self) -> None:
        """Wait until the part has ended, by itself or because it was stopped."""
        await self._ended.wait()

    async def stop(self, *, patience: float = 10.0) -> None:
        """Cancel the part and wait until it has ended.

        Args:
            patience: Seconds to wait.

        Raises:
            PartFailed: It did not end in time: it swallows its cancellation, or cleans up for too long. It still runs.
        """
        self.cancel()
        await wait_until_ended((self,), self._scheduler, patience)

    def abandon(self) -> None:
        """End by force a part that was cancelled and goes on: close its coroutine where it waits.

        Only code that swallows every exception there is goes on after that, too.
        """
        if self.ended or self._task is None or not inspect.iscoroutine(self._running):
            return

        with suppress(RuntimeError):  # it waits on, whatever is thrown at it
            self._running.close()

        self._task.cancel()  # wakes it, so that it finds itself closed

    # -- the life of a part, for the supervisor --------------------------------------------------------------

    async def live(self) -> None:
        """Run the body until it finishes or the part is stopped; start it again when it crashes."""
        self._task = asyncio.current_task()
        try:
            if not self._stopping:  # stopped before the first turn
                await self._run_again_and_again()
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._enter("finished" if self._state == "finished" else "stopped")
            self._ended.set()

    async def _run_again_and_again(self) -> None:
        while (error := await self._run_once()) is not None and not self._stopping:
            self._crashed(error)
            await self._wait_for_retry(error)
            self.restarts += 1

        if self._stopping:
            self.last_error = error or self.last_error
        else:
            self._is_well()
            self._enter("finished")

    async def _run_once(self) -> BaseException | None:
        """Run the body; return its crash."""
        self._enter("half_open" if self._circuit == "half_open" else "running")
        well = self._scheduler.after(self._policy.healthy_after, self._is_well)
        try:
            self._running = self._body()
            await self._running
        except GeneratorExit:
            raise  # it is closed where it waits
        except BaseException as error:  # a body is user code, and its crash is what supervision is for
            if not is_failure(error):
                error.add_note(f"it came out of {self.name}")
                raise

            return error  # also when it waited for something that was cancelled, or wanted the process to exit
        finally:
            self._running = None
            well.cancel()

        return None

    def _crashed(self, error: BaseException) -> None:
        self.last_error = error
        self.crashes += 1
        if self.crashes >= self._policy.open_after:  # a probe as well: only a part that is well forgets its crashes
            self._turn("open", error)
        else:
            self._enter("waiting")

    async def _wait_for_retry(self, error: BaseException) -> None:
        given_up = self._circuit == "open"
        delay = self._policy.probe_after if given_up else self._policy.delay(self.crashes, self._rng)
        self._retry.clear()
        timer = self._scheduler.after(delay, self._retry.set)
        self.next_retry_at = self._scheduler.clock.now() + timedelta(seconds=delay)
        if not given_up:
            text = error_text(error)
            self._observer(PartRestarted(part=self.name, restarts=self.restarts + 1, delay=delay, error=text))

        await self._wait(timer)
        if self._circuit == "open":
            self._turn("half_open")

    async def _wait(self, timer: Timer) -> None:
        try:
            await self._retry.wait()
        finally:
            timer.cancel()
            self.next_retry_at = None

    def _is_well(self) -> None:
        self.crashes, self.last_error = 0, None
        if self._circuit != "closed":
            self._turn("closed")

    def _turn(self, circuit: Circuit, error: BaseException | None = None) -> None:
        self._circuit = circuit
        self._enter("running" if circuit == "closed" else circuit)
        text = None if error is None else error_text(error)
        self._observer(CircuitChanged(part=self.name, state=circuit, error=text))

    def _enter(self, state: State) -> None:
        if state != self._state:
            self._state, self._since = state, self._scheduler.clock.now()


class Supervisor:
    """Starts parts, restarts them when they crash, and stops them.

    Args:
        task_group: Owns the tasks; a crash never reaches it.
        scheduler: Times the restarts.
        observer: Told ``PartRestarted`` and ``CircuitChanged``.
        rng: Gives the jitter.
    """

    def __init__(
        self, task_group: TaskGroup, scheduler: Scheduler, observer: Observer, rng: random.Random | None = None
    ) -> None:
        self._task_group, self._scheduler, self._observer = task_group, scheduler, observer
        self._rng = rng or random.Random()  # noqa: S311 - jitter is no secret
        self._parts: dict[str, Part] = {}

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts, in the order in which they were started."""
        return tuple(self._parts.values())

    def start(self, name: str, body: Body, policy: RestartPolicy | None = None) -> Part:
        """Start a part; its name may be that of one that has ended.

        Raises:
            AppError: A part of this name runs.
        """
        if name in self._parts and not self._parts[name].ended:
            raise AppError(f"part {name!r} runs already")

        part = Part(
            name,
            body,
            policy or RestartPolicy(),
            scheduler=self._scheduler,
            observer=self._observer,
            rng=self._rng,
        )
        self._parts[name] = part
        self._task_group.start_soon(part.live, name=name)
        return part

    async def stop(self, *, patience: float = 10.0) -> None:
        """Cancel all parts and wait until they have ended.

        Args:
            patience: Seconds to wait, for all together.

        Raises:
            PartFailed: Some did not end in time.
        """
        for part in self.parts:
            part.cancel()

        await wait_until_ended(self.parts, self._scheduler, patience)

    def abandon(self) -> None:
        """End by force what goes on although it was cancelled."""
        for part in self.parts:
            part.abandon()

    async def forget(self, *, patience: float = 10.0) -> None:
        """Wait until the parts have ended that were cancelled so far, and forget them.

        Args:
            patience: Seconds to wait, for all together.

        Raises:
            PartFailed: Some did not end in time.
        """
        leaving = tuple(part for part in self.parts if part.cancelled)
        await wait_until_ended(leaving, self._scheduler, patience)
        for part in leaving:
            if self._parts.get(part.name) is part:
                del self._parts[part.name]

    def facts(self) -> tuple[PartFacts, ...]:
        """Return how each part feels."""
        return tuple(part.facts() for part in self.parts)


async def wait_until_ended(parts: tuple[Part, ...], scheduler: Scheduler, patience: float) -> None:
    """Wait for the end of cancelled parts, a bounded time."""
    with anyio.CancelScope() as waiting:
        timer = scheduler.after(patience, waiting.cancel)
        try:
            for part in parts:
                await part.wait()
        finally:
            timer.cancel()

    if stuck := ", ".join(part.name for part in parts if not part.ended):
        raise PartFailed(stuck, f"still runs {patience} seconds after it was cancelled: it swallows its cancellation")
