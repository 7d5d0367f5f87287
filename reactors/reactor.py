"""The definition of a reactor: which inputs it joins, when it fires, and how its keys are told apart.

It holds no run-time state and may serve several apps; what lives in an app is ``LiveReactor``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from typing_extensions import override

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.reactors import checks
from penstock.reactors.criteria import Criterion, when_any
from penstock.reactors.policies import OnError, Retry, on_error_problems
from penstock.runtime import durations
from penstock.runtime.durations import Duration
from penstock.runtime.errors import DefinitionError
from penstock.runtime.texts import name_problem

#: How the values of one key are kept apart from those of another: a field's name, or a function of the value.
KeyFunction = Callable[..., object]
Strategy = Literal["latest", "sequential"]
#: What happens to a boundary for which the queue of a sequential reactor has no room.
QueueOverflow = Literal["block", "drop_oldest", "dead_letter"]
#: Where firings that are over are remembered.
Memory = Literal["ring", "store"]

#: Boundaries that wait in the queue of a sequential reactor, when it does not say.
QUEUE_LIMIT = 10_000
#: Firings that are over and stay in the store, of a reactor that does not say.
HISTORY_LIMIT = 10_000


class Broadcast:
    """An input whose one newest value every key sees."""

    def __init__(self, accumulator: AnyAccumulator) -> None:
        self.accumulator = accumulator

    @override
    def __repr__(self) -> str:
        return f"broadcast({self.accumulator.name})"


def broadcast(accumulator: AnyAccumulator) -> Broadcast:
    """Give an input to every key of a reactor.

    Its value is context: it fires nothing by itself. When the criteria name it, it counts for each key that is known.
    """
    return Broadcast(accumulator)


class Reactor:
    """Joins the newest values of its inputs and fires its graphs with a snapshot of them.

    Attributes:
        name: The name in the store, in metrics and in firing ids.
        accumulators: The inputs by name, in declared order.
        types: The type of each input's values, by name: what a graph's parameters are checked against.
        broadcasts: Names of the inputs that every key sees.
        criteria: When it fires.
        strategy: Whether it coalesces (``latest``) or fires for each boundary in its order (``sequential``).
        queue_limit: Boundaries of a sequential one that may wait, for all keys together.
        overflow: What happens to a boundary for which there is no room.
        key: How keys are told apart; None for one key without a name.
        key_ttl: Seconds after which an idle key is forgotten; None for never.
        on_error: What becomes of a firing whose graph failed.
        retry: When a failed firing is tried again, where ``on_error`` says that it is.
        start_timeout: Seconds for which it waits for its sources at the start; the app's when None.
        history: Where firings that are over are remembered: the newest in memory (``ring``), or all in the ``store``.
        history_limit: How many of them are; the app's ``firing_history`` when None.
        history_age: Seconds after which the store forgets them; None for never.
    """

    def __init__(
        self,
        name: str,
        inputs: Sequence[AnyAccumulator | Broadcast],
        *,
        criteria: Criterion | None = None,
        strategy: Strategy = "latest",
        queue_limit: int | None = None,
        overflow: QueueOverflow | None = None,
        key: str | KeyFunction | None = None,
        key_ttl: Duration | None = None,
        on_error: OnError | Retry | None = None,
        start_timeout: Duration | None = None,
        history: Memory = "ring",
        history_limit: int | None = None,
        history_age: Duration | None = None,
    ) -> None:
        """Declare a reactor.

        Args:
            name: Unique among the reactors of an app.
            inputs: Accumulators, or ``broadcast(accumulator)``.
            criteria: ``when_any(…)``, ``when_all(…)`` or ``when(…)``; the first two without arguments mean all inputs
                but broadcast ones.
            strategy: ``latest`` coalesces: the newest value per key is always fired, older ones may not be.
                ``sequential`` fires once for each boundary that makes the criteria hold, in the order of their coming.
            queue_limit: Boundaries of ``sequential`` that may wait, for all keys together; 10,000 when omitted.
            overflow: What happens to a boundary when so many wait: ``block``, the default, lets nothing more into the
                domain until half of them are worked off; ``drop_oldest`` drops, counts and tells the one that waits
                longest; ``dead_letter`` keeps the new one aside.
            key: A field of every input that is not broadcast, or a function of the value; text or a whole number.
            key_ttl: Seconds or text such as ``"1h"``.
            on_error: ``keep_dirty``, the default of ``latest``, tries the snapshot again unless a newer value replaces
                it; ``dead_letter``, the default of ``sequential``, keeps it aside at once; ``retry`` tries it again
                while its key waits; ``drop`` only counts. ``Retry(…)`` means ``retry`` and says how.
            start_timeout: How long it waits at the start until its sources are connected and its polls have answered;
                then it fires without them, and its health says so. The app's ``start_timeout`` when omitted.
            history: ``"ring"`` remembers the newest firings in memory, of a burst some. ``"store"`` writes a row for
                each firing, in the commit of what came of it: it can be looked at after a restart.
            history_limit: Firings that are remembered; 10,000 in the store, the app's ``firing_history`` in memory
                when omitted.
            history_age: How long the store keeps them, such as ``"7 days"``; for ever, within the limit, when omitted.

        Raises:
            DefinitionError: All that is wrong, each problem with its fix.
        """
        self.name = name
        self.accumulators: Mapping[str, AnyAccumulator] = {
            accumulator.name: accumulator for accumulator in map(unwrap, inputs)
        }
        self.types: Mapping[str, object] = {
            accumulator.name: accumulator.output_type for accumulator in self.accumulators.values()
        }
        self.broadcasts: frozenset[str] = frozenset(unwrap(item).name for item in inputs if isinstance(item, Broadcast))
        self.criteria: Criterion = criteria or when_any()
        self.strategy: Strategy = strategy
        self.queue_limit: int = queue_limit or QUEUE_LIMIT
        self.overflow: QueueOverflow = overflow or "block"
        self.key = key
        chosen = on_error or ("dead_letter" if strategy == "sequential" else "keep_dirty")
        self.on_error: OnError = "retry" if isinstance(chosen, Retry) else chosen
        self.retry: Retry = chosen if isinstance(chosen, Retry) else Retry()
        where, names = f"reactor {name!r}", [unwrap(item).name for item in inputs]
        problems = [
            *checks.input_problems(where, names, self.broadcasts, self.criteria, self.types),
            *([] if (wrong := name_problem(name)) is None else [f"reactor: {wrong}"]),
            *checks.strategy_problems(where, strategy, queue_limit, overflow),
            *on_error_problems(where, chosen, strategy),
            *checks.key_problems(where, key, self.types, self.broadcasts),
            *checks.order_problems(where, strategy, key, self.criteria, self.broadcasts),
            *checks.history_problems(where, history, history_limit, history_age),
        ]
        if problems:
            raise DefinitionError(*problems)

        self.key_ttl: float | None = optional_seconds(key_ttl, f"Reactor({name!r}, key_ttl=…)")
        self.start_timeout: float | None = optional_seconds(start_timeout, f"Reactor({name!r}, start_timeout=…)")
        self.history: Memory = history
        self.history_limit: int | None = history_limit or (HISTORY_LIMIT if history == "store" else None)
        self.history_age: float | None = optional_seconds(history_age, f"Reactor({name!r}, history_age=…)")

    @override
    def __repr__(self) -> str:
        return f"<reactor {self.name!r} of {', '.join(self.accumulators)}>"


def optional_seconds(value: Duration | None, name: str) -> float | None:
    """Return a duration, when there is one."""
    return None if value is None else durations.seconds(value, name=name)


def unwrap(item: object) -> AnyAccumulator:
    """Return the accumulator of an input."""
    if isinstance(item, Broadcast):
        return item.accumulator

    if isinstance(item, AnyAccumulator):
        return item

    raise DefinitionError(
        f"{item!r} is no accumulator: the inputs of a reactor are made by the *_accumulator functions"
    )
