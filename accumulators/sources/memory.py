"""Events from memory: the smallest source there is, and the one for tutorials and tests."""

from collections.abc import Iterable, Mapping

from penstock.accumulators.signal import Signal
from penstock.accumulators.source import Intake, Position
from penstock.accumulators.sources.places import number_behind
from penstock.runtime.errors import AppError, DefinitionError, PositionLost
from penstock.runtime.texts import name_problem


class Memory:
    """Gives the events of a list, one after the other; replayable: an event's position is its index.

        @ps.stream_accumulator(ps.Memory([1.0, 2.0, 3.0]))
        def prices(event: float) -> float: ...

    Args:
        events: What to give; kept as a list.
        follow: Wait for more at the end (``append``) until ``close``, instead of ending there.
        name: The name for messages.

    Raises:
        DefinitionError: The events cannot be listed, or the name cannot be stored.
    """

    def __init__(self, events: Iterable[object] = (), *, follow: bool = False, name: str = "memory") -> None:
        problem = name_problem(name)
        if problem is not None:
            raise DefinitionError(f"Memory: {problem}")

        if isinstance(events, str | bytes):
            raise DefinitionError(f"Memory({events!r}): give a list of events, not one text")

        self.name: str = name
        self._events: list[object] = list(events)
        self._open = follow
        self._changed = Signal()

    def append(self, *events: object) -> None:
        """Give more events, after those that are there; on the event loop of the app.

        Raises:
            AppError: The source is closed, or was declared without ``follow=True``.
        """
        if not self._open:
            raise AppError(
                f"source {self.name!r} has ended: declare it with Memory(follow=True), and append before close"
            )

        self._events.extend(events)
        self._changed.tell()

    def close(self) -> None:
        """End the source after its last event; a second call does nothing."""
        self._open = False
        self._changed.tell()

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:
        """Give the events behind the position.

        Raises:
            PositionLost: The list is shorter than it was.
        """
        last = number_behind(self.name, positions)
        index = 0 if last is None else last + 1
        if index > len(self._events):
            reason = f"it holds {len(self._events)} events now; the list must begin as it did before"
            raise PositionLost(self.name, index - 1, reason)

        while True:
            while index < len(self._events):
                room = intake.accept(self._events[index], position=index)
                index += 1
                if not room:
                    await intake.ready()

            if not self._open:
                return

            await self._changed.wait()
