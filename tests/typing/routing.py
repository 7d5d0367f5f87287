"""What type checkers must see of the forms that say where a parameter's value comes from. Not run, only checked."""

from typing import Literal, assert_type

import msgspec

import penstock as ps


class Trade(msgspec.Struct, frozen=True):
    """One branch."""

    price: float


class Hold(msgspec.Struct, frozen=True):
    """The other branch."""

    reason: str


graph = ps.ComputationGraph("routing", inputs={"amount": float})


@graph.node
def decide(amount: float) -> Trade | Hold:
    """Route by type."""
    return Trade(amount) if amount > 0 else Hold("nothing")


@graph.node
async def fetch(amount: float) -> str:
    """Wait."""
    return str(amount)


@graph.node
def execute(decision: Trade = ps.From(decide, Trade)) -> float:
    """Take one branch."""
    return decision.price


@graph.node
def both(decision: Trade | Hold = ps.From(decide)) -> str:
    """Take all that a node gives."""
    return str(decision)


@graph.node
def named(decision: Trade | Hold = ps.From(decide, Trade, Hold), text: str = ps.From(fetch)) -> str:
    """Take two members, and what an async node gives."""
    return f"{decision}{text}"


@graph.node
def wrong(decision: Hold = ps.From(decide, Trade)) -> str:  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    """Say one type and take another: both checkers complain."""
    return decision.reason


@graph.node
def pick(amount: float) -> ps.Route[Literal["up"], list[int]] | ps.Route[Literal["down"], list[str]]:
    """Route by name."""
    up: ps.Route[Literal["up"], list[int]] = ps.Route("up", [1])
    down: ps.Route[Literal["down"], list[str]] = ps.Route("down", ["a"])
    return up if amount > 0 else down


@graph.node(terminals=("left",))
def turn(amount: float) -> ps.Route[Literal["left", "right"], float | str]:
    """Route by name, the types of the values in one place."""
    return ps.Route("left", amount) if amount > 0 else ps.Route("right", str(amount))


@graph.node
def right(text: str = ps.route(turn, "right", str)) -> str:
    """Take a variant of that."""
    return text


@graph.node
def upward(numbers: list[int] = ps.route(pick, "up", list[int])) -> float:
    """Take one variant."""
    return float(numbers[0])


@graph.node(inputs={"texts": ps.route(pick, "down"), "amount": "amount"})
def downward(texts: list[str], amount: float) -> float:
    """Take the other one."""
    return len(texts) + amount


@graph.node
def join(value: float = ps.first_of(upward, downward), late: str | None = ps.optional(fetch)) -> float:
    """Join the branches."""
    return value if late else -value


@graph.node
def rest(value: float = ps.optional(execute, default=0.0), text: str | int = ps.optional(fetch, default=0)) -> None:
    """Do without."""


assert_type(ps.From(decide, Trade), Trade)
assert_type(ps.From(decide, Trade, Hold), Trade | Hold)
assert_type(ps.From(fetch), str)
assert_type(ps.route(pick, "up", list[int]), list[int])
assert_type(ps.first_of(upward, downward), float)
assert_type(ps.first_of(ps.From(fetch), ps.From(fetch)), str)
assert_type(ps.optional(fetch), str | None)
assert_type(ps.optional(ps.first_of(upward, downward)), float | None)
assert_type(ps.Route("a", 1).value, int)
