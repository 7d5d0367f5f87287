"""Which annotation accepts which type, and which members of a union can be told apart by looking at a value.

Two questions are answered here, both without running user code. Whether a consumer's annotation accepts what a producer
returns: wherever that cannot be known (``Any``, a type variable, a protocol) the answer is yes, so that only what is
certainly wrong becomes a problem. And whether the members of a union can be told apart at run time by ``isinstance``:
there the answer is no unless it is certain, because a wrong branch taken is worse than a declaration refused.
"""

import types
import typing
from collections.abc import Sequence

import typing_extensions

from penstock.graphs.routes import Route
from penstock.runtime.calls import describe_type

#: What PEP 484 accepts without inheritance.
PROMOTIONS: dict[object, tuple[type, ...]] = {float: (int,), complex: (int, float), memoryview: (bytes, bytearray)}
#: The type of an annotation that is not there.
ANYTHING: object = typing.Any


def bare(annotation: object) -> object:
    """Return what an annotation stands for: without ``Annotated`` and aliases; ``None`` as its class."""
    if annotation is None:
        return types.NoneType

    if isinstance(annotation, typing_extensions.TypeAliasType):
        return bare(annotation.__value__)

    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return bare(typing.get_args(annotation)[0])

    if isinstance(origin, typing_extensions.TypeAliasType):
        return bare(origin.__value__)

    return annotation


def members(annotation: object) -> tuple[object, ...]:
    """Return the members of a union, nested ones unfolded, each once and in order; of anything else itself.

    A ``Route`` that may have one of several variants counts as several members.
    """
    if isinstance(annotation, type):
        return (annotation,)

    plain = bare(annotation)
    if typing.get_origin(plain) is Route:
        return _routes(plain)

    if typing.get_origin(plain) not in {typing.Union, types.UnionType}:
        return (plain,)

    found = [member for part in typing.get_args(plain) for member in members(part)]
    return tuple(member for index, member in enumerate(found) if member not in found[:index])


def _routes(route: object) -> tuple[object, ...]:
    """Return a member for each variant that a ``Route`` lists."""
    names, value = typing.get_args(route)
    if typing.get_origin(names) is not typing.Literal:
        return (route,)

    return tuple(route_type(name, value) for name in typing.get_args(names))


def route_type(variant: str, value: object = ANYTHING) -> object:
    """Return the type of a ``Route`` with one variant."""
    return Route[typing.Literal[variant], value]  # type: ignore[valid-type]  # made of values, at run time


def variant_of(member: object) -> str | None:
    """Return the one variant of a member that is a ``Route``; None for every other, and for a ``Route`` of any."""
    if typing.get_origin(member) is not Route:
        return None

    names = typing.get_args(member)[0]
    return str(typing.get_args(names)[0]) if typing.get_origin(names) is typing.Literal else None


def value_of(member: object) -> object:
    """Return the type of what a ``Route`` holds."""
    return typing.get_args(member)[1]


def is_open(member: object) -> bool:
    """Tell whether a member may be a ``Route`` of any variant, as far as is known."""
    return member is Route or unknown(member) or (typing.get_origin(member) is Route and variant_of(member) is None)


def label_of(member: object) -> str:
    """Return how people call a member of a union: the variant of a ``Route``, the type of anything else."""
    variant = variant_of(member)
    return describe_type(member) if variant is None else f"Route {variant!r}"


def union_type(union: Sequence[object]) -> object:
    """Return the union of some types."""
    union_of: typing.Any = typing.Union  # to a checker it is no value
    return union_of[tuple(union)]


def takes_none(annotation: object) -> bool:
    """Tell whether an annotation names ``None``; ``Any`` and ``object`` do not."""
    return types.NoneType in members(annotation)


def unknown(plain: object) -> bool:
    """Tell whether nothing is known about the values of a type."""
    return plain is typing.Any or isinstance(plain, typing.TypeVar | typing_extensions.TypeVar | str)


def class_of(member: object) -> type | None:
    """Return the class that values of a member are instances of, if that can be looked at."""
    if unknown(member):  # Any is a class in Python 3.11
        return None

    if isinstance(member, typing.NewType):
        return class_of(bare(member.__supertype__))

    if typing_extensions.is_typeddict(member):
        return dict

    origin = typing.get_origin(member) or member
    if not isinstance(origin, type) or typing_extensions.is_protocol(origin):
        return None

    return origin


