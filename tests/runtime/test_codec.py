"""Values to bytes and back: what is accepted comes back equal, and what would not is refused."""

import enum
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, NamedTuple, NewType, TypedDict, TypeVar

import msgspec
import pytest
from hypothesis import given, strategies as st
from typing_extensions import TypeAliasType

from penstock.runtime.codec import FORMAT, Codec, plain
from penstock.runtime.errors import DecodeError, DefinitionError, StateIncompatible

T = TypeVar("T")


class Trade(msgspec.Struct, frozen=True):
    side: str
    price: float


class Special(Trade, frozen=True):
    reason: str = ""


class Hold(msgspec.Struct, frozen=True):
    reason: str


class Tree(msgspec.Struct):
    value: int
    children: list["Tree"] = []


class Extra(msgspec.Struct):
    fields: dict[str, object]


class Bare(msgspec.Struct, eq=False):
    fields: dict[str, object]


class Box(msgspec.Struct, Generic[T]):
    content: T


class Buy(msgspec.Struct, frozen=True, tag=True):
    price: float


class Sell(msgspec.Struct, frozen=True, tag=True):
    price: float


@dataclass
class Order:
    amount: Decimal
    at: datetime


class Point(NamedTuple):
    x: int
    y: int


class Row(TypedDict):
    name: str
    count: int


class Side(enum.Enum):
    BUY = "buy"
    SELL = "sell"


class Opaque:
    pass


Price = NewType("Price", float)
Decision = TypeAliasType("Decision", Trade | Hold)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

FLOATS = st.floats(allow_nan=False, allow_infinity=False)  # JSON has neither
TRADES = st.builds(Trade, side=st.text(), price=FLOATS)
HOLDS = st.builds(Hold, reason=st.text())
ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=-3, minutes=30))])
TIMES = st.datetimes(timezones=ZONES, min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1))  # noqa: DTZ001
ORDERS = st.builds(Order, amount=st.decimals(allow_nan=False), at=TIMES)
INTS = st.integers(-(2**63), 2**64 - 1)
PLAIN = st.recursive(
    st.none() | st.booleans() | INTS | FLOATS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
TREES = st.recursive(
    st.builds(Tree, INTS), lambda inner: st.builds(Tree, INTS, st.lists(inner, max_size=3)), max_leaves=8
)

#: Each kind of type with values of it.
KINDS: dict[str, tuple[object, st.SearchStrategy[Any]]] = {
    "struct": (Trade, TRADES),
    "recursive struct": (Tree, TREES),
    "struct with object": (Extra, st.builds(Extra, fields=st.dictionaries(st.text(), PLAIN, max_size=3))),
    "generic struct": (Box[int], st.builds(Box, content=INTS)),
    "tagged union": (Buy | Sell, st.builds(Buy, FLOATS) | st.builds(Sell, FLOATS)),
    "optional": (Trade | None, st.none() | TRADES),
    "untagged union": (Trade | Hold, TRADES | HOLDS),
    "union of everything": (
        Trade | Order | Row | datetime | str | bytes | list[Trade] | list[Hold] | None,
        st.none() | TRADES | ORDERS | TIMES | st.text() | st.binary() | st.lists(TRADES) | st.lists(HOLDS),
    ),
    "alias of a union": (Decision, TRADES | HOLDS),
    "dataclass": (Order, ORDERS),
    "named tuple": (Point, st.builds(Point, INTS, INTS)),
    "typed dict": (Row, st.fixed_dictionaries({"name": st.text(), "count": INTS})),
    "enum": (Side, st.sampled_from(Side)),
    "new type": (Price, FLOATS),
    "constrained": (Annotated[int, msgspec.Meta(ge=0)], st.integers(0, 10)),
    "datetime": (datetime, TIMES),
    "date": (date, st.dates()),
    "time": (time, st.times()),
    "timedelta": (timedelta, st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000))),
    "decimal": (Decimal, st.decimals(allow_nan=False)),
    "uuid": (uuid.UUID, st.uuids()),
    "bytes": (bytes, st.binary()),
    "int": (int, INTS),
    "float": (float, FLOATS),
    "bool": (bool, st.booleans()),
    "none": (None, st.none()),
    "list": (list[Trade], st.lists(TRADES)),
    "tuple": (tuple[int, str], st.tuples(INTS, st.text())),
    "set": (set[int], st.sets(INTS)),
    "dict": (dict[str, Trade], st.dictionaries(st.text(), TRADES)),
    "dict by number": (dict[int, str], st.dictionaries(INTS, st.text())),
    "object": (object, PLAIN),
    "any": (Any, PLAIN),
}


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_state_and_json_come_back_equal(kind: str, data: st.DataObject) -> None:
    type_, values = KINDS[kind]
    codec = Codec[object](type_, part="p")
    value = data.draw(values)
    for back in (codec.decode(codec.encode(value)), codec.from_json(codec.to_json(value)), codec.convert(value)):
        assert back == value
        assert type(back) is type(value)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Trade, Trade("buy", 1.0)),
        (Trade | None, None),
        (Trade | Hold, Hold("why")),
        (Order, Order(Decimal(1), NOON)),
        (Point, Point(1, 2)),
        (Side, Side.BUY),
        (datetime, NOON),
        (bytes, b"{}"),
        (object, Opaque()),
        (Any, Trade("buy", 1.0)),
        (list, [1]),
        (Box[int], Box(1)),
    ],
)
def test_value_of_the_type_passes_untouched(type_: object, value: object) -> None:
    assert Codec[object](type_, part="p").convert(value) is value


