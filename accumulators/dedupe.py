"""The keys under which events were pushed into an accumulator: each is taken once.

A key is stored in the unit of its event. How many are remembered is bounded, in number and in time; a push with a key
that is forgotten by then is taken as a new one.
"""

from collections.abc import Callable, Iterable

from penstock.runtime.codec import Codec

#: Keys that each accumulator remembers, at most: the newest ones …
MOST_KEYS = 100_000
#: … and for how many seconds.
KEPT_FOR = 24 * 3600.0
#: Where the rows of the keys lie, under the name of their accumulator.
LOG_KEY = "keys"


class Keys:
    """The keys of one accumulator.

    Args:
        now: Returns seconds since 1970.
    """

    CODEC: Codec[tuple[float, str]] = Codec(tuple[float, str], part="keys of pushes")

    __slots__ = ("_away", "_gone", "_known", "_next", "_now", "_trimmed", "_written")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        #: By key, the oldest first: the number of its row, and when it came.
        self._known: dict[str, tuple[int, float]] = {}
        #: Those in the unit on its way: key, number, and when it came.
        self._away: list[tuple[str, int, float]] = []
        self._next = 1
        #: The newest row that is forgotten; that is deleted; that the unit on its way deletes.
        self._gone = self._trimmed = self._written = 0

    def __contains__(self, key: str) -> bool:
        found = self._known.get(key)
        return found is not None and self._now() - found[1] < KEPT_FOR

    def write(self, keys: Iterable[str], append: Callable[[int, bytes], None], trim: Callable[[int], None]) -> None:
        """Put new keys into the unit of their events."""
        now, self._away = self._now(), []
        for key in keys:
            append(self._next, self.CODEC.encode((now, key)))
            self._away.append((key, self._next, now))
            self._next += 1

        self._written = self._gone
        if self._written > self._trimmed:
            trim(self._written)

    def committed(self) -> None:
        """Be told that the keys that were written last are committed."""
        self._trimmed = self._written
        for key, number, at in self._away:
            self._remember(key, number, at)

        self._forget()

    def restore(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Put back what the store holds; for new ones.

        Raises:
            StateIncompatible: The rows were written by another Penstock.
        """
        for number, data in rows:
            at, key = self.CODEC.decode(data)
            self._remember(key, number, at)
            self._trimmed = self._trimmed or number - 1
            self._next = number + 1

        self._forget()

    def _remember(self, key: str, number: int, at: float) -> None:
        self._known.pop(key, None)  # forgotten by time, and now the newest
        self._known[key] = (number, at)

    def _forget(self) -> None:
        oldest = self._now() - KEPT_FOR
        while self._known:
            key = next(iter(self._known))
            number, at = self._known[key]
            if len(self._known) <= MOST_KEYS and at > oldest:
                return

            del self._known[key]
            self._gone = number
