"""What a reactor refuses to be."""

import dataclasses
from typing import TypedDict

import msgspec
import pytest

from penstock.accumulators.passthrough import passthrough_accumulator
from penstock.reactors.criteria import when_all
from penstock.reactors.reactor import Reactor, broadcast
from penstock.runtime.errors import DefinitionError


class Book(msgspec.Struct):
    symbol: str


@dataclasses.dataclass
class Trade:
    symbol: str


class Mapped(TypedDict):
    symbol: str


@passthrough_accumulator
def orderbook(event: Book) -> Book | None:
    return event


@passthrough_accumulator
def trades(event: Trade) -> Trade:
    return event


@passthrough_accumulator
def mapped(event: Mapped) -> Mapped:
    return event


@passthrough_accumulator
def rate(event: float) -> float:
    return event


def problems(*args: object, **options: object) -> tuple[str, ...]:
    with pytest.raises(DefinitionError) as caught:
        Reactor("r", *args, **options)  # type: ignore[arg-type]

    return caught.value.problems


def test_it_knows_the_types_of_its_inputs() -> None:
    reactor = Reactor("r", [orderbook, broadcast(rate)], key="symbol", key_ttl="1h")
    assert reactor.types == {"orderbook": Book, "rate": float}
    assert (reactor.broadcasts, reactor.key_ttl, reactor.on_error) == ({"rate"}, 3600.0, "keep_dirty")


def test_the_key_is_a_field_of_a_struct_a_dataclass_or_a_typed_dict() -> None:
    assert Reactor("r", [orderbook, trades, mapped], key="symbol").key == "symbol"


def test_all_problems_are_reported_together() -> None:
    found = problems(
        [orderbook, orderbook, rate], criteria=when_all(trades), strategy="fast", key="symbol", on_error="cry"
    )
    assert len(found) == 5
    assert "'orderbook' is there twice" in found[0]
    assert "the criteria name 'trades'" in found[1]
    assert "strategy='fast'" in found[2]
    assert "'keep_dirty'" in found[3]
    assert "'rate' of type float has no such field" in found[4]


@pytest.mark.parametrize("name", ["", "a\0b", "half \udcff", "é" * 101, 7])
def test_a_name_is_one_that_every_database_keeps(name: str) -> None:
    with pytest.raises(DefinitionError, match=r"^reactor: .* is no (name|text)"):
        Reactor(name, [rate])


def test_near_names_are_proposed() -> None:
    @passthrough_accumulator
    def orderbok(event: float) -> float:
        return event

    assert "did you mean 'orderbook'?" in problems([orderbook], criteria=when_all(orderbok))[0]


def test_something_must_make_it_fire() -> None:
    assert "no input that makes it fire" in problems([broadcast(rate)])[0]
    assert "no input that makes it fire" in problems([])[0]


def test_an_input_is_an_accumulator() -> None:
    with pytest.raises(DefinitionError, match="no accumulator"):
        Reactor("r", [orderbook.function])  # type: ignore[list-item]


def test_key_ttl_is_a_duration() -> None:
    with pytest.raises(DefinitionError, match="key_ttl"):
        Reactor("r", [orderbook], key="symbol", key_ttl="soon")
