"""Group commit: whatever waits when the writer is free becomes one transaction.

All of this happens on the event loop; the engine alone knows threads and connections. There is no timer in the way of
a commit: the first unit is handed over at the end of the loop's turn in which it came, so that what comes in one turn
goes together. While the writer works, units gather; when it reports, the next group is on its way before this one is
acknowledged.

A passing trouble (file locked, disk full …) keeps the group and all that comes behind it, in order, and tries again
after a back-off, which the scheduler waits for. When the bound is reached the writer fails for good: what waits and
what still comes is answered with the error, and the app stops loudly.
"""

import asyncio
import time
from collections.abc import Callable, Iterator

import msgspec

from penstock.runtime.clock import Activity
from penstock.runtime.errors import AppError, StoreError, StoreUnavailable
from penstock.runtime.observe import Observer, StoreRetried
from penstock.runtime.scheduler import Scheduler, Timer
from penstock.runtime.store.commits import Commit, Faults
from penstock.runtime.store.engine import Engine, Program
from penstock.runtime.store.unit import Unit

#: Called on the loop when a unit is committed, or is not.
Done = Callable[[Unit, StoreError | None], None]
#: Groups that are with the engine: while it commits one, the next is there already.
DEPTH = 2
#: Seconds before the first and at most before a further try.
FIRST_DELAY, LONGEST_DELAY = 0.01, 1.0
#: Enough to get from the first to the longest.
MOST_DOUBLINGS = 7


class WriterStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer has done since it was made."""

    #: Groups that were committed; units in them; rows in those.
    commits: int
    units: int
    rows: int
    #: Units that were answered with an error.
    failed: int
    #: Tries that met a passing trouble.
    retries: int
    #: Units that wait or are with the engine.
    waiting: int
    #: Seconds that commits took in the writer, together and the longest.
    seconds: float
    longest: float


class Group:
    """Units on their way to one commit."""

    def __init__(self, units: list[Unit], dones: list[Done]) -> None:
        self.units = units
        self.dones = dones
        self.commit: Commit | None = None
        #: The trouble that it met, if it has to be tried again.
        self.trouble: StoreError | None = None
        #: The group before it met trouble: it was not tried.
        self.passed_over = False
        self.seconds: float = 0.0


class Writer:
    """Takes units, hands groups over, acknowledges."""

    def __init__(
        self,
        engine: Engine,
        *,
        scheduler: Scheduler,
        activity: Activity,
        observer: Observer,
        faults: Faults | None,
        group_limit: int,
        retry_timeout: float,
    ) -> None:
        self._engine = engine
        self._scheduler = scheduler
        self._activity = activity
        self._observer = observer
        self._faults = faults
        self._group_limit = group_limit
        #: So many units are worth a commit of their own, even if more will come in this turn of the loop: the writer
        #: works on them meanwhile. With fewer, the flush to disk would cost more than the overlap gains.
        self._plenty = max(1, group_limit // 2)
        self._retry_timeout = retry_timeout
        self._loop = asyncio.get_running_loop()
        #: Set when the writer has failed for good.
        self.failed: asyncio.Future[StoreError] = self._loop.create_future()
        self.error: StoreError | None = None
        self._units: list[Unit] = []
        self._dones: list[Done] = []
        self._flush_is_due = False
        self._in_flight = 0
        # What has to be tried again, in order. Set in the writer's thread, so that what is handed over already stays
        # behind it; taken back on the loop when nothing is in flight.
        self._halted = False
        self._again: list[Group] = []
        self._tries = 0
        self._trouble_since = 0.0
        self._timer: Timer | None = None
        self._last_try = False
        self._idle: asyncio.Future[None] | None = None
        self._commits = self._committed = self._rows = self._failed = self._retries = self._queued = 0
        self._seconds = self._longest = 0.0

    # -- in ------------------------------------------------------------------------------------------------

    def submit(self, unit: Unit, done: Done) -> None:
        """Take a unit; never waits."""
        if self.error is not None:
            self._failed += 1
            self._loop.call_soon(done, unit, self.error)
            return

        self._queued += 1
        self._units.append(unit)
        self._dones.append(done)
        if len(self._units) >= self._plenty:
            self._flush()
        elif not (self._flush_is_due or self._in_flight or self._again):
            self._flush_is_due = True
            self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flush_is_due = False
        self._flush()

    def _flush(self) -> None:
        if self._units and self._in_flight < DEPTH and not self._again:
            self._hand_over(self._next_group())

    def _next_group(self) -> Group:
        limit = self._group_limit
        group = Group(self._units[:limit], self._dones[:limit])
        self._units, self._dones = self._units[limit:], self._dones[limit:]
        return group

    def _hand_over(self, group: Group) -> None:
        self._in_flight += 1
        self._activity.leave()
        self._engine.hand_over(self._work(group), lambda _, error: self._come_back(group, error))

    def _work(self, group: Group) -> Program[None]:
        """Try to commit a group; runs in the engine."""
        group.passed_over = self._halted
        if self._halted:
            return

        started = time.perf_counter()
        if group.commit is None or not group.commit.unknown:
            group.commit = Commit(group.units, self._faults, at_once=self._engine.at_once)

        # until this group is through: nothing is committed behind one that has to be tried again, or that died
        self._halted = True
        try:
            yield from group.commit.program()
            self._halted = False
        except StoreError as error:
            group.trouble = error
        finally:
            group.seconds = time.perf_counter() - started

    # -- back ----------------------------------------------------------------------------------------------

    def _come_back(self, group: Group, error: BaseException | None) -> None:
        self._in_flight -= 1
        self._activity.come_back()
        if error is not None:
            crash = StoreUnavailable(self._engine.name, f"the writer died: {error!r}")
            crash.__cause__ = error
            self._again.append(group)
            self._fail(crash)
        elif group.trouble is None and not group.passed_over:
            self._acknowledge(group)  # it is committed, whatever has happened since
        elif self.error is not None:
            self._again.append(group)
            self._answer_all(self.error)
        else:
            self._again.append(group)
            self._consider()

    def _acknowledge(self, group: Group) -> None:
        self._tries = 0
        self._flush()
        self._count(group)
        failures = group.commit.failures if group.commit is not None else {}
        self._queued -= len(group.units)
        self._answer(iter(zip(group.units, group.dones, map(failures.get, range(len(group.units))), strict=True)))

    def _answer(self, answers: Iterator[tuple[Unit, Done, StoreError | None]]) -> None:
        finished = False
        try:
            for unit, done, error in answers:
                done(unit, error)

            finished = True
        finally:
            # what one callback raises goes to the loop's handler, and the others still get their answers
            if not finished:
                self._loop.call_soon(self._answer, answers)

        self._check_idle()

    def _count(self, group: Group) -> None:
        failures = group.commit.failures if group.commit is not None else {}
        self._commits += 1
        self._committed += len(group.units) - len(failures)
        self._failed += len(failures)
        self._rows += sum(len(unit.rows) for unit in group.units)
        self._seconds += group.seconds
        self._longest = max(self._longest, group.seconds)

    # -- trouble -------------------------------------------------------------------------------------------

    def _consider(self) -> None:
        """Decide, when all groups are back, whether and when to try again."""
        if self._in_flight:
            return

        trouble = next(group.trouble for group in self._again if group.trouble is not None)
        now = self._scheduler.clock.monotonic()
        self._trouble_since = self._trouble_since if self._tries else now
        delay = min(FIRST_DELAY * 2 ** min(self._tries, MOST_DOUBLINGS), LONGEST_DELAY)
        if not trouble.retryable or self._last_try or now + delay > self._trouble_since + self._retry_timeout:
            self._fail(trouble)
            return

        self._tries += 1
        self._retries += 1
        self._observer(StoreRetried(store=self._engine.name, attempt=self._tries, delay=delay, error=str(trouble)))
        try:
            self._timer = self._scheduler.after(delay, self._try_again)
        except AppError:  # the scheduler is closed: nothing would ever wake us
            self._fail(trouble)

    def _try_again(self) -> None:
        self._timer = None
        self._halted = False
        again, self._again = self._again, []
        for group in again:
            group.trouble = None
            self._hand_over(group)

    def give_up(self, error: StoreError) -> None:
        """Fail for good: the store is another process's now."""
        self._fail(error)

    def _fail(self, error: StoreError) -> None:
        """Give up: everything that waits and that still comes is answered with the error."""
        if self.error is None:
            self.error = error
            self.failed.set_result(error)

        self._answer_all(self.error)

    def _answer_all(self, error: StoreError) -> None:
        while self._units:
            self._again.append(self._next_group())

        again, self._again = self._again, []
        units = [unit for group in again for unit in group.units]
        dones = [done for group in again for done in group.dones]
        self._queued -= len(units)
        self._failed += len(units)
        self._answer(iter([(unit, done, error) for unit, done in zip(units, dones, strict=True)]))

    # -- out -----------------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Return when everything that was submitted is answered; a waiting retry is tried at once, a last time."""
        self._last_try = True
        if self._timer is not None:
            self._timer.cancel()
            self._try_again()

        if self._queued:
            self._idle = self._idle or self._loop.create_future()
            await self._idle

    def refuse(self, error: StoreError) -> None:
        """Answer what still comes with the error."""
        if self.error is None:
            self.error = error

    def _check_idle(self) -> None:
        if self._idle is not None and not self._queued:
            if not self._idle.done():
                self._idle.set_result(None)

            self._idle = None

    def statistics(self) -> WriterStatistics:
        """Return what was done so far."""
        return WriterStatistics(
            commits=self._commits,
            units=self._committed,
            rows=self._rows,
            failed=self._failed,
            retries=self._retries,
            waiting=self._queued,
            seconds=self._seconds,
            longest=self._longest,
        )
