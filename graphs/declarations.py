"""The declarations of a graph: nodes come in by decorators or as data, mistakes are kept until somebody checks."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self, TypeVar, cast, overload

from typing_extensions import override

from penstock.graphs.blueprint import Blueprint
from penstock.graphs.data import read, written
from penstock.graphs.inputs import Declared, declared_inputs
from penstock.graphs.node import NOTHING, Declaration, Input, NodeFunction, captured, name_of, place
from penstock.graphs.sources import Wish, wish_of
from penstock.graphs.topology import Topology
from penstock.reactors.reactor import Reactor
from penstock.runtime import durations
from penstock.runtime.durations import Duration
from penstock.runtime.effects import Emittable, Startable
from penstock.runtime.errors import DefinitionError
from penstock.runtime.executors import Executor
from penstock.runtime.texts import name_problem

F = TypeVar("F", bound=NodeFunction)


class Declarations:
    """What a graph is made of."""

    def __init__(
        self,
        name: str,
        *,
        reactor: Reactor | None = None,
        inputs: Declared | None = None,
        copy_inputs: bool = False,
        commit_snapshot: bool = False,
    ) -> None:
        self.name = name
        self.reactor = reactor
        self.copy_inputs = copy_inputs
        self.commit_snapshot = commit_snapshot
        self._given: Reactor | Mapping[str, Input] = {}
        self._problems: list[str] = []
        self._declarations: dict[str, Declaration] = {}
        self._declare_inputs(reactor, inputs)

    def _declare_inputs(self, reactor: object, inputs: Declared | None) -> None:
        where = f"graph {self.name!r}"
        if not self.name:
            self._problems.append("a graph has an empty name: it is what errors, metrics and the store call it")
        elif wrong_name := name_problem(self.name):
            self._problems.append(f"graph: {wrong_name}")

        if (reactor is None) == (inputs is None):
            both = "not both" if inputs is not None else "a graph takes its inputs from one of them"
            self._problems.append(f"{where}: give reactor=… or inputs=…, {both}")
        elif isinstance(reactor, Reactor):
            self._given = reactor
        elif reactor is not None:
            self._problems.append(f"{where}: reactor={reactor!r} is not a Reactor: give the Reactor itself")
        elif inputs is not None:
            try:
                self._given = declared_inputs(inputs)
            except DefinitionError as error:
                self._problems += [f"{where}: {problem}" for problem in error.problems]

    @override
    def __repr__(self) -> str:
        return f"<graph {self.name!r} of {', '.join(self._declarations) or 'no nodes'}>"

    @classmethod
    def from_topology(
        cls,
        data: Mapping[str, object] | str | bytes,
        *,
        functions: Mapping[str, NodeFunction],
        reactor: Reactor | None = None,
        inputs: Declared | None = None,
        parts: Mapping[str, object] = NOTHING,
    ) -> Self:
        """Build a graph from data: a mapping or JSON text with its name and its nodes.

        Args:
            data: As ``topology`` returns it. A node is a mapping with the keys ``function`` (its own name by default),
                ``inputs``, ``terminals``, ``starts``, ``emits``, ``executor`` and ``timeout``, all of which may be left
                out. A source is a name, ``{"from": node, "types": […]}``, ``{"route": node, "variant": …}``,
                ``{"first_of": […]}`` or ``{"optional": source, "default": …}``.
            functions: The functions by name; each must be used.
            reactor: Whose firings run it.
            inputs: The declared inputs of a graph without reactor, where data cannot name their types.
            parts: The workflows and accumulators that nodes name; those of the reactor are known.

        Whatever is wrong is reported by ``check``, together with all else.

        Raises:
            DefinitionError: The data are no JSON, or no mapping.
        """
        found = read(data, functions=functions, reactor=reactor, inputs=inputs, parts=parts)
        graph = cls(found.name, **cast("dict[str, Any]", found.options))  # checked like what users write
        graph._problems += found.problems
        for node in found.nodes:
            graph.node(name=node.name, **cast("dict[str, Any]", node.options))(node.fn)

        return graph

    def topology(self) -> dict[str, object]:
        """Return the graph as data, from which ``from_topology`` builds it again, given functions and types."""
        options = {"copy_inputs": self.copy_inputs, "commit_snapshot": self.commit_snapshot}
        return written(self._topology, reactor=self.reactor.name if self.reactor else "", options=options)

    @property
    def functions(self) -> Mapping[str, NodeFunction]:
        """The functions of the nodes, by node."""
        return {name: declaration.fn for name, declaration in self._declarations.items()}

    # -- declaring -----------------------------------------------------------------------------------------

    @overload
    def node(self, fn: F, /) -> F: ...

    @overload
    def node(
        self,
        /,
        *,
        name: str | None = None,
        inputs: Mapping[str, object] | None = None,
        starts: Startable | None = None,
        emits: Emittable | None = None,
        terminals: Sequence[object] = (),
        executor: Executor | None = None,
        timeout: Duration | None = None,
    ) -> Callable[[F], F]: ...

    def node(
        self,
        fn: F | None = None,
        /,
        *,
        name: str | None = None,
        inputs: Mapping[str, object] | None = None,
        starts: Startable | None = None,
        emits: Emittable | None = None,
        terminals: Sequence[object] = (),
        executor: Executor | None = None,
        timeout: Duration | None = None,
    ) -> F | Callable[[F], F]:
        """Make a function a node of this graph, and return it unchanged.

        Nothing is raised here: ``check`` reports whatever is wrong.

        Args:
            fn: ``def`` (runs in-line: pure and short) or ``async def``.
            name: Under which other nodes name it; its own name by default.
            inputs: By parameter, what it takes, where it is not called like the parameter: a node's function, an
                accumulator, a name, ``route(…)``, ``first_of(…)`` or ``optional(…)``.
            starts: The workflow of which the value starts a run. The node is the end of its path. When its union names
                ``None``, that starts nothing.
            emits: The accumulator that takes the value as an event, with the success of the firing; None writes
                nothing. Reactors that join it fire afterwards, but not the graph's own (see ``state_accumulator``).
            terminals: Variants of a router's union at which the path ends: they are outputs. ``(None,)`` for None,
                ``("wait",)`` for that variant of a ``Route``.
            executor: Where a ``def`` runs that must not run on the loop: ``"thread"`` when it blocks, ``"process"``
                when it computes (it has to be importable, and what it takes and gives to be picklable).
            timeout: How long it may take, in seconds or as text such as ``"5s"``; then the node has failed. A function
                in a thread cannot be stopped: it keeps its thread. One in a process is killed.
        """
        length = None if timeout is None else self._seconds(timeout)

        def declare(function: F, frames: int = 2) -> F:
            self._declare(
                Declaration(
                    name=self._called(function, name),
                    fn=function,
                    wishes=self._wishes(inputs) if inputs else NOTHING,
                    starts=starts,
                    emits=emits,
                    executor=executor,
                    timeout=length,
                    terminals=tuple(terminals),
                    localns=captured(function, frames),
                )
            )
            return function

        return declare if fn is None else declare(fn, 3)

    def _called(self, function: NodeFunction, name: object) -> str:
        if name and not isinstance(name, str):
            self._problems.append(f"graph {self.name!r}, node {name_of(function)!r}: name={name!r} is no text")
            return name_of(function)

        return str(name or name_of(function))

    def _declare(self, declaration: Declaration) -> None:
        other = self._declarations.get(declaration.name)
        if other is not None and not declaration.replaces(other):
            places = f"{place(other.fn)} and {place(declaration.fn)}"
            self._problems.append(
                f"graph {self.name!r}: two nodes are called {declaration.name!r} ({places}): rename one of them, or"
                f" write name='...'"
            )
        else:
            self._declarations[declaration.name] = declaration
            self._changed()

    def _seconds(self, timeout: Duration) -> float | None:
        try:
            return durations.seconds(timeout, name=f"graph {self.name!r}: timeout=")
        except DefinitionError as error:
            self._problems += error.problems
            return None

    def _wishes(self, inputs: Mapping[str, object]) -> Mapping[str, Wish]:
        """Return what parameters take, by name: graphs of one likeness differ in their functions alone."""
        return {
            parameter: wish_of(source).named(partial(self._name_of, parameter)) for parameter, source in inputs.items()
        }

    def _name_of(self, parameter: str, source: object) -> str:
        name = self._blueprint.name_of(source)
        if name is None:
            self._problems.append(
                f"graph {self.name!r}: inputs= gives {source!r} for {parameter!r}, which is no node of this graph (yet)"
                f" and no input: declare that node before this one"
            )

        return parameter if name is None else name

    def _changed(self) -> None:
        """Forget what was made of the declarations; said again when there is one more."""

    # -- what was declared --------------------------------------------------------------------------------------

    @property
    def input_types(self) -> Mapping[str, object]:
        """The type of each input, by name."""
        return {name: given.type for name, given in self.inputs.items()}

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The inputs by name: type, whether a value is always there, default."""
        return self._blueprint.inputs

    @property
    def terminals(self) -> Mapping[str, object]:
        """The type of each output, by terminal node, as declared; that of a router's end holds only those variants."""
        return self._blueprint.terminals()

    @property
    def starts(self) -> Mapping[str, Startable]:
        """The workflows that nodes start, by node."""
        return {name: node.starts for name, node in self._declarations.items() if node.starts is not None}

    @property
    def emits(self) -> Mapping[str, Emittable]:
        """The accumulators that nodes write, by node."""
        return {name: node.emits for name, node in self._declarations.items() if node.emits is not None}

    @property
    def _blueprint(self) -> Blueprint:
        return Blueprint(self.name, self._given, tuple(self._declarations.values()), self.copy_inputs)

    @property
    def _topology(self) -> Topology:
        return self._blueprint.read()[0]
