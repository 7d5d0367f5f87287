"""User functions: kind, parameters and types are decided where they are declared."""

import functools
import typing
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Annotated, Literal, Optional, TypeVar, Union

import msgspec
import pytest

from penstock.runtime.calls import EMPTY, Function, Parameter, caller_locals, describe_type
from penstock.runtime.errors import DefinitionError

T = TypeVar("T")


class Book(msgspec.Struct):
    bid: float


class Rate(msgspec.Struct):
    mid: float


def decide(book: Book, rate: "Rate | None" = None, *, limit: float = 1.0) -> Book | None:
    return book


async def fetch(book: Book) -> Rate:
    return Rate(book.bid)


class Judge:
    def __call__(self, book: Book) -> float:
        return book.bid

    def judge(self, book: Book) -> float:
        return book.bid

    @classmethod
    def make(cls, book: Book) -> "Judge":
        assert book
        return cls()

    @staticmethod
    def plain(book: Book) -> int:
        return int(book.bid)


class Fetcher:
    async def __call__(self, book: Book) -> Rate:
        return Rate(book.bid)


def test_parameters_have_name_type_default_and_kind() -> None:
    function = Function.of(decide)
    assert list(function.parameters) == ["book", "rate", "limit"]
    assert function.parameters["rate"] == Parameter(name="rate", annotation=Rate | None, default=None, kind=1)
    assert function.parameters["book"].is_required
    assert function.parameters["limit"].kind == 3
    assert function.returns == Book | None
    assert function.name == "decide"
    assert function.fn is decide


def test_missing_annotations_are_empty() -> None:
    function = Function.of(lambda x, y=1: x + y)
    assert function.name == "<lambda>"
    assert function.returns is EMPTY
    assert not function.parameters["x"].is_annotated
    assert function.parameters["y"].default == 1


def test_none_as_return_type_is_a_type() -> None:
    def nothing() -> None: ...

    assert Function.of(nothing).returns is type(None)


@pytest.mark.parametrize(
    ("fn", "name", "is_async", "parameters"),
    [
        (decide, "decide", False, ["book", "rate", "limit"]),
        (fetch, "fetch", True, ["book"]),
        (Judge(), "Judge", False, ["book"]),
        (Judge().judge, "judge", False, ["book"]),
        (Judge.make, "make", False, ["book"]),
        (Judge.plain, "plain", False, ["book"]),
        (Fetcher(), "Fetcher", True, ["book"]),
        (Fetcher().__call__, "__call__", True, ["book"]),
        (functools.partial(decide, limit=2.0), "decide", False, ["book", "rate"]),
        (functools.partial(decide, Book(1.0)), "decide", False, ["rate", "limit"]),
        (functools.partial(functools.partial(decide, limit=2.0), rate=None), "decide", False, ["book"]),
        (functools.partial(fetch), "fetch", True, ["book"]),
        (functools.partial(Fetcher()), "Fetcher", True, ["book"]),
    ],
)
def test_every_callable_is_read(fn: Callable[..., object], name: str, is_async: bool, parameters: list[str]) -> None:
    function = Function.of(fn)
    assert (function.name, function.is_async, list(function.parameters)) == (name, is_async, parameters)
    assert all(parameter.is_annotated for parameter in function.parameters.values())


def test_decorated_function_keeps_its_signature() -> None:
    @functools.wraps(decide)
    def wrapper(*args: object, **kwargs: object) -> object:
        return None

    assert list(Function.of(wrapper).parameters) == ["book", "rate", "limit"]


def test_plain_wrapper_around_an_async_function_is_refused() -> None:
    @functools.wraps(fetch)
    def wrapper(*args: object, **kwargs: object) -> object:
        return None

    with pytest.raises(DefinitionError, match="make the wrapper `async def` too"):
        Function.of(wrapper)


def test_local_types_in_text_are_found_where_the_decorator_is_applied() -> None:
    class Local(msgspec.Struct):
        x: int

    def register(fn: Callable[..., object]) -> Function[object]:
        return Function.of(fn, localns=caller_locals())

    @register
    def node(value: "Local") -> "list[Local]": ...

    assert node.parameters["value"].annotation is Local
    assert node.returns == list[Local]


