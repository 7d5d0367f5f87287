"""The inputs of a live reactor as bits of an integer, so that criteria and changes cost one operation."""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter, itemgetter
from typing import cast, is_typeddict

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.reactors.criteria import resolve
from penstock.reactors.firing import Key
from penstock.reactors.reactor import Reactor


class Names(dict[int, frozenset[str]]):
    """Names of inputs by their bits; made for the few combinations that occur."""

    def __init__(self, bits: Mapping[str, int]) -> None:
        super().__init__()
        self._bits = bits

    def __missing__(self, bits: int) -> frozenset[str]:
        self[bits] = names = frozenset(name for name, bit in self._bits.items() if bits & bit)
        return names


class Inputs:
    """What a reactor joins.

    Attributes:
        accumulators: By name, in declared order.
        bits: The bit of each, by name.
        names: The names behind bits.
        mask: The inputs that the criteria name.
        every: Whether all of them have to be new; else one is enough.
        broadcast: The bits among the mask whose values every key sees.
    """

    __slots__ = ("accumulators", "bits", "broadcast", "every", "mask", "names")

    def __init__(self, definition: Reactor) -> None:
        self.accumulators: Mapping[str, AnyAccumulator] = definition.accumulators
        self.bits: dict[str, int] = {name: 1 << index for index, name in enumerate(definition.accumulators)}
        self.names: Names = Names(self.bits)
        rule = resolve(definition.criteria, self.bits, definition.broadcasts)
        self.mask: int = rule.mask
        self.every: bool = rule.every
        self.broadcast: int = rule.mask & self.bits_of(definition.broadcasts)

    def call(self, dirty: int) -> bool:
        """Tell whether these new inputs make the reactor fire."""
        relevant = dirty & self.mask
        return relevant == self.mask if self.every else relevant != 0

    def bits_of(self, names: Iterable[str]) -> int:
        """Return the bits of inputs by their names."""
        return sum(self.bits[name] for name in set(names))

    def names_of(self, bits: int) -> list[str]:
        """Return the names of inputs by their bits, in declared order."""
        return [name for name, bit in self.bits.items() if bits & bit]


def keyer(reactor: Reactor, accumulator: AnyAccumulator) -> Callable[[object], Key]:
    """Return the function that gives the key of a value of an input."""
    if not isinstance(reactor.key, str):
        return cast("Callable[[object], Key]", reactor.key)

    get = itemgetter(reactor.key) if is_typeddict(accumulator.output_type) else attrgetter(reactor.key)
    return cast("Callable[[object], Key]", get)
