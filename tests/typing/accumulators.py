"""What type checkers must see of accumulators: the types at their ends. Not run, only checked."""

from typing import assert_type

import msgspec

import penstock as ps
from penstock.accumulators import BatchAccumulator, PassthroughAccumulator, StateAccumulator


class Trade(msgspec.Struct, frozen=True):
    """An event."""

    price: float


@ps.passthrough_accumulator(durable=True)
def prices(event: Trade) -> float | None:
    """One event in, a number out."""
    return event.price


@ps.batch_accumulator(max_size=10)
def total(events: list[Trade]) -> float:
    """Many events in, a number out."""
    return sum(event.price for event in events)


@ps.batch_accumulator(max_age="1s", source=ps.Memory())
async def slow(events: list[Trade]) -> float | None:
    """Wait."""
    return float(len(events))


recent = ps.state_accumulator("recent", value=Trade, capacity=100)


async def use(app: ps.App) -> None:
    """Give them events of their types."""
    assert_type(prices, PassthroughAccumulator[Trade, float])
    assert_type(total, BatchAccumulator[Trade, float])
    assert_type(slow, BatchAccumulator[Trade, float])
    assert_type(recent, StateAccumulator[Trade])
    assert_type(await app.push(total, Trade(1.0), key="a"), bool)
    assert_type(await app.flush(total), int)