@pytest.mark.parametrize(
    ("type_", "given", "expected"),
    [
        (Trade, {"side": "buy", "price": 1}, Trade("buy", 1.0)),
        (Trade, b'{"side":"buy","price":1}', Trade("buy", 1.0)),
        (Trade, '{"side":"buy","price":1}', Trade("buy", 1.0)),
        (Trade, bytearray(b'{"side":"buy","price":1}'), Trade("buy", 1.0)),
        (Trade, memoryview(b'{"side":"buy","price":1}'), Trade("buy", 1.0)),
        (Trade | None, b"null", None),
        (Trade | Hold, {"reason": "why"}, Hold("why")),
        (Trade | Hold, b'{"reason":"why"}', Hold("why")),
        (list[Trade], [{"side": "buy", "price": 1}], [Trade("buy", 1.0)]),
        (datetime, "2026-01-01T12:00:00Z", NOON),
        (float, 1, 1.0),
        (float, "2.5", 2.5),
        (float, b"1.5", 1.5),
        (Side, "buy", Side.BUY),
        (Point, [1, 2], Point(1, 2)),
        (str, b'"text"', '"text"'),
        (str | None, "größer".encode(), "größer"),
        (Decimal, "1.10", Decimal("1.10")),
        (dict[str, object], b'{"a":[1]}', {"a": [1]}),
    ],
)
def test_edge_makes_values_of_builtins_and_of_json(type_: object, given: object, expected: object) -> None:
    result = Codec[object](type_, part="p").convert(given)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("type_", "given", "reason"),
    [
        (Trade, {"side": "buy"}, "missing required field `price`"),
        (Trade, {"side": "buy", "price": "1"}, r"Expected `float`, got `str` - at `\$.price`"),
        (Trade, Hold("why"), "Expected `object`, got `Hold`"),
        (Trade, Special("buy", 1.0), "Expected `object`, got `Special`"),
        (Trade, b"{", "Input data was truncated"),
        (Trade, "hello", "JSON is malformed"),
        (Trade, None, "got `null`"),
        (int, True, "Expected `int`, got `bool`"),
        (int, 1.5, "got `float`"),
        (float, "one", "JSON is malformed"),
        (str, b"\xff", "utf-8"),
        (str, 5, "Expected `str`, got `int`"),
        (Side, "hold", "Invalid enum value"),
        (Annotated[int, msgspec.Meta(ge=0)], -1, ">= 0"),
        (Trade | Hold, {"other": 1}, "it fits no member .Trade: .*; Hold: "),
        (Trade | Hold, {"side": "buy", "price": 1, "reason": ""}, r"it fits several members \(Trade, Hold\)"),
        (Trade | Hold, Special("buy", 1.0), "it fits no member"),
    ],
)
def test_what_does_not_fit_says_why(type_: object, given: object, reason: str) -> None:
    codec = Codec[object](type_, part="orders")
    with pytest.raises(DecodeError, match=reason) as caught:
        codec.convert(given)

    assert (caught.value.part, caught.value.expected) == ("orders", codec.expected)


