"""Which annotation accepts which type, and which values can be told apart."""

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NewType, Protocol, TypedDict, TypeVar

import pytest
from hypothesis import given, strategies as st
from typing_extensions import TypeAliasType

from penstock.graphs.types import accepts, clashes, instance_classes, members, takes_none


def words(value: object) -> str:
    return str(value)


class Animal: ...


class Dog(Animal): ...


class Stone: ...


class Named(Protocol):
    name: str


class Row(TypedDict):
    name: str


T = TypeVar("T")


class Box(Generic[T]): ...


UserId = NewType("UserId", int)
Beast = TypeAliasType("Beast", Dog | Stone)
Listed = TypeAliasType("Listed", list[T], type_params=(T,))


@pytest.mark.parametrize(
    ("wanted", "given_"),
    [
        (Animal, Dog),
        (object, None),
        (Any, int | None),
        (int, Any),
        (T, int),
        (float, int),
        (complex, float),
        (float | None, int),
        (int | str, str | int),
        (Sequence[float], list[int]),
        (list, list[int]),
        (list[int], list),
        (Mapping[str, object], dict[str, int]),
        (Iterable, dict),
        (tuple[int, ...], tuple[int, int]),
        (dict, Row),
        (Row, dict),
        (Named, Dog),
        (Callable[[int], int], Callable[..., object]),
        (Annotated[int, "cents"], int),
        (int, UserId),
        (str, Literal["a", "b"]),
        (Literal["a", "b"], Literal["a"]),
        (Stone | Dog, Beast),
        (Beast, Stone),
        (Listed[int], list[int]),
        (Box[int], Box[int]),
        (Box, Box[int]),
    ],
    ids=words,
)
def test_accepted(wanted: object, given_: object) -> None:
    assert accepts(wanted, given_)


@pytest.mark.parametrize(
    ("wanted", "given_"),
    [
        (Dog, Animal),
        (int, None),
        (int, int | None),
        (int, float),
        (int, object),
        (list[int], list[str]),
        (Sequence[int], list[str]),
        (list[int], Sequence[int]),
        (UserId, int),
        (Literal["a"], str),
        (Literal["a"], Literal["a", "b"]),
        (int, Literal["a"]),
        (Box[int], Box[str]),
        (Dog, Beast),
        (Row, list),
    ],
    ids=words,
)
def test_refused(wanted: object, given_: object) -> None:
    assert not accepts(wanted, given_)


def test_union_is_unfolded_in_order() -> None:
    nested = TypeAliasType("nested", int | None)
    assert members(typing.Union[str, nested, Annotated[int | Dog, 1]]) == (str, int, type(None), Dog)  # noqa: UP007
    assert takes_none(Annotated[int | None, 1])
    assert not takes_none(Any)
    assert not takes_none(object)


@pytest.mark.parametrize(
    ("union", "expected"),
    [
        ((int, str, type(None)), []),
        ((list[int], dict[str, int], Dog), []),
        ((UserId, Row, Literal["a", "b"]), []),
        ((list[int], list[str]), [(list[int], list[str])]),
        ((Row, dict), [(Row, dict)]),
        ((Animal, Stone, Dog), [(Animal, Dog)]),
        ((Literal["a"], str), [(Literal["a"], str)]),
        ((Dog, Any), [(Any,)]),
        ((Dog, object), [(object,)]),
        ((Dog, Named), [(Named,)]),
        ((Dog, Literal["a", 1]), [(Literal["a", 1],)]),
    ],
    ids=words,
)
def test_what_cannot_be_told_apart(union: tuple[object, ...], expected: list[tuple[object, ...]]) -> None:
    assert clashes(union) == expected


def test_whole_number_is_a_float_unless_it_is_a_variant_itself() -> None:
    assert instance_classes((float, str)) == [(float, int), (str,)]
    assert instance_classes((float, int)) == [(float,), (int,)]


SIMPLE = st.sampled_from([int, str, bool, float, None, list[int], list[str], Dog, Animal, Any, Literal["a"], UserId])
UNIONS = st.lists(SIMPLE, min_size=1, max_size=4).map(lambda found: typing.Union[tuple(found)])  # noqa: UP007


@given(UNIONS)
def test_every_type_accepts_itself_and_less_of_itself(union: object) -> None:
    assert accepts(union, union)
    assert all(accepts(union, member) for member in members(union))


@given(UNIONS, UNIONS)
def test_union_accepts_a_union_as_it_accepts_its_members(wanted: object, given_: object) -> None:
    assert accepts(wanted, given_) == all(accepts(wanted, member) for member in members(given_))


@given(UNIONS)
def test_variants_without_clash_have_disjoint_tests(union: object) -> None:
    if clashes(members(union)):
        return

    classes = [cls for found in instance_classes(members(union)) for cls in found]
    assert len(classes) == len(set(classes))
    assert len(instance_classes(members(union))) == len(members(union))
