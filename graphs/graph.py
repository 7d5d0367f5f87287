"""A computation graph: functions joined by the names of their parameters, checked as a whole, compiled once.

A graph holds no run-time state: one definition may serve several apps, and a traversal leaves nothing behind in it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar, cast, overload

from typing_extensions import override

from penstock.graphs.blueprint import Blueprint
from penstock.graphs.checks import notes
from penstock.graphs.compile import Compiled, Template, template_of
from penstock.graphs.data import read, written
from penstock.graphs.draw import Counting, Form, draw
from penstock.graphs.emitting import emission_problems
from penstock.graphs.explain import explain
from penstock.graphs.inputs import Declared, Edge, declared_inputs
from penstock.graphs.node import NOTHING, Declaration, Input, NodeFunction, captured, name_of, place
from penstock.graphs.plan import Plan, check
from penstock.graphs.result import GraphResult
from penstock.graphs.sources import Wish, wish_of
from penstock.graphs.templates import TEMPLATES
from penstock.graphs.topology import Topology
from penstock.reactors.reactor import Reactor
from penstock.runtime import durations
from penstock.runtime.durations import Duration
from penstock.runtime.effects import Emittable, Startable
from penstock.runtime.errors import DefinitionError, GraphError, InvariantError
from penstock.runtime.executors import Executor, Executors, alone
from penstock.runtime.texts import name_problem

F = TypeVar("F", bound=NodeFunction)


class ComputationGraph:
    """A graph of functions that runs as a whole: when its reactor fires, when a task invokes it, or by hand.

    Args:
        name: Unique among the graphs of an app.
        reactor: Whose firings run it. Its inputs are the reactor's accumulators; each may be absent.
        inputs: The declared inputs of a graph without reactor: a struct, dataclass or TypedDict class, or types by
            name. All are required but those with a default, with ``NotRequired``, or (types by name) with ``| None``.
        copy_inputs: Give each node deep copies of what it takes: it may change them, and nobody else sees it.
        commit_snapshot: Commit the inputs of a firing before the graph runs: a run that the process did not survive is
            repeated with the same firing id and the same inputs. For outside systems that tell repeats by the id; it
            costs a commit for each firing.

    A node's parameters name its inputs: inputs of the graph, or other nodes. The types are checked where both ends have
    one: a parameter without annotation accepts every variant, and what a node without one returns fits every parameter.
    Values are passed by reference and must not be changed, unless ``copy_inputs`` is on. Returned values are not looked
    at, except for those of routers.

    A node that returns a union is a router when a consumer accepts only some of its members: then each member must be
    consumed or end in ``terminals=``. Nodes of a branch that is not taken are *skipped*, and so is all that needs them.
    A parameter with ``| None`` or a default can do without an *absent* input; without that the node is *not ready*, and
    neither is what needs it: a node that did not run never stands as None. None itself is a value, and a variant.
    """

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
        self._template: Template | None = None
        self._plan: Plan | None = None
        self._compiled: Compiled | None = None
        self._edge: Edge | None = None
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

    def __enter__(self) -> Self:
        """Declare nodes in a block, at the end of which the graph is checked."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Check the graph, unless the block raised.

        Raises:
            DefinitionError: The graph has problems.
        """
        if error is None and (problems := self.check()):
            raise DefinitionError(*problems)

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
                    name=name or name_of(function),
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
            self._template = self._plan = self._compiled = None

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

    # -- checking ------------------------------------------------------------------------------------------

    def check(self) -> list[str]:
        """Return all problems, each naming graph and node and saying what to write instead; nothing runs."""
        return [*self._examine(), *self._edge_problems()]

    def _edge_problems(self) -> list[str]:
        """Return which declared inputs have a type of which no values can be made."""
        try:
            self._made_edge()
        except DefinitionError as error:
            return [f"graph {self.name!r}: {problem}" for problem in error.problems]

        return []

    def notes(self) -> list[str]:
        """Return what is legal but perhaps not meant, such as inputs that no node takes."""
        return list(notes(self._topology))

    def _examine(self) -> list[str]:
        """Check and plan; a plan is kept until it is compiled, or a node is declared."""
        blueprint = self._blueprint
        if self._plan is None and self._template is None and not self._problems:
            self._template = TEMPLATES.find(blueprint)

        if self._plan is not None or self._template is not None:
            return []

        topology, problems = blueprint.read()
        checked = check(topology)
        problems = [*self._problems, *problems, *checked.problems]
        for node in topology.nodes.values():
            problems += emission_problems(self.name, self.reactor, node)

        self._plan = None if problems else checked.plan
        return problems

    @property
    def _blueprint(self) -> Blueprint:
        return Blueprint(self.name, self._given, tuple(self._declarations.values()), self.copy_inputs)

    @property
    def _topology(self) -> Topology:
        return self._blueprint.read()[0]

    # -- looking -------------------------------------------------------------------------------------------

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
    def is_async(self) -> bool:
        """Whether a node is ``async def``."""
        return self.compiled.is_async

    def draw(self, form: Form = "mermaid", *, app: Counting | None = None) -> str:
        """Return a picture of the graph as text; also of one that has problems.

        Args:
            form: ``"mermaid"``, or ``"svg"`` for a document that also stands inside HTML.
            app: A running app, which says how often each node ran, was skipped, was not ready, and failed.
        """
        return draw(self._topology, form, app)

    def _repr_svg_(self) -> str:
        """Show the graph in a notebook."""
        return self.draw("svg")

    def explain(self, *, source: bool = False) -> str:
        """Return in words what runs when, in which order, and why a node is skipped.

        Args:
            source: Return the source of the compiled graph as well.

        Raises:
            DefinitionError: The graph has problems.
        """
        compiled = self.compiled
        text = explain(self._topology, self._blueprint.plan())
        return f"{text}\n{compiled.text}" if source else text

    # -- running -------------------------------------------------------------------------------------------

    @property
    def compiled(self) -> Compiled:
        """The graph as a function; made at first use.

        Raises:
            DefinitionError: The graph has problems.
        """
        if self._compiled is None:
            self._compiled = self.compile()

        return self._compiled

    def compile(self, executors: Executors | None = None) -> Compiled:
        """Return the graph as a function that belongs to the caller, who may count what it does.

        Args:
            executors: Where nodes run that do not run on the loop.

        Raises:
            DefinitionError: The graph has problems.
        """
        problems = self._examine()
        if problems:
            raise DefinitionError(*problems)

        return self._compile(executors)

    def _compile(self, executors: Executors | None) -> Compiled:
        """Compile what was planned, unless a graph just like this one was compiled before."""
        blueprint = self._blueprint
        if self._plan is not None:
            self._template = template_of(self._plan)
            TEMPLATES.keep(blueprint, self._template)
            self._plan = None

        if self._template is None:
            raise InvariantError(f"graph {self.name!r} has neither problems nor a plan")

        return Compiled(blueprint, self._template, executors)

    async def run(self, /, **inputs: object) -> GraphResult:
        """Run the graph once, alone. Effects are returned, not carried out.

        Args:
            inputs: By name. Values that do not have the declared type are converted (a mapping to a struct, say).
                Those of a reactor's inputs that are left out, or None, are absent.

        Raises:
            DefinitionError: The graph has problems.
            DecodeError: An input does not fit, is missing, or is none of the graph's.
            NodeFailed: A node raised; its exception is chained.
            NodeTimedOut: A node took longer than its ``timeout=``.
        """
        return await self.traverse(inputs)

    async def traverse(self, inputs: Mapping[str, object], executors: Executors | None = None) -> GraphResult:
        """Run the graph once, as ``run`` does, for a caller who has executors.

        Args:
            inputs: By name.
            executors: Where nodes run that do not run on the loop; some of its own when there are none.
        """
        compiled = self.compiled
        values = self._convert(inputs)
        if not compiled.is_async:
            return compiled.call(values)

        if not compiled.leaves:
            return await compiled.acall(values)

        if executors is not None:
            return await self.compile(executors).acall(values)

        async with alone() as own:
            return await self.compile(own).acall(values)

    def run_sync(self, /, **inputs: object) -> GraphResult:
        """Run a graph whose nodes are all ``def``, as ``run`` does.

        Raises:
            GraphError: A node is ``async def``.
        """
        compiled = self.compiled
        if compiled.is_async:
            waiting = ", ".join(name for name, node in self._topology.nodes.items() if node.is_async)
            call = f"{self.name}.run(...)"
            raise GraphError(
                f"graph {self.name!r} cannot run synchronously, since {waiting} waits: write `await {call}`, or"
                f" `asyncio.run({call})` where no event loop runs"
            )

        return compiled.call(self._convert(inputs))

    def _convert(self, inputs: Mapping[str, object]) -> Mapping[str, object]:
        return self._made_edge().convert(inputs)

    def _made_edge(self) -> Edge:
        """Return the edge, made when it is needed first: a graph that only ever sees firings needs none."""
        if self._edge is None:
            self._edge = Edge(self.name, self.inputs, none_is_absent=self.reactor is not None)

        return self._edge