@pytest.mark.parametrize(
    ("type_", "value", "reason"),
    [
        (Trade, Hold("why"), "missing required field"),
        (Trade, Special("buy", 1.0), r"Special would come back as Trade \(at `\$`\)"),
        (Trade, Trade("buy", "high"), r"Expected `float`, got `str` - at `\$.price`"),  # type: ignore[arg-type]
        (Trade, Opaque(), "Opaque is unsupported"),
        (Trade | Hold, Special("buy", 1.0), "Special is no member"),
        (Trade | Hold, None, "None is no member"),
        (list[Trade], [Trade("buy", 1.0), Special("buy", 1.0)], r"Special would come back as Trade \(at `\$\[1\]`\)"),
        (Extra, Extra({"a": (1, 2)}), r"tuple would come back as list \(at `\$.fields\['a'\]`\)"),
        (Bare, Bare({"a": {1}}), r"set would come back as list \(at `\$.fields\['a'\]`\)"),
        (Extra, Extra({"a": Trade("buy", 1.0)}), "Trade would come back as dict"),
        (object, Decimal(1), "Decimal would come back as str"),
        (object, Side.BUY, "Side would come back as str"),
        (object, 2**70, "serialize ints"),
        (object, "\ud800", "surrogates"),
        (object, Opaque(), "Opaque is unsupported"),
        (object, [Opaque], "unsupported"),
        (list[int], (1, 2), "tuple would come back as list"),
        (int, True, "Expected `int`, got `bool`"),
    ],
)
def test_what_would_not_come_back_is_not_stored(type_: object, value: object, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        Codec[object](type_, part="p").encode(value)


def test_endless_values_are_refused() -> None:
    loop = list[object]()
    loop.append(loop)
    for write in (Codec[object](object, part="p").encode, Codec[object](object, part="p").to_json):
        with pytest.raises(DecodeError, match="recursion"):
            write(loop)


def test_nan_is_state_but_no_json() -> None:
    codec = Codec[Extra](Extra, part="p")
    back = codec.decode(codec.encode(Extra({"a": [math.nan]})))
    assert math.isnan(back.fields["a"][0])  # type: ignore[index]
    with pytest.raises(DecodeError, match=r"float would come back as None \(at `\$.fields\['a'\]\[0\]`\)"):
        codec.to_json(Extra({"a": [math.nan]}))


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinity_is_state_but_no_json(value: float) -> None:
    codec = Codec[float](float, part="p")
    assert codec.decode(codec.encode(value)) == value
    with pytest.raises(DecodeError, match="cannot be written as JSON"):
        codec.to_json(value)


def test_class_without_equality_is_compared_by_its_fields() -> None:
    codec = Codec[Bare](Bare, part="p")
    assert codec.decode(codec.encode(Bare({"a": [1]}))).fields == {"a": [1]}


def test_keys_that_json_would_turn_into_text_are_refused_there() -> None:
    codec = Codec[object](object, part="p")
    assert codec.decode(codec.encode({1: "one"})) == {1: "one"}
    with pytest.raises(DecodeError, match=r"\$\[1\] would come back as \$\['1'\]"):
        codec.to_json({1: "one"})


#: State that older versions have written: it must be readable for ever.
OLD = [
    (Trade, bytes.fromhex("0182a473696465a3627579a57072696365cb3ff8000000000000"), Trade("buy", 1.5)),
    (Trade | None, bytes.fromhex("01c0"), None),
    (
        Trade | Hold,
        b"\x01\x92\xb0somewhere.x:Hold\x81\xa6reason\xa3why",
        Hold("why"),
    ),
    (datetime, bytes.fromhex("01d6ff69566240"), datetime(2026, 1, 1, 12, 2, 8, tzinfo=UTC)),
    (object, b"\x01\x82\xa1a\x92\x01\xc3\xa1b\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", {"a": [1, True], "b": 1.5}),
]


@pytest.mark.parametrize(("type_", "data", "value"), OLD, ids=[f"old{n}" for n in range(len(OLD))])
def test_old_bytes_still_decode(type_: object, data: bytes, value: object) -> None:
    assert Codec[object](type_, part="p").decode(data) == value


def test_added_field_with_a_default_reads_old_state() -> None:
    old = Codec[Trade](Trade, part="p").encode(Trade("buy", 1.0))
    assert Codec[Special](Special, part="p").decode(old) == Special("buy", 1.0, "")


@pytest.mark.parametrize(
    ("type_", "data", "reason"),
    [
        (Trade, b"", "it is empty"),
        (Trade, b"\x02\xc0", "it is written in format 2; this Penstock reads format 1"),
        (Trade, b"\x01\xc0", "Expected `object`, got `None`"),
        (Trade, b"\x01\x82", "truncated"),
        (int, b"\x01\x05\x05", "trailing"),
        (Trade | Hold, b"\x01\x92\xa3x:Y\xc0", "it is a Y, which is no member any more"),
        (Trade | Hold, b"\x01\xc0", "Expected `array`"),
    ],
)
def test_state_that_does_not_fit_names_its_part(type_: object, data: bytes, reason: str) -> None:
    with pytest.raises(StateIncompatible, match=reason) as caught:
        Codec[object](type_, part="market.cache").decode(data)

    assert caught.value.part == "market.cache"


def test_format_is_the_first_byte() -> None:
    assert Codec[int](int, part="p").encode(5) == bytes([FORMAT, 5])


def test_member_of_a_union_is_named_beside_its_value() -> None:
    codec = Codec[Trade | Hold](Trade | Hold, part="p")
    text = codec.to_json(Hold("why"))
    assert msgspec.json.decode(text) == {"type": f"{__name__}:Hold", "value": {"reason": "why"}}
    assert codec.from_json('{"type":"__main__:Hold","value":{"reason":"why"}}') == Hold("why")


def test_class_that_moved_is_not_guessed_among_several() -> None:
    first = msgspec.defstruct("Same", [("x", int)], module="a")
    second = msgspec.defstruct("Same", [("x", int)], module="b")
    codec = Codec[object](first | second, part="p")
    assert type(codec.decode(codec.encode(second(x=1)))) is second
    with pytest.raises(StateIncompatible, match="no member any more"):
        codec.decode(b"\x01\x92\xa6c:Same\x81\xa1x\x01")


class Late(msgspec.Struct):
    value: "Nowhere"  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        (complex, "complex cannot be stored, because complex cannot; use builtins"),
        (Opaque | None, "because Opaque cannot"),
        (dict[str, list[Opaque]], r"dict\[str, list\[Opaque\]\] cannot be stored, because Opaque cannot"),
        (Box[Opaque], "because Opaque cannot"),
        (Callable[[], int], "because Callable cannot"),
        (list[Trade | Hold], "declare the structs with `tag=True`"),
        (Box[Trade | Hold], "declare the structs with `tag=True`"),
        (Trade | list[Trade | Hold] | list[int], "declare the structs with `tag=True`"),
        (list[datetime | str], "more than one str-like type"),
        (enum.Enum("Mixed", {"A": 1, "B": "x"}), "Enums must contain either all str or all int"),
        (Late, "an annotation inside Late cannot be resolved"),
    ],
)
def test_type_that_cannot_be_stored_says_what_to_declare(type_: object, reason: str) -> None:
    with pytest.raises(DefinitionError, match=reason) as caught:
        Codec[object](type_, part="orders")

    assert str(caught.value).startswith("orders: ")


