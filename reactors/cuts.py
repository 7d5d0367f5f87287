"""When cuts are taken, and what becomes of them.

A cut is taken as soon as the outbox has something, some time after anything else changed, and whenever somebody asks.
One is on its way at a time. If its commit fails, what it wrote is written again with the next one; if the fence does
not hold, no other follows.
"""

import asyncio
from collections.abc import Callable, Sequence

from penstock.accumulators.signal import Signal
from penstock.reactors.cut import Cutter
from penstock.reactors.ledger import Entries, Ledger
from penstock.runtime.effects import Emit, Recorded
from penstock.runtime.errors import LeaseLost, StoreError, WriteConflict
from penstock.runtime.foreign import error_text
from penstock.runtime.observe import CutCommitted, CutFailed, Observer
from penstock.runtime.scheduler import Scheduler, Timer
from penstock.runtime.store import checkpoints
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit


class Cuts:
    """The cuts of one domain.

    Attributes:
        ledger: What the next one writes.
        error: Why the last one failed; None when it did not.
        committed: How many are committed.
        failed: How many failed.
    """

    def __init__(
        self,
        domain: str,
        shard: int,
        *,
        store: Store,
        scheduler: Scheduler,
        observer: Observer,
        interval: float,
        limit: int,
        fill: Callable[[], None],
        carry_out: Callable[[Sequence[Recorded | Emit]], Sequence[Recorded]],
        room: Callable[[], None],
        lose: Callable[[LeaseLost], None],
        signal: Signal,
        broken: Callable[[BaseException], None],
        calm: Callable[[], None],
    ) -> None:
        """Begin with nothing to write.

        Args:
            domain: Name of the domain.
            shard: Its shard.
            store: Where cuts go.
            scheduler: Times them.
            observer: Told of those that are committed.
            interval: Seconds after a change in which one is taken.
            limit: Entries of the outbox at which firing stops.
            fill: Called when the outbox has reached the limit.
            carry_out: Carries out those effects that do not wait for a cut, and returns the others.
            room: Called when it is below the limit again.
            lose: Called when the domain turns out to have another owner.
            signal: Told when a commit ended.
            broken: Called when a cut cannot be written, by a mistake of ours.
            calm: Called when a commit ended, after ``signal``.
        """
        self._domain, self._shard = domain, shard
        self._store, self._scheduler, self._observer = store, scheduler, observer
        self._interval = interval
        self._room, self._lose, self._signal = room, lose, signal
        self._broken, self._calm = broken, calm
        #: Cuts that were begun; the newest whose entries, and all before, are in the store.
        self._begun = self._settled = 0
        self._cutter: Cutter | None = None
        self._epoch = 0
        self._timer: Timer | None = None
        self._soon = self._again = self._stopping = False
        self._away: Entries | None = None
        self.ledger: Ledger = Ledger(
            limit=limit,
            observer=observer,
            start_clock=self._arm,
            soon=self.request,
            fill=fill,
            carry_out=carry_out,
        )
        self.error: StoreError | None = None
        self.committed: int = 0
        self.failed: int = 0

    def open(self, cutter: Cutter, epoch: int) -> None:
        """Write cuts from now on."""
        self._cutter, self._epoch = cutter, epoch

    def close(self) -> None:
        """Write none any more, and forget what was to be written."""
        self._cutter = None
        self._disarm()
        self.ledger.clear()

    @property
    def idle(self) -> bool:
        """Whether the store holds everything."""
        return self._away is None and not self.ledger.next

    def request(self) -> None:
        """Take a cut at the next turn of the loop; after one that failed, when the store had a moment."""
        if self.error is not None:
            self._arm()
        elif not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_soon(self.cut)

    async def flush(self) -> None:
        """Wait until everything that is new now is committed; not for what comes meanwhile.

        Raises:
            StoreError: A commit failed; what it held goes into the next cut.
        """
        failed = self.failed
        wanted = self._begun + 1 if self.ledger.next else self._begun
        while self._cutter is not None and self._settled < wanted and not self.idle:
            waiter = self._signal.wait()
            self.cut()
            await waiter
            if self.failed > failed and self.error is not None:
                raise self.error

    async def settle(self) -> bool:
        """Wait until everything that is new now is committed, however often that fails before.

        Returns:
            False when no cuts are written any more, and it may not be.
        """
        wanted = self._begun + 1 if self.ledger.next else self._begun
        while self._cutter is not None and self._settled < wanted and not self.idle:
            waiter = self._signal.wait()
            self.request()
            await waiter

        return self._cutter is not None

    async def last(self) -> None:
        """Commit all that is left, and that the domain stopped in order.

        Raises:
            StoreError: The commit failed.
        """
        await self._come_back()
        self._stopping = True
        self.cut()
        await self._come_back()
        if self.error is not None:
            raise self.error

    async def _come_back(self) -> None:
        while self._away is not None:
            await self._signal.wait()

    def cut(self) -> None:
        """Write what is new as one unit, unless one is on its way: then after that one."""
        self._soon = False
        if self._cutter is None:
            return

        if self._away is not None:
            self._again = True
        elif self.ledger.next or self._stopping:
            self._write(self._cutter)

    def _write(self, cutter: Cutter) -> None:
        self._disarm()
        self._away = entries = self.ledger.take()
        unit = self._store.unit("cut")
        checkpoints.fence(unit, self._domain, self._shard, self._epoch, stopped=self._stopping)
        self._begun += 1
        entries.consumed.clear()
        try:
            after = cutter.write(unit, entries)
        except Exception as error:  # noqa: BLE001 (nothing may be lost, whatever it is, and nothing may wait for ever)
            self._break(entries, error)
            return

        self.ledger.send(entries)
        self._store.submit(unit, Commit(self._ended, entries, after, self._scheduler.clock.monotonic()))

    def _break(self, entries: Entries, error: Exception) -> None:
        """Put back what could not be written, and let the app end: it could store nothing any more."""
        self._away = None
        self.failed += 1
        self.error = WriteConflict("cut", error_text(error))
        self.error.__cause__ = error
        self.ledger.put_back(entries)
        self._signal.tell()
        self._tell_failure(self.error)
        self._broken(error)

    def _ended(self, commit: "Commit", unit: Unit, error: StoreError | None) -> None:
        """Go on after a commit; on the loop."""
        self._away = None
        again, self._again = self._again, False
        try:
            if self._cutter is not None:
                self.error = error
                if error is not None:
                    self._fail(commit.entries, error)
                else:
                    self._succeed(commit, unit, again=again)
        finally:
            self._signal.tell()
            self._calm()

    def _fail(self, entries: Entries, error: StoreError) -> None:
        if isinstance(error, LeaseLost):
            self._lose(error)
            return

        self.failed += 1
        self.ledger.put_back(entries)
        self._arm()  # not at once: whatever is wrong, the store needs a moment
        self._tell_failure(error)

    def _tell_failure(self, error: StoreError) -> None:
        self._observer(CutFailed(domain=self._domain, error=error_text(error)))

    def _succeed(self, commit: "Commit", unit: Unit, *, again: bool) -> None:
        self.committed += 1
        self._settled = self._begun
        self.ledger.arrive()
        for accumulator in commit.entries.accumulators:
            accumulator.committed(commit.entries.consumed.get(accumulator, 0))

        commit.after()
        seconds = self._scheduler.clock.monotonic() - commit.started
        effects = len(commit.entries.effects)
        self._observer(CutCommitted(domain=self._domain, rows=len(unit.rows), effects=effects, seconds=seconds))
        if not self.ledger.full:
            self._room()

        if again or self.ledger.next.waiting:
            self.request()

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self._scheduler.after(self._interval, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.cut()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Commit:
    """A cut on its way: what it wrote, and what is to be done when it is there."""

    __slots__ = ("_done", "after", "entries", "started")

    def __init__(
        self,
        done: Callable[["Commit", Unit, StoreError | None], None],
        entries: Entries,
        after: Callable[[], None],
        started: float,
    ) -> None:
        self._done = done
        self.entries: Entries = entries
        self.after: Callable[[], None] = after
        self.started: float = started

    def __call__(self, unit: Unit, error: StoreError | None) -> None:
        """Be told the outcome by the store."""
        self._done(self, unit, error)
