"""``pipe=[…]``: operators of reactivex behind an accumulator's function, on the app's clock.

    @ps.passthrough_accumulator(pipe=[ops.debounce(0.5), ops.map(lambda quote: quote.mid)], value=float)
    def mid(event: Quote) -> Quote: ...

What the function returns goes through the operators, in their order, and what comes out are the boundaries: none, one
or several for an event, at once or later. ``value=`` is their type where it is not the function's.

What operators remember lives in memory alone: no checkpoint holds it, and after a restart, or after an operator raised,
the pipe begins anew. So a durable accumulator, which promises to lose nothing, takes those operators alone that
remember nothing. For what must survive, carry ``state=``, or gather events with ``batch_accumulator``.
"""

import importlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from penstock.runtime.codec import Codec
from penstock.runtime.foreign import value_text

if TYPE_CHECKING:
    from penstock.runtime.rx import Operator

#: Operators that give what they get at once, changed or not at all, whatever came before.
STATELESS = frozenset({"as_observable", "do_action", "filter", "map", "pluck", "pluck_attr", "starmap"})


class Pipe:
    """The operators of one accumulator.

    Attributes:
        operators: In their order.
        codec: Converts what the function returns, which is what goes in.
    """

    def __init__(self, operators: Sequence["Operator"], *, codec: Codec[object]) -> None:
        # Loaded here, with the library: in the app it would hold the loop.
        importlib.import_module("penstock.accumulators.piping")
        self.operators: tuple[Operator, ...] = tuple(operators)
        self.codec: Codec[object] = codec


def pipe_problems(where: str, operators: Sequence["Operator"], value: object, *, durable: bool) -> Iterator[str]:
    """Yield what is wrong with operators.

    Args:
        where: Whose they are.
        operators: What was given as ``pipe=``.
        value: What was given as ``value=``; Ellipsis for nothing.
        durable: Whether nothing may be lost.
    """
    if not operators and value is not ...:
        yield f"{where}: value= is the type of what comes out of pipe=, and there is none: leave it out"

    for operator in cast("Sequence[object]", operators):
        if not callable(operator):
            yield f"{where}: {value_text(operator)} in pipe= is no operator: give those of reactivex.operators"
        elif durable:
            yield from durable_problems(where, operator)


def durable_problems(where: str, operator: object) -> Iterator[str]:
    """Yield why a durable accumulator cannot have an operator."""
    from penstock.runtime.rx import names_of  # noqa: PLC0415 - whoever has no pipe need not load the library

    for name in names_of(operator):
        if name not in STATELESS:
            yield (
                f"{where} is durable, and {name}() in its pipe may hold events, or remember what they were, in memory,"
                f" where a crash loses it: use {', '.join(sorted(STATELESS))} alone, or durable=False; for what must"
                " survive there are state= and batch_accumulator"
            )