def test_caller_locals_go_up_by_depth() -> None:
    mark = "outer"

    def inner() -> dict[str, object]:
        mark = "inner"
        return probe() if mark else {}

    def probe() -> dict[str, object]:
        return caller_locals(2)

    assert inner()["mark"] == mark


def test_caller_locals_beyond_the_first_frame_are_empty() -> None:
    assert caller_locals(100_000) == {}


def test_types_of_enclosing_functions_are_found_when_used() -> None:
    class Local(msgspec.Struct):
        x: int

    def node(value: "Local") -> int:
        return Local(1).x

    assert Function.of(node).parameters["value"].annotation is Local


def test_extras_of_annotations_are_kept() -> None:
    def node(value: Annotated[int, "ms"]) -> None: ...

    assert Function.of(node).parameters["value"].annotation == Annotated[int, "ms"]


def test_names_of_the_place_do_not_shadow_those_of_a_module() -> None:
    function = Function.of(decide, localns={"Rate": int})
    assert function.parameters["rate"].annotation == Rate | None


def test_names_of_the_place_help_where_the_module_has_none() -> None:
    def node(value: "Elsewhere") -> int: ...  # type: ignore[name-defined]  # noqa: F821

    node.__qualname__ = "node"
    assert Function.of(node, localns={"Elsewhere": Book}).parameters["value"].annotation is Book


def test_local_type_shadows_one_of_the_module() -> None:
    class Book(msgspec.Struct):
        x: int

    def node(value: "Book") -> int: ...

    assert Function.of(node, localns=caller_locals(0)).parameters["value"].annotation is Book


def test_unknown_name_in_an_annotation_says_what_to_do() -> None:
    def node(value: "Missing") -> int: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(
        DefinitionError, match=r"'node': name 'Missing' is not defined in an annotation; define or import"
    ):
        Function.of(node)


def test_annotation_that_is_no_type_is_refused() -> None:
    def node(value: "1 +") -> int: ...  # noqa: F722

    with pytest.raises(DefinitionError, match="'node' has an annotation that is not a type"):
        Function.of(node)


def test_gathering_parameters_are_all_refused() -> None:
    def node(*values: int, **named: int) -> int: ...

    with pytest.raises(DefinitionError) as caught:
        Function.of(node)

    assert caught.value.problems == (
        "'node' takes *values; name each parameter, since names are the wiring",
        "'node' takes **named; name each parameter, since names are the wiring",
    )


def generator(book: Book) -> Iterator[int]:
    yield 1


async def async_generator(book: Book) -> typing.AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("fn", [generator, async_generator, functools.partial(generator)])
def test_generators_are_refused(fn: Callable[..., object]) -> None:
    with pytest.raises(DefinitionError, match="is a generator; return one value"):
        Function.of(fn)


@pytest.mark.parametrize(
    ("fn", "reason"),
    [
        (Book, "is a class"),
        (3, "cannot be called"),
        (type.__call__, "no signature|name each parameter"),
        (max, "no sig"),
    ],
)
def test_what_cannot_be_read_is_refused(fn: Callable[..., object], reason: str) -> None:
    with pytest.raises(DefinitionError, match=reason):
        Function.of(fn)


def test_function_shows_what_it_is() -> None:
    assert repr(Function.of(fetch)) == "<Function async fetch(book)>"


@pytest.mark.parametrize(
    ("tp", "text"),
    [
        (Book, "Book"),
        (Book | None, "Book | None"),
        (Optional[Book], "Book | None"),  # noqa: UP045  the old forms are met in users' code
        (Union[Book, Rate], "Book | Rate"),  # noqa: UP007
        (list[Book], "list[Book]"),
        (dict[str, list[Book | None]], "dict[str, list[Book | None]]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (typing.List[int], "list[int]"),  # noqa: UP006
        (Mapping[str, int], "Mapping[str, int]"),
        (Annotated[Book, 1], "Book"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Callable[[int, Book], Awaitable[str]], "Callable[[int, Book], Awaitable[str]]"),
        (Callable[..., int], "Callable[..., int]"),
        (typing.Any, "Any"),
        (typing.NewType("Price", float), "Price"),
        (None, "None"),
        (type(None), "None"),
        (EMPTY, "no annotation"),
        (T, "T"),
        (object, "object"),
        ("penstock.Later", "Later"),
    ],
)
def test_type_is_described_as_people_write_it(tp: object, text: str) -> None:
    assert describe_type(tp) == text