def accepts(wanted: object, given: object) -> bool:
    """Tell whether an annotation accepts all values of a type; yes, where that cannot be known."""
    if wanted is given or wanted is ANYTHING:
        return True

    return all(any(_accepts(want, give) for want in members(wanted)) for give in members(given))


def _accepts(wanted: object, given: object) -> bool:
    if wanted == given or wanted is object or unknown(wanted) or unknown(given):
        return True

    if isinstance(given, typing.NewType):
        return _accepts(wanted, bare(given.__supertype__))

    if typing.get_origin(given) is typing.Literal:
        return _accepts_values(wanted, typing.get_args(given))

    if isinstance(wanted, typing.NewType) or typing.get_origin(wanted) is typing.Literal:
        return False

    return _accepts_class(wanted, given)


def _accepts_values(wanted: object, values: Sequence[object]) -> bool:
    if typing.get_origin(wanted) is typing.Literal:
        return all(value in typing.get_args(wanted) for value in values)

    return all(_accepts(wanted, type(value)) for value in values)


def _accepts_class(wanted: object, given: object) -> bool:
    want, give = class_of(wanted), class_of(given)
    if want is None or give is None:
        return True

    if not issubclass(give, (want, *PROMOTIONS.get(want, ()))):
        return False

    return _accepts_arguments(wanted, given) if comparable(want, give) else True


def comparable(want: type, give: type) -> bool:
    """Tell whether the parameters of two generic classes mean the same."""
    return want is give or (want.__module__ == "collections.abc" and give.__module__ in {"builtins", "collections"})


def _accepts_arguments(wanted: object, given: object) -> bool:
    wants, gives = typing.get_args(wanted), typing.get_args(given)
    if len(wants) != len(gives) or Ellipsis in wants or Ellipsis in gives:
        return True

    return all(_accepts_argument(want, give) for want, give in zip(wants, gives, strict=True))


def _accepts_argument(want: object, give: object) -> bool:
    # not types but lists of them (the parameters of a callable) and numbers (sizes) are left to the type checker
    if isinstance(want, list) or isinstance(give, list):
        return True

    return accepts(want, give)


def instance_classes(union: Sequence[object]) -> list[tuple[type, ...]]:
    """Return for each member the classes whose instances are its values; call it when ``clashes`` finds nothing."""
    known = [class_of(member) for member in _classes(union)]
    return [
        (cls, *(other for other in PROMOTIONS.get(cls, ()) if other not in known)) for cls in known if cls is not None
    ]


def _classes(union: Sequence[object]) -> list[object]:
    """Return the members, a ``Literal`` replaced by the class that all of its values share."""
    return [_class_of_values(member) if typing.get_origin(member) is typing.Literal else member for member in union]


def _class_of_values(literal: object) -> object:
    classes: set[object] = {type(value) for value in typing.get_args(literal)}
    return classes.pop() if len(classes) == 1 else typing.Any


def clashes(union: Sequence[object]) -> list[tuple[object, ...]]:
    """Return what cannot be told apart: single members whose values show no class, and pairs that overlap."""
    classes = [class_of(member) for member in _classes(union)]
    blurred = [(member,) for member, cls in zip(union, classes, strict=True) if cls is None or cls is object]
    pairs = [
        (union[i], union[j])
        for i, first in enumerate(classes)
        for j, second in enumerate(classes[:i])
        if overlap(first, second) and not _told_by_variant(union[i], union[j])
    ]
    return [*blurred, *((second, first) for first, second in pairs)]


def overlap(first: type | None, second: type | None) -> bool:
    """Tell whether an instance of one class may be one of the other."""
    if first is None or second is None or object in {first, second}:
        return False  # reported alone

    return issubclass(first, second) or issubclass(second, first)


def _told_by_variant(one: object, other: object) -> bool:
    """Tell whether two members are routes with different variants."""
    names = {variant_of(one), variant_of(other)}
    return None not in names and len(names) > 1
