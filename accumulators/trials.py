"""What an accumulator does again after a crash: how often that led nowhere, and which of it may be what kills.

Most processes die of something else, so at first everything is done again as ever. What is counted is durable and costs
nothing while events flow:

* each start after a process that died raises ``began``, in one commit before anything is done again;
* a place (a partition of a source, or the batch) that gets on notes that number, in the cut that holds how far it got.

A place that two starts in a row did not bring on, though no full queue held it back, is *in doubt*. Then each of its
events, or batches, is tried alone: its number is committed first, with everything before it, and nothing else that is
in doubt runs beside it. What the process did not survive at ``MOST_CRASHES`` becomes a dead letter instead. A minute
after its first event a place is trusted again. An orderly stop forgets all of it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec

from penstock.accumulators.signal import Signal
from penstock.accumulators.source import Position
from penstock.runtime.clock import Clock
from penstock.runtime.errors import AppError

#: Times that something is done again that the process may not survive; after the last it becomes a dead letter.
MOST_CRASHES = 3
#: Starts that did not bring a place on, before it is in doubt.
DOUBTFUL = 2
#: Seconds from the first event of a place in doubt until it is trusted again.
CAREFUL_SECONDS = 60.0

#: Places beside the partitions of a source, of which none can have such a name.
INBOX = "\0inbox"
BATCH = "\0batch"


class Trial(msgspec.Struct, frozen=True):
    """What is tried alone: an event of a source, a row of the inbox (0 for all of them), or a batch."""

    #: Its position, or the number of its first row.
    position: Position
    #: Which time this is that it is done again.
    times: int
    #: How many events it has.
    events: int = 1


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """What the store holds of it."""

    began: int = 0
    #: By place: ``began`` when it got on.
    moved: dict[str, int] = {}
    #: By place.
    trials: dict[str, Trial] = {}


class Alone:
    """What it takes to run one thing alone. One for each domain.

    Attributes:
        lock: Held while something runs that is in doubt; shared by all domains of an app.
        commit: Commits what is new, however often that fails; False when the domain writes no more.
        hurry: Lets a cut be taken at the next turn of the loop.
        signal: Told whenever something ended.
        clock: Tells how long a place has been in doubt.
    """

    __slots__ = ("clock", "commit", "hurry", "lock", "signal")

    def __init__(
        self,
        lock: asyncio.Lock,
        *,
        commit: Callable[[], Awaitable[bool]],
        hurry: Callable[[], None],
        signal: Signal,
        clock: Clock,
    ) -> None:
        self.lock: asyncio.Lock = lock
        self.commit: Callable[[], Awaitable[bool]] = commit
        self.hurry: Callable[[], None] = hurry
        self.signal: Signal = signal
        self.clock: Clock = clock


class Trials:
    """What one live accumulator does again.

    Args:
        note: Called when it differs from what the store holds.

    Attributes:
        began: Starts after a process that died, since the last orderly stop.
    """

    __slots__ = ("_alone", "_before", "_moved", "_note", "_places", "_suspects", "_trials", "_until", "began")

    def __init__(self, note: Callable[[], None]) -> None:
        self._note = note
        self._alone: Alone | None = None
        self.began: int = 0
        self._moved: dict[str, int] = {}
        self._trials: dict[str, Trial] = {}
        #: As the start found them: what moved, what was tried, and the positions.
        self._before: Mapping[str, int] = {}
        self._suspects: frozenset[str] = frozenset()
        self._places: Mapping[str, Position] = {}
        #: By place: until when it is in doubt.
        self._until: dict[str, float] = {}

    # -- checkpoint ----------------------------------------------------------------------------------------

    def restore(self, doubt: Doubt | None, positions: Mapping[str, Position]) -> None:
        """Go on from what the store holds."""
        doubt = doubt or Doubt()
        self.began, self._moved, self._trials = doubt.began, dict(doubt.moved), dict(doubt.trials)
        self._places = dict(positions)

    def stored(self, positions: Mapping[str, Position], *, held: bool) -> Doubt | None:
        """Return what the store is to hold, in the cut that holds these positions; None for nothing.

        Args:
            positions: How far each partition got.
            held: Whether a full queue keeps the source: what cannot get on is not what kills. The queue gets on.
        """
        if self.began:
            for partition, position in positions.items():
                if held or position != self._places.get(partition):
                    self._moved[partition] = self.began

        return Doubt(began=self.began, moved=self._moved, trials=self._trials) if self.began or self._trials else None

    # -- doubt ---------------------------------------------------------------------------------------------

    def begin(self, alone: Alone, *, crashed: bool, repeats: bool) -> None:
        """Be told how the process before ended.

        Args:
            alone: How something runs alone.
            crashed: Whether it did not stop in order.
            repeats: Whether the accumulator does anything again by itself: it has a source, or a batch.
        """
        self._alone = alone
        if crashed and repeats:
            self.began += 1
            self._note()
        elif not crashed and (self.began or self._trials):
            self.began = 0
            self._moved.clear()
            self._trials.clear()
            self._note()

        self._before = dict(self._moved)
        self._suspects = frozenset(self._trials)

    @property
    def wary(self) -> bool:
        """Whether any place may be in doubt."""
        return self.began >= DOUBTFUL or bool(self._suspects)

    def doubts(self, place: str) -> bool:
        """Tell whether a place is in doubt, so that what comes there is to be tried alone."""
        if self._alone is None or not self._stalled(place):
            return False

        now = self._alone.clock.monotonic()
        return now < self._until.setdefault(place, now + CAREFUL_SECONDS)

    def _stalled(self, place: str) -> bool:
        return place in self._suspects or self.began - self._before.get(place, 0) >= DOUBTFUL

    def moved(self, place: str) -> None:
        """Note that a place got on that has no positions."""
        if self.began:
            self._moved[place] = self.began

    # -- trials --------------------------------------------------------------------------------------------

    def of(self, place: str) -> Trial | None:
        """Return what is, or was when the process died, tried at a place."""
        return self._trials.get(place)

    def mark(self, place: str, trial: Trial | None) -> None:
        """Note what is tried at a place from the next cut on; None for nothing."""
        if trial == self._trials.get(place):
            return

        if trial is None:
            del self._trials[place]
        else:
            self._trials[place] = trial

        self._note()

    def next_time(self, place: str, position: Position, events: int = 1) -> Trial | None:
        """Return the next trial of something; None when the process has not survived the last one that there may be."""
        last = self._trials.get(place)
        same = last is not None and (last.position, last.events) == (position, events)
        times = last.times + 1 if last is not None and same else DOUBTFUL  # the times before were with all the others
        return Trial(position, times, events) if times <= MOST_CRASHES else None

    @asynccontextmanager
    async def alone(self, place: str, position: Position, events: int = 1) -> AsyncGenerator[AppError | None]:
        """Run the body alone, when it is committed that it is about to run.

        Yields:
            None; or why it must not run, and has to be kept aside.

        Raises:
            AppError: The domain has ended.
        """
        assert self._alone is not None  # noqa: S101 - for type checkers: ``doubts`` has been asked
        async with self._alone.lock:
            trial = self.next_time(place, position, events)
            self.mark(place, trial)
            if trial is not None and not await self._alone.commit():
                raise AppError("the domain has ended before this could be tried again")

            try:
                yield None if trial is not None else deadly("this batch was processed" if place == BATCH else APPLIED)
            finally:
                self.mark(place, None)  # the process has survived it, and whatever it dies of next is something else
                self._alone.hurry()

    async def settled(self, done: Callable[[], bool]) -> None:
        """Wait until something is so that changes with what ends in the domain."""
        assert self._alone is not None  # noqa: S101 - for type checkers: as above
        while not done():
            await self._alone.signal.wait()


APPLIED = "this event was applied"


def deadly(what: str) -> AppError:
    """Say why something is kept aside instead of being done again."""
    return AppError(f"the process died each of the {MOST_CRASHES} times that {what} again")
