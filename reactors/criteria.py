"""When a reactor fires: pure predicates over which inputs have changed since the last firing.

Inputs are bits of an integer, in the order in which the reactor declares them. A criterion is resolved once.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from penstock.accumulators.accumulator import AnyAccumulator


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """Which inputs have to be new before a reactor fires."""

    kind: Literal["any", "all"]
    #: Names of the inputs that count; empty stands for all that are not broadcast.
    names: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A criterion over the bits of one reactor."""

    #: The inputs that count.
    mask: int
    #: Whether all of them have to be new; else one is enough.
    every: bool

    def holds(self, dirty: int) -> bool:
        """Tell whether these new inputs make the reactor fire."""
        relevant = dirty & self.mask
        return relevant == self.mask if self.every else relevant != 0


def when_any(*inputs: AnyAccumulator) -> Criterion:
    """Fire as soon as one of these inputs has a new value; without arguments: one of all that are not broadcast."""
    return Criterion(kind="any", names=tuple(accumulator.name for accumulator in inputs))


def when_all(*inputs: AnyAccumulator) -> Criterion:
    """Fire when each of these inputs has a new value since the last firing; without arguments: all not broadcast."""
    return Criterion(kind="all", names=tuple(accumulator.name for accumulator in inputs))


def resolve(criterion: Criterion, bits: Mapping[str, int], broadcast: frozenset[str]) -> Rule:
    """Return the criterion as bits.

    Args:
        criterion: All its names are among ``bits``.
        bits: The bit of each input, by name.
        broadcast: Names of the inputs that are wrapped in ``broadcast``.
    """
    names = criterion.names or tuple(name for name in bits if name not in broadcast)
    return Rule(mask=sum(bits[name] for name in set(names)), every=criterion.kind == "all")
