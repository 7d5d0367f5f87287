"""When a reactor fires: pure predicates over which inputs have changed since the last firing, and over their values.

Inputs are bits of an integer, in the order in which the reactor declares them. A criterion is resolved once.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.reactors.predicate import Predicate, read_predicate
from penstock.runtime.calls import caller_locals


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """Which inputs have to be new before a reactor fires, and what their values have to be."""

    kind: Literal["any", "all"]
    #: Names of the inputs that count; empty stands for all that are not broadcast.
    names: tuple[str, ...] = ()
    #: What has to hold besides; None for nothing.
    predicate: Predicate | None = None


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


def when(predicate: Callable[..., bool], criterion: Criterion | None = None) -> Criterion:
    """Fire when a function of the newest values says so, asked whenever a criterion holds.

        ps.when(lambda orderbook: orderbook.ask > 100.0)
        ps.when(crossed, ps.when_all(bids, asks))

    Args:
        predicate: Pure, and not async. Its parameters are inputs by name, checked against their types. It is not asked
            while one of them has no value, unless the parameter is ``T | None`` or has a default. What it raises, or
            answers besides True and False, is counted, makes a dead letter of the values, and shows in the health.
        criterion: When it is asked; as soon as any input that is not broadcast is new, when omitted.

    Raises:
        DefinitionError: The function waits, or looks at nothing.
    """
    base = criterion or when_any()
    return Criterion(kind=base.kind, names=base.names, predicate=read_predicate(predicate, caller_locals()))


def resolve(criterion: Criterion, bits: Mapping[str, int], broadcast: frozenset[str]) -> Rule:
    """Return the criterion as bits.

    Args:
        criterion: All its names are among ``bits``.
        bits: The bit of each input, by name.
        broadcast: Names of the inputs that are wrapped in ``broadcast``.
    """
    names = criterion.names or tuple(name for name in bits if name not in broadcast)
    return Rule(mask=sum(bits[name] for name in set(names)), every=criterion.kind == "all")
