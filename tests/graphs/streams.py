"""A reactor as users declare it, for graphs under test."""

import msgspec

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.firing import Firing
from penstock.reactors.reactor import Reactor, broadcast


class Book(msgspec.Struct, frozen=True):
    bid: float
    ask: float


class Rate(msgspec.Struct, frozen=True):
    mid: float


class Trade(msgspec.Struct, frozen=True):
    price: float


class Hold(msgspec.Struct, frozen=True):
    reason: str


@passthrough_accumulator
def orderbook(event: Book) -> Book:
    return event


@passthrough_accumulator
def reference(event: Rate) -> Rate | None:
    return event


market = Reactor("market", [orderbook, broadcast(reference)])


def firing(**inputs: object) -> Firing:
    return Firing("market:1-7", "market", None, inputs, frozenset(inputs))
