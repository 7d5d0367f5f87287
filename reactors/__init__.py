"""The second layer: boundaries come in, firings go out.

A reactor keeps the newest value of each input per key and fires its graphs, with a snapshot, when its criteria hold.
What is connected by sources, accumulators and reactors is one domain: the unit that is checkpointed, owned and
recovered.
"""

from penstock.reactors.criteria import (
    Criterion as Criterion,
    when as when,
    when_all as when_all,
    when_any as when_any,
)
from penstock.reactors.firing import Firing as Firing, Outcome as Outcome, Subscriber as Subscriber
from penstock.reactors.past import PastFiring as PastFiring
from penstock.reactors.policies import Retry as Retry
from penstock.reactors.reactor import Broadcast as Broadcast, Reactor as Reactor, broadcast as broadcast
from penstock.reactors.view import KeyState as KeyState, ReactorState as ReactorState

__all__ = [
    "Broadcast",
    "Criterion",
    "Firing",
    "KeyState",
    "Outcome",
    "PastFiring",
    "Reactor",
    "ReactorState",
    "Retry",
    "Subscriber",
    "broadcast",
    "when",
    "when_all",
    "when_any",
]
