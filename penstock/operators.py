"""What operators ask of an open app beyond one reactor: durable pauses, what was fired, parts that were given up."""

from collections.abc import Iterator, Sequence

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.lookup import find
from penstock.reactors.past import PastFiring, past, past_row
from penstock.reactors.reactor import Reactor
from penstock.running import Running
from penstock.runtime.errors import AppError
from penstock.runtime.store.history import list_history
from penstock.runtime.supervise import Part


class Operators:
    """Carries out commands.

    Args:
        running: The app.
    """

    def __init__(self, running: Running) -> None:
        self._running = running

    async def pause(self, wanted: Reactor | str) -> bool:
        """Pause a reactor, and make what it took durable; tell whether that is new."""
        reactor = self._running.reactor(wanted)
        changed = reactor.pause()
        await self._running.domain_of(reactor.name).flush()
        return changed

    async def resume(self, wanted: Reactor | str) -> bool:
        """Resume a reactor; tell whether it was paused."""
        reactor = self._running.reactor(wanted)
        changed = reactor.resume()
        await self._running.domain_of(reactor.name).flush()
        return changed

    async def history(self, wanted: Reactor | str, limit: int, before: int | None) -> Sequence[PastFiring]:
        """Return firings of a reactor that are over, the newest first."""
        reactor = self._running.reactor(wanted)
        if limit < 1:
            raise AppError(f"history({reactor.name!r}, limit={limit}): the limit is at least 1")

        if reactor.definition.history == "store":
            await self._running.domain_of(reactor.name).flush()
            rows = await list_history(self._running.store, reactor.name, limit=limit, before=before)
            return [past_row(row, reactor.inputs.accumulators) for row in rows]

        found = [fired for fired in reactor.history() if before is None or fired.number < before]
        return [past(fired) for fired in found[:limit]]

    def reset(self, wanted: AnyAccumulator | Reactor | str) -> Sequence[str]:
        """Start what waits after a crash; return what that is."""
        crashed = [part for part in self._parts_of(wanted) if not part.ended and part.crashes]
        for part in crashed:
            part.reset()

        return [part.name for part in crashed]

    def _parts_of(self, wanted: AnyAccumulator | Reactor | str) -> Sequence[Part]:
        """Return what runs for a part that somebody names."""
        name = wanted if isinstance(wanted, str) else wanted.name
        named = dict(self._named())
        return find("part", name, named, named)

    def _named(self) -> Iterator[tuple[str, Sequence[Part]]]:
        """Yield all names that ``reset`` knows, with what runs for them."""
        parts = {part.name: part for part in self._running.supervisor.parts}
        for name, part in parts.items():
            yield name, [part]

        for name in self._running.accumulators:
            own = (f"accumulator {name}", f"accumulator {name} processing")
            yield name, [parts[each] for each in own if each in parts]

        for name, reactor in self._running.reactors.items():
            yield name, reactor.parts
