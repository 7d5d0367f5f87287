"""Criteria as pure predicates over bits."""

from hypothesis import given, strategies as st

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.criteria import Criterion, Rule, resolve, when_all, when_any

NAMES = ("a", "b", "c", "d")
BITS = {name: 1 << index for index, name in enumerate(NAMES)}


@passthrough_accumulator
def a(event: float) -> float:
    return event


@passthrough_accumulator
def b(event: float) -> float:
    return event


def test_a_criterion_keeps_the_names_of_its_inputs() -> None:
    assert when_any(a, b) == Criterion(kind="any", names=("a", "b"))
    assert when_all() == Criterion(kind="all")


def test_without_names_all_inputs_count_but_broadcast_ones() -> None:
    assert resolve(when_all(), BITS, frozenset({"b"})) == Rule(mask=0b1101, every=True)
    assert resolve(when_any(b), BITS, frozenset({"b"})) == Rule(mask=0b0010, every=False)


@given(st.sets(st.sampled_from(NAMES), min_size=1), st.sets(st.sampled_from(NAMES)))
def test_any_and_all_agree_with_sets(named: set[str], dirty: set[str]) -> None:
    bits = sum(BITS[name] for name in dirty)
    some = resolve(Criterion(kind="any", names=tuple(named)), BITS, frozenset())
    every = resolve(Criterion(kind="all", names=tuple(named)), BITS, frozenset())
    assert some.holds(bits) == bool(named & dirty)
    assert every.holds(bits) == (named <= dirty)
