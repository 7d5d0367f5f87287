"""State: a window of the newest values, kept by the engine; graphs write it with ``emits=``, apps with ``app.push``."""

from types import UnionType
from typing import cast, overload

from penstock.accumulators.accumulator import Accumulator, In, Overflow
from penstock.runtime.calls import Function
from penstock.runtime.errors import DefinitionError


class StateAccumulator(Accumulator[In, tuple[In, ...]]):
    """A window of values. Its boundary is the whole window as a tuple, the oldest value first.

    Attributes:
        size: How many values it holds; None for all of them, 0 for none: it is off.
        triggers: Whether a value that a graph writes makes the reactor of that very graph fire.
    """

    kind = "state"
    stores_events = True

    def __init__(
        self,
        name: str,
        value: object,
        *,
        size: int | None,
        triggers: bool,
        durable: bool,
        overflow: Overflow,
    ) -> None:
        window = tuple[value, ...]  # type: ignore[valid-type]
        super().__init__(
            Function[object](unchanged, name=name, is_async=False, parameters={}, returns=window),
            event=value,
            value=window,
            name=name,
            durable=durable,
            overflow=overflow,
            capacity=None,
        )
        self.size: int | None = size
        self.triggers: bool = triggers
        if size is not None and (isinstance(size, bool) or not isinstance(cast("object", size), int) or size < 0):
            raise DefinitionError(
                f"accumulator {name!r}: capacity={size!r} must be a whole number, None for a window without a bound, or"
                " 0 to switch it off"
            )


@overload
def state_accumulator(
    name: str,
    *,
    value: type[In],
    capacity: int | None,
    triggers: bool = False,
    durable: bool = False,
    overflow: Overflow = "block",
) -> StateAccumulator[In]: ...
@overload
def state_accumulator(
    name: str,
    *,
    value: UnionType,
    capacity: int | None,
    triggers: bool = False,
    durable: bool = False,
    overflow: Overflow = "block",
) -> StateAccumulator[object]: ...
def state_accumulator(
    name: str,
    *,
    value: object,
    capacity: int | None,
    triggers: bool = False,
    durable: bool = False,
    overflow: Overflow = "block",
) -> object:
    """Make a window of the newest values.

    Each write emits the whole window, a tuple with the oldest value first. It is stored as rows: a write adds one and
    deletes one. At a start the window is in the caches of the reactors that join it, without firing them.

    A node writes with ``emits=``. What it writes is in the window when its firing has succeeded, and committed with it;
    the next firing sees it. It does not make the graph's own reactor fire, but others.

    Args:
        name: The name in the store, and of the input.
        value: The type of one value.
        capacity: How many values it holds, the newest ones; None for all of them, which costs as much memory and time
            as there are. 0 switches it off: nothing is kept and nothing emitted; what is written counts as filtered.
            A capacity that has changed is applied at the next start.
        triggers: Let what a graph writes fire the graph's own reactor as well. The graph has to end that by itself: by
            writing None.
        durable: Journal what is *pushed* before ``push`` returns.
        overflow: What happens to pushes while the domain is full; what nodes write is always taken.

    Raises:
        DefinitionError: The name, type or capacity is none.
    """
    return StateAccumulator[object](name, value, size=capacity, triggers=triggers, durable=durable, overflow=overflow)


def unchanged(value: object) -> object:
    """Let a value through: a window has no function of the user's."""
    return value
