"""What a cut takes, and what becomes of it."""

from penstock.accumulators.letter import Letter
from penstock.reactors.firing import Firing
from penstock.reactors.flight import Flight, Slot
from penstock.reactors.ledger import Ledger
from penstock.runtime.effects import Recorded, Start
from penstock.runtime.observe import EventDropped, Fact


class Told:
    """A ledger that writes down what it asks for."""

    def __init__(self, limit: int = 100) -> None:
        self.asked: list[str] = []
        self.facts: list[Fact] = []
        self.ledger = Ledger(
            limit=limit,
            observer=self.facts.append,
            start_clock=lambda: self.asked.append("clock"),
            soon=lambda: self.asked.append("soon"),
            fill=lambda: self.asked.append("fill"),
            carry_out=lambda effects: [effect for effect in effects if isinstance(effect, Recorded)],
        )


def effects(*keys: str) -> list[Recorded]:
    return [Recorded(key=key, effect=Start(workflow="w", input="{}")) for key in keys]


def letter(reason: str = "decode") -> Letter:
    return Letter(part="a", reason=reason, error="e", payload=1)


def test_the_clock_is_started_once_for_all_that_changes_until_a_cut() -> None:
    told = Told()
    slot = Slot(None)
    told.ledger.touch_slot("r", slot)
    told.ledger.touch_broadcasts("r")
    assert (told.asked, slot.changed) == (["clock"], True)
    told.ledger.take()
    assert not slot.changed
    told.ledger.touch_slot("r", slot)
    assert told.asked == ["clock", "clock"]


def test_the_outbox_asks_for_a_cut_once_and_says_when_it_is_full() -> None:
    told = Told(limit=3)
    told.ledger.record(effects("1", "2"))
    assert (told.asked, told.ledger.full) == (["soon"], False)
    told.ledger.bury(letter())
    assert (told.asked, told.ledger.full) == (["soon", "fill"], True)


def test_what_is_away_counts_until_it_is_committed() -> None:
    told = Told(limit=2)
    told.ledger.record(effects("1"))
    told.ledger.send(told.ledger.take())
    told.ledger.record(effects("2"))
    assert (told.ledger.waiting, told.ledger.full) == (2, True)
    told.ledger.arrive()
    assert (told.ledger.waiting, told.ledger.full) == (1, False)


def test_a_cut_that_failed_comes_before_what_followed() -> None:
    told = Told()
    one, other = Slot("one"), Slot("other")
    told.ledger.record(effects("1"))
    told.ledger.touch_slot("r", one)
    told.ledger.touch_slot("r", other)
    taken = told.ledger.take()
    told.ledger.record(effects("2"))
    told.ledger.forget_slot("r", "one")
    told.ledger.put_back(taken)
    assert told.ledger.waiting == 2
    again = told.ledger.take()
    assert [recorded.key for recorded in again.effects] == ["1", "2"]
    assert again.slots == {("r", "one"): None, ("r", "other"): other}


def test_a_firing_that_ended_before_any_cut_leaves_no_trace() -> None:
    told = Told()
    flight = Flight(Firing("r:1-1", "r", None, {}, frozenset()), Slot(None), 1)
    told.ledger.track(flight)
    told.ledger.untrack(flight)
    assert not told.ledger.next


def test_a_letter_about_an_event_is_told() -> None:
    told = Told()
    told.ledger.bury(letter())
    assert told.facts == [EventDropped(part="a", reason="decode", error="e", letter=True)]
