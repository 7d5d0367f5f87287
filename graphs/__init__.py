"""The third layer: firings come in, graph results go out.

A node is a function; its parameters' names are its edges and their types are its contract. A ``ComputationGraph``
collects nodes, is checked as a whole (every problem at once, each with its fix), and compiles to straight-line Python.
A node that returns a union routes: consumers run only for the members they accept. Nothing is kept between two
traversals.
"""

from penstock.graphs.graph import ComputationGraph as ComputationGraph
from penstock.graphs.result import (
    FiringResult as FiringResult,
    GraphResult as GraphResult,
    NodeEffect as NodeEffect,
    Path as Path,
)
from penstock.graphs.routes import Route as Route
from penstock.graphs.sources import From as From, first_of as first_of, optional as optional, route as route
from penstock.graphs.subscriber import GraphSubscriber as GraphSubscriber

__all__ = [
    "ComputationGraph",
    "FiringResult",
    "From",
    "GraphResult",
    "GraphSubscriber",
    "NodeEffect",
    "Path",
    "Route",
    "first_of",
    "optional",
    "route",
]
