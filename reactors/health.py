"""How a reactor feels: one word, and the causes behind it, each from a fact and independent of the others.

Nothing is remembered here, so no cause can hide another, outlive its fact, or be put right by somebody else's success.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from penstock.reactors.live import LiveReactor
from penstock.runtime.errors import StoreError

State = Literal["starting", "warming", "live", "paused", "degraded", "crashed"]
Kind = Literal["paused", "source", "store", "part", "start", "criteria", "queue"]


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that keeps a reactor from being quite well."""

    #: ``paused`` by an operator, a ``source`` is disconnected, the ``store`` takes no cuts, a ``part`` crashed, the
    #: ``start`` came without a source, the ``criteria`` fail, the ``queue`` is full.
    kind: Kind
    #: Which one: a source, a part, the domain.
    name: str
    error: str | None = None

    @property
    def text(self) -> str:
        """The cause as a sentence for people."""
        sentence = {
            "paused": "paused",
            "source": f"source {self.name} is disconnected",
            "store": f"checkpoints of domain {self.name} are not committed",
            "part": f"{self.name} has crashed",
            "start": f"started without {self.name}",
            "criteria": "the criteria fail",
            "queue": "the queue is full",
        }[self.kind]
        return sentence if self.error is None else f"{sentence}: {self.error}"


class ReactorHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The health of one reactor."""

    #: ``crashed`` when a part of it is given up, ``degraded`` for any other cause but a pause.
    state: State
    causes: tuple[Cause, ...] = ()


def reactor_health(reactor: LiveReactor, domain: str, error: StoreError | None) -> ReactorHealth:
    """Return the health of a reactor.

    Args:
        reactor: In whichever state.
        domain: Name of its domain.
        error: Why the last cut of the domain failed; None when it did not.
    """
    causes = tuple(find_causes(reactor, domain, error))
    return ReactorHealth(state=reduce_causes(reactor, causes), causes=causes)


def find_causes(reactor: LiveReactor, domain: str, error: StoreError | None) -> Iterator[Cause]:
    """Yield all that is not well, in the order in which it should be looked at."""
    yield from outer_causes(reactor)
    if error is not None:
        yield Cause(kind="store", name=domain, error=str(error))

    yield from own_causes(reactor)


def outer_causes(reactor: LiveReactor) -> Iterator[Cause]:
    """Yield what is not well of the parts that work for a reactor."""
    for facts in (part.facts() for part in reactor.parts):
        if facts.circuit != "closed" or facts.state == "waiting":
            yield Cause(kind="part", name=facts.name, error=facts.last_error)

    for accumulator in reactor.sources:
        if accumulator.health == "disconnected":
            yield Cause(kind="source", name=accumulator.name, error=accumulator.error)


def own_causes(reactor: LiveReactor) -> Iterator[Cause]:
    """Yield what is not well of the reactor itself."""
    for name in reactor.warming.late:
        yield Cause(kind="start", name=name)

    if reactor.criteria_error is not None:
        yield Cause(kind="criteria", name=reactor.name, error=reactor.criteria_error)

    if reactor.queue_full:
        yield Cause(kind="queue", name=reactor.name)

    if reactor.paused:
        yield Cause(kind="paused", name=reactor.name)


def reduce_causes(reactor: LiveReactor, causes: tuple[Cause, ...]) -> State:
    """Return the one word."""
    if any(part.circuit != "closed" for part in reactor.parts):
        return "crashed"

    if any(cause.kind != "paused" for cause in causes):
        return "degraded"

    if not reactor.started:
        return "starting"

    if reactor.warming.waiting:
        return "warming"

    return "paused" if causes else "live"
