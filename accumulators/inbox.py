"""The journal of a domain's durable accumulators: first the row is committed, then the event is applied.

One unit of rows is with the store at a time; what is pushed meanwhile gathers in the next one. So the order in which
rows are committed, numbered and applied is one and the same, whatever the store does with several units at once, and
a restart replays what was not consumed in the order in which it would have been applied.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from penstock.accumulators.dedupe import LOG_KEY, Keys
from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.ports import nothing
from penstock.accumulators.signal import Signal
from penstock.runtime.errors import AppError, StoreError
from penstock.runtime.store import checkpoints
from penstock.runtime.store.rider import Rider
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit

#: Rows in one unit, at most.
MOST_ROWS = 1000


class Entry:
    """One pushed event on its way to its row."""

    __slots__ = ("accumulator", "done", "event", "key", "payload", "rider")

    def __init__(
        self, accumulator: LiveAccumulator, payload: bytes, event: object, key: str | None, rider: Rider | None
    ) -> None:
        self.accumulator: LiveAccumulator = accumulator
        self.payload: bytes = payload
        self.event: object = event
        self.key: str | None = key
        #: What else the commit holds that makes it a row: the dead letter that it was is deleted.
        self.rider: Rider | None = rider
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Inbox:
    """Journals pushed events.

    Args:
        store: Where the rows go.
        domain: Name of the domain.
        shard: Its shard.
        lose: Called with the error when the domain turns out to have another owner.
        calm: Called when nothing waits for its row any more.
    """

    def __init__(
        self,
        store: Store,
        domain: str,
        shard: int,
        lose: Callable[[StoreError], None],
        calm: Callable[[], None] = nothing,
    ) -> None:
        self._store = store
        #: The keys of pushes, by accumulator; and those of entries that are not answered.
        self._keys: dict[str, Keys] = {}
        self._claimed: set[tuple[str, str]] = set()
        self._domain, self._shard = domain, shard
        self._lose, self._calm = lose, calm
        self._epoch = 0
        self._opened = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: Exception | None = None
        self._scheduled = False
        self._entries: list[Entry] = []
        self._sent: Sequence[Entry] = ()
        self._signal = Signal()

    @property
    def idle(self) -> bool:
        """Whether nothing waits for its row."""
        return not self._entries and not self._sent

    def open(self, epoch: int) -> None:
        """Commit rows from now on; what was pushed before follows what was replayed."""
        self._epoch = epoch
        self._opened, self._loop = True, asyncio.get_running_loop()
        self._flush()

    def remember(self, accumulator: str, rows: Iterable[tuple[int, bytes]]) -> None:
        """Put back the keys of an accumulator that the store holds.

        Raises:
            StateIncompatible: They were written by another Penstock.
        """
        self._keys_of(accumulator).restore(rows)

    async def journal(
        self,
        accumulator: LiveAccumulator,
        payload: bytes,
        event: object,
        key: str | None = None,
        rider: Rider | None = None,
    ) -> bool:
        """Commit a row, then apply the event; waits while too many of the accumulator's pushes wait.

        Args:
            accumulator: Whose event it is.
            payload: The event as it is stored.
            event: The event.
            key: Of the events with one key, one is taken.
            rider: Puts further rows into the same commit, and may refuse it.

        Returns:
            False when an event was pushed under this key before.

        Raises:
            StoreError: The row is not committed; also what the rider refuses it with.
            AppError: Nothing more is taken.
        """
        if self._loop not in {None, asyncio.get_running_loop()}:
            raise AppError("the app was opened on another event loop: push there, or use `with app.portal()`")

        while self._error is None and (
            accumulator.waiting >= accumulator.capacity or self._is_claimed(accumulator, key)
        ):
            await self._signal.wait()

        if self._error is not None:
            raise self._error

        if key is not None:
            if key in self._keys_of(accumulator.name):
                return False

            self._claimed.add((accumulator.name, key))

        entry = Entry(accumulator, payload, event, key, rider)
        accumulator.waiting += 1
        self._entries.append(entry)
        if not self._scheduled:
            # at the next turn of the loop, so that all that is pushed in this one shares a unit
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

        await entry.done
        return True

    def _is_claimed(self, accumulator: LiveAccumulator, key: str | None) -> bool:
        """Tell whether an event under this key is on its way: what becomes of it decides."""
        return key is not None and (accumulator.name, key) in self._claimed

    def _keys_of(self, accumulator: str) -> Keys:
        keys = self._keys.get(accumulator)
        if keys is None:
            keys = self._keys[accumulator] = Keys(lambda: self._store.scheduler.clock.now().timestamp())

        return keys

    def close(self, error: Exception) -> None:
        """Let nothing more in; what waits for its row gets it."""
        self._error = error
        self._signal.tell()

    def fail(self, error: Exception) -> None:
        """Refuse what no unit holds, and apply nothing any more.

        What is with the store is answered when the store has answered: whoever pushed it learns whether it is kept.
        """
        self._error = error
        self._opened = False
        entries, self._entries = self._entries, []
        self._release(entries)
        refuse(entries, error)
        self._signal.tell()

    def _flush(self) -> None:
        """Hand the next unit to the store, unless one is there."""
        self._scheduled = False
        if not self._opened or self._sent or not self._entries:
            return

        count = length_of_unit(self._entries)
        self._sent, self._entries = self._entries[:count], self._entries[count:]
        unit = self._store.unit("push")
        checkpoints.fence(unit, self._domain, self._shard, self._epoch)
        for entry in self._sent:
            if entry.rider is not None:
                entry.rider(unit)

            checkpoints.add_inbox(unit, self._domain, self._shard, entry.accumulator.name, entry.payload)

        for name, keys in keys_of(self._sent).items():
            where = (unit, self._domain, self._shard, name, LOG_KEY)
            append, trim = partial(checkpoints.append_log, *where), partial(checkpoints.trim_log, *where)
            self._keys_of(name).write(keys, append, trim)

        self._store.submit(unit, self._committed)

    def _committed(self, unit: Unit, error: StoreError | None) -> None:
        sent, self._sent = self._sent, ()
        self._release(sent)
        if error is None:
            for name in keys_of(sent):
                self._keys_of(name).committed()

        if error is not None:
            refuse(sent, error)
            self._lose(error)
        elif not self._opened:
            answer(sent)  # the domain has ended: whoever owns it next applies the rows
        else:
            self._flush()  # before the events are applied: the writer is not kept waiting
            apply(sent, unit.results)

        self._flush()
        self._signal.tell()
        if self.idle:
            self._calm()

    def _release(self, entries: Iterable[Entry]) -> None:
        """Let others push under the keys of entries that are answered."""
        self._claimed -= {(entry.accumulator.name, entry.key) for entry in entries if entry.key is not None}


def length_of_unit(entries: Sequence[Entry]) -> int:
    """Return how many of the first entries share a unit. One with a rider is alone: that may refuse it."""
    if entries[0].rider is not None:
        return 1

    for place, entry in enumerate(entries[:MOST_ROWS]):
        if entry.rider is not None:
            return place

    return MOST_ROWS


def keys_of(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """Return the keys of entries by accumulator."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        if entry.key is not None:
            found.setdefault(entry.accumulator.name, []).append(entry.key)

    return found


def apply(entries: Sequence[Entry], rows: Iterable[int]) -> None:
    """Apply journalled events in the order of their rows, and tell whoever pushed them.

    What one of them raises (the end of the process, or a mistake of ours) is raised at the next turn of the loop: all
    rows are committed, so all events are applied and answered.
    """
    for entry, row in zip(entries, rows, strict=False):
        try:
            entry.accumulator.apply(row, entry.event)
        except BaseException as error:  # noqa: BLE001 (raised again: the other events have their turn first)
            asyncio.get_running_loop().call_soon(raise_again, error)

    answer(entries)


def answer(entries: Iterable[Entry]) -> None:
    """Tell whoever pushed events that they are taken."""
    for entry in entries:
        entry.accumulator.waiting -= 1
        if not entry.done.done():
            entry.done.set_result(None)


def raise_again(error: BaseException) -> None:
    """Raise an error where it harms nobody else."""
    raise error


def refuse(entries: Iterable[Entry], error: Exception) -> None:
    """Tell whoever pushed events that they are not taken."""
    for entry in entries:
        entry.accumulator.waiting -= 1
        if not entry.done.done():
            entry.done.set_exception(error)
