"""The history of reactors with ``history="store"``: what a cut writes of firings that are over, and its bounds."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from penstock.reactors import cache
from penstock.reactors.history import Fired
from penstock.reactors.live import LiveReactor
from penstock.reactors.reactor import HISTORY_LIMIT
from penstock.runtime.codec import Codec
from penstock.runtime.store.history import age_history, append_history, list_history, trim_history
from penstock.runtime.store.rows import HistoryRow
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit

#: What became of each graph: None when it is done, else why it failed.
RESULTS: Codec[dict[str, str | None]] = Codec(dict[str, str | None], part="results of a firing")
#: How often firings are forgotten for their age; those above the limit are at once.
SWEEP = timedelta(minutes=1)

#: Told (part, error, value) of what cannot be encoded.
LeaveOut = Callable[[str, Exception, object], None]


async def restore_histories(store: Store, shard: int, reactors: Mapping[str, LiveReactor]) -> None:
    """Let reactors number on behind what the store holds."""
    for name, reactor in reactors.items():
        if reactor.definition.history == "store":
            newest = await list_history(store, name, shard, limit=1)
            reactor.restore_history(newest[0].number if newest else 0)


class Keeper:
    """Writes the firings of one domain that are over.

    Args:
        shard: The shard of the domain.
        reactors: Its reactors by name.
    """

    def __init__(self, shard: int, reactors: Mapping[str, LiveReactor]) -> None:
        self._shard = shard
        self._reactors = reactors
        self._swept: dict[str, datetime] = {}

    def write(self, unit: Unit, ended: Sequence[Fired], leave_out: LeaveOut) -> None:
        """Put firings into a cut, and forget those that are too many or too old."""
        newest = {fired.firing.reactor: fired.number for fired in ended}
        bounds = {name: number - self._limit(name) for name, number in newest.items()}
        for name, bound in bounds.items():
            if bound > 0:
                trim_history(unit, self._shard, name, bound)

            self._sweep(unit, name)

        for fired in ended:
            if fired.number > bounds[fired.firing.reactor]:  # else it would be forgotten already
                self._append(unit, fired, leave_out)

    def _limit(self, name: str) -> int:
        return self._reactors[name].definition.history_limit or HISTORY_LIMIT

    def _sweep(self, unit: Unit, name: str) -> None:
        age, now = self._reactors[name].definition.history_age, unit.clock.now()
        if age is not None and (name not in self._swept or now - self._swept[name] >= SWEEP):
            self._swept[name] = now
            age_history(unit, self._shard, name, now - timedelta(seconds=age))

    def _append(self, unit: Unit, fired: Fired, leave_out: LeaveOut) -> None:
        firing = fired.firing
        inputs = self._reactors[firing.reactor].inputs.accumulators
        snapshot: bytes | None = None
        try:
            snapshot = cache.encode(firing.inputs, sorted(firing.changed), inputs, manual=firing.manual)
        except Exception as error:  # noqa: BLE001 (comparing and encoding run user code)
            leave_out(firing.reactor, error, firing.inputs)

        append_history(
            unit,
            self._shard,
            HistoryRow(
                reactor=firing.reactor,
                number=fired.number,
                firing=firing.id,
                key=cache.key_text(firing.key),
                snapshot=snapshot,
                results=RESULTS.to_json(fired.results),
                started_at=firing.at,
                seconds=fired.seconds,
            ),
        )
