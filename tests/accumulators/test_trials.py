"""When a place is in doubt: starts that did not bring it on, though nothing held it back."""

import asyncio

import pytest

from penstock.accumulators.signal import Signal
from penstock.accumulators.trials import CAREFUL_SECONDS, Alone, Doubt, Trials
from penstock.testing.clock import VirtualClock


async def committed() -> bool:
    return True


def started(doubt: Doubt | None, clock: VirtualClock) -> Trials:
    """Return what a start after a death goes on from, at position 5 of a partition."""
    trials = Trials(lambda: None)
    trials.restore(doubt, {"p": 5})
    alone = Alone(asyncio.Lock(), commit=committed, hurry=lambda: None, signal=Signal(), clock=clock)
    trials.begin(alone, crashed=True, repeats=True)
    return trials


@pytest.mark.parametrize(
    ("position", "held", "in_doubt"),
    [(5, False, True), (6, False, False), (5, True, False)],
    ids=["stood still", "got on", "held back by a full queue"],
)
async def test_a_place_is_in_doubt_at_the_second_start_when_the_first_did_not_bring_it_on(
    *, position: int, held: bool, in_doubt: bool
) -> None:
    clock = VirtualClock()
    first = started(None, clock)
    assert not first.doubts("p")

    second = started(first.stored({"p": position}, held=held), clock)
    assert second.doubts("p") == in_doubt
    await clock.advance(CAREFUL_SECONDS)
    assert not second.doubts("p")
