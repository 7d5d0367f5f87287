"""What the nodes of a firing give to accumulators, carried out in the step that marks their graph as done.

So window and batch are in the same cut as the firing. Nothing fires in that step: a reactor that takes what comes of it
is due, and fires at the next turn of the loop, so reactors that feed each other cannot hold the loop. The graph's own
reactor only sees the new window of a state accumulator, in its next firing; it would fire itself for ever.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import cast

from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.ports import Taker
from penstock.accumulators.state import StateAccumulator
from penstock.runtime.effects import Emit, Recorded


class Emissions:
    """Gives events of graphs to the accumulators of one domain.

    Args:
        accumulators: By name.
    """

    def __init__(self, accumulators: Mapping[str, LiveAccumulator]) -> None:
        self._accumulators = accumulators
        #: By accumulator and reactor: the readers there were, and what takes the values for them.
        self._takers: dict[tuple[str, str], tuple[object, tuple[Taker, ...]]] = {}

    def carry_out(self, effects: Sequence[Recorded | Emit]) -> Sequence[Recorded]:
        """Give what is for accumulators, and return the rest."""
        rest: list[Recorded] = []
        for effect in effects:
            if isinstance(effect, Emit):
                self._give(effect)
            else:
                rest.append(effect)

        return rest

    def _give(self, emit: Emit) -> None:
        accumulator = self._accumulators[emit.accumulator]
        way = (emit.accumulator, emit.origin)
        readers, takers = self._takers.get(way, (None, ()))
        if readers is not accumulator.readers:  # those who listen come and go
            takers = takers_of(accumulator, emit.origin)
            self._takers[way] = accumulator.readers, takers

        accumulator.receive(emit.event, emit.data, takers)


def takers_of(accumulator: LiveAccumulator, origin: str) -> tuple[Taker, ...]:
    """Return who takes the values of an accumulator that come from a firing of a reactor."""
    definition = accumulator.definition
    triggers = not isinstance(definition, StateAccumulator) or cast("StateAccumulator[object]", definition).triggers
    found: list[Taker] = []
    for take, reader in accumulator.readers:
        if reader is None:
            found.append(take)
        elif reader.name == origin and not triggers:
            found.append(partial(reader.place, accumulator.name))
        else:
            found.append(partial(reader.take_later, take))

    return tuple(found)
