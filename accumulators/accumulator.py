"""What all accumulators have: a function, the types at its two ends, and how they behave when there is too much.

A definition holds no run-time state and may serve several apps; what lives in an app is ``LiveAccumulator``. The
types are read from the function's annotations once, here, and all that is wrong with one is reported together.
"""

import dis
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, Union, get_args, get_origin

from typing_extensions import override

from penstock.accumulators.decoding import Decode, decode_problems
from penstock.accumulators.pipe import Pipe, pipe_problems
from penstock.accumulators.record import Extras
from penstock.accumulators.source import Source
from penstock.runtime.calls import EMPTY, Function, describe_type
from penstock.runtime.codec import Codec
from penstock.runtime.effects import Emit
from penstock.runtime.errors import DefinitionError
from penstock.runtime.texts import name_problem

if TYPE_CHECKING:
    from penstock.runtime.rx import Operator

In = TypeVar("In")
Out = TypeVar("Out")

#: What happens to an event that arrives while the ingress is saturated.
Overflow = Literal["block", "drop_oldest", "reject"]
OVERFLOWS = ("block", "drop_oldest", "reject")

#: The instructions of a body that does nothing: `...`, `pass`, or a lone `return`.
IDLE = {
    "CALL_INTRINSIC_1",
    "LOAD_CONST",
    "NOP",
    "POP_TOP",
    "RERAISE",
    "RESUME",
    "RETURN_CONST",
    "RETURN_GENERATOR",
    "RETURN_VALUE",
}


class AnyAccumulator:
    """What reactors and apps know of every accumulator, whatever the types at its ends.

    Attributes:
        name: The name in the store, in metrics, and of the input in a reactor and its graphs.
        function: The user's function.
        input_codec: Converts what is pushed into the event type.
        output_codec: Writes and reads boundaries in the store.
        output_type: The type of the boundaries, without None.
        durable: Whether pushed events are journalled before ``push`` returns.
        overflow: What happens when the ingress is saturated.
        source: What brings events by itself; None for nothing.
        extras: What the function asks for beside the event; None for nothing.
        pipe: The operators behind the function; None for none.
        origin: What feeds it by itself; accumulators with the same origin belong together.
        capacity: Pushed events that may wait; the app's ``ingress_limit`` when None.
        decode: How the bytes of an event are read.
    """

    kind = "accumulator"
    #: Whether what comes in is kept as it is: rows of the store hold it.
    stores_events = False

    def __init__(
        self,
        function: Function[object],
        *,
        event: object,
        value: object,
        name: str | None,
        durable: bool,
        overflow: Overflow,
        capacity: int | None,
        decode: Decode = "json",
    ) -> None:
        self.name: str = name or function.name
        self.function = function
        self.durable = durable
        self.overflow: Overflow = overflow
        self.capacity = capacity
        self.input_type = event
        self.output_type: object = value
        self.source: Source | None = None
        self.origin: object = None
        self.extras: Extras | None = None
        self.pipe: Pipe | None = None
        problems = option_problems(self.name, overflow, capacity, durable=durable)
        if problems:
            raise DefinitionError(*problems)

        self.input_codec: Codec[object] = Codec(event, part=self.name)
        self.output_codec: Codec[object] = Codec(value, part=self.name)
        self.decode: Decode = decode
        problems = list(decode_problems(f"accumulator {self.name!r}", decode, self.input_codec))
        if problems:
            raise DefinitionError(*problems)

    def put_pipe(self, operators: "Sequence[Operator]", value: object) -> None:
        """Put operators behind the function.

        Args:
            operators: As ``reactivex.operators`` makes them; none leaves it as it is.
            value: The type of what comes out of them; the function's own when it is Ellipsis.

        Raises:
            DefinitionError: They cannot be; all problems are named.
        """
        where = f"accumulator {self.name!r}"
        problems = list(pipe_problems(where, operators, value, durable=self.durable))
        if problems:
            raise DefinitionError(*problems)

        if operators:
            self.pipe = Pipe(operators, codec=self.output_codec)
            if value is not ...:
                self.output_type = value
                self.output_codec = Codec(value, part=self.name)

    @property
    def is_async(self) -> bool:
        """Whether its function waits."""
        return self.function.is_async

    def emission(self, value: object, origin: str) -> Emit:
        """Return what gives it a value of a graph.

        Args:
            value: The event.
            origin: Name of the reactor whose firing it comes from.

        Raises:
            DecodeError: It does not have the event type, or could not be stored.
        """
        event = self.input_codec.convert(value)
        data = self.input_codec.encode(event) if self.stores_events else None
        return Emit(accumulator=self.name, event=event, data=data, origin=origin)

    @override
    def __repr__(self) -> str:
        ends = f"{describe_type(self.input_type)} -> {describe_type(self.output_type)}"
        return f"<{self.kind} accumulator {self.name!r}: {ends}>"


class Accumulator(AnyAccumulator, Generic[In, Out]):
    """Turns events of type ``In`` into boundaries of type ``Out``. Made by one of the ``*_accumulator`` functions."""


def option_problems(name: str, overflow: object, capacity: object, *, durable: bool) -> list[str]:
    """Return what is wrong with the name, and with the options that all kinds have."""
    wrong_name = name_problem(name)
    problems = [] if wrong_name is None else [f"accumulator: {wrong_name}"]
    if overflow not in OVERFLOWS:
        accepted = ", ".join(repr(choice) for choice in OVERFLOWS)
        problems.append(f"accumulator {name!r}: overflow={overflow!r} is none of {accepted}")

    if durable and overflow == "drop_oldest":
        problems.append(
            f"accumulator {name!r}: durable=True keeps every event that was pushed, overflow='drop_oldest' drops some:"
            " use overflow='block' or 'reject', or durable=False"
        )

    if capacity is not None and (isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1):
        problems.append(f"accumulator {name!r}: capacity={capacity!r} must be a whole number of at least 1")

    return problems


def without_none(annotation: object) -> object:
    """Return the type that remains when None is taken out of it; None when nothing remains."""
    if annotation in (None, type(None), EMPTY):
        return None

    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation

    members = tuple(member for member in get_args(annotation) if member is not type(None))
    return Union[members] if members else None  # noqa: UP007 (built from a tuple)


def does_nothing(fn: Callable[..., object]) -> bool:
    """Tell whether a function's body is only ``...``, ``pass`` or a docstring: it would drop every event."""
    code = getattr(fn, "__code__", None)
    if code is None:
        return False

    steps = list(dis.get_instructions(code))
    constants = {step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")}
    return {step.opname for step in steps} <= IDLE and constants <= {None}


def value_type(function: Function[object], annotation: object, problems: list[str]) -> object:
    """Return the type of the boundaries, or add what is wrong."""
    value = without_none(annotation)
    if value is None:
        problems.append(
            f"accumulator {function.name!r} returns nothing:"
            " annotate what it emits, such as `-> Book` or `-> Book | None`"
        )

    return value


def body_problems(function: Function[object], advice: str) -> list[str]:
    """Return what is wrong with a body that cannot emit anything."""
    if does_nothing(function.fn):
        return [f"accumulator {function.name!r} has an empty body and would drop every event: {advice}"]

    return []