def test_codec_shows_what_it_is_for() -> None:
    assert repr(Codec[Trade | None](Trade | None, part="orders")) == "<Codec of Trade | None for orders>"


def test_plain_is_what_json_has() -> None:
    value = {"trade": Trade("buy", math.inf), "at": NOON, "side": Side.BUY, "set": {1}, "raw": b"x", "pair": (1, None)}
    assert plain(value) == {
        "trade": {"side": "buy", "price": None},
        "at": "2026-01-01T12:00:00Z",
        "side": "buy",
        "set": [1],
        "raw": "eA==",
        "pair": [1, None],
    }


def test_plain_shows_even_what_has_no_json() -> None:
    assert plain({(1, 2): [2.5, len], "x": "\ud800", 1: None}) == {
        "(1, 2)": [2.5, "<built-in function len>"],
        "x": repr("\ud800"),
        "1": None,
    }


def test_plain_ends_in_a_loop() -> None:
    loop = list[object]()
    loop.append(loop)
    assert plain(loop) == "[[...]]"


@given(PLAIN)
def test_plain_of_plain_values_is_a_copy(value: object) -> None:
    assert plain(value) == msgspec.json.decode(msgspec.json.encode(value))


@pytest.mark.parametrize(("text", "reason"), [("{", "truncated"), ("[]", "Expected `object`, got `array`")])
def test_json_that_does_not_fit_says_why(text: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        Codec[Trade](Trade, part="p").from_json(text)


def test_plain_of_text_that_is_none_is_its_repr() -> None:
    assert plain("\ud800") == repr("\ud800")


def test_constrained_member_of_a_union_is_found_by_trying() -> None:
    codec = Codec[object](Trade | Hold | Annotated[int, msgspec.Meta(ge=0)], part="p")
    assert codec.decode(codec.encode(5)) == 5
    with pytest.raises(DecodeError, match="float is no member"):
        codec.encode(0.5)
