"""An open app, as those see it who operate and change it: its live parts by name, and what makes more of them."""

from typing import Protocol

from penstock.accumulators.live import LiveAccumulator
from penstock.graphs.graph import ComputationGraph
from penstock.graphs.subscriber import GraphSubscriber
from penstock.listening import Listening
from penstock.reactors.components import Component
from penstock.reactors.domain import Domain
from penstock.reactors.live import LiveReactor
from penstock.reactors.reactor import Reactor
from penstock.runtime.store.store import Store
from penstock.runtime.supervise import Supervisor
from penstock.wiring import Wiring
from penstock.workflows.worker import Worker


class Running(Protocol):
    """A session."""

    #: What was declared, and is loaded now.
    wiring: Wiring
    #: By name.
    domains: dict[str, Domain]
    accumulators: dict[str, LiveAccumulator]
    reactors: dict[str, LiveReactor]
    #: The graphs that reactors call, by name.
    subscribers: dict[str, GraphSubscriber]
    store: Store
    supervisor: Supervisor
    worker: Worker
    listening: Listening

    def reactor(self, wanted: Reactor | str) -> LiveReactor:
        """Return a reactor by its definition or its name."""
        ...

    def domain_of(self, reactor: str) -> Domain:
        """Return the domain of a reactor."""
        ...

    def make_domain(self, component: Component) -> Domain:
        """Bring a component to life."""
        ...

    def make_subscriber(self, graph: ComputationGraph, domain: Domain) -> GraphSubscriber:
        """Compile a graph for the reactor that is to call it."""
        ...

    def add(self, domain: Domain) -> None:
        """Let the parts of a domain be found."""

    def remove(self, domain: Domain) -> None:
        """Let the parts of a domain be found no more."""
