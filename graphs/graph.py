"""A computation graph: functions joined by the names of their parameters, checked as a whole, compiled once.

A graph holds no run-time state: one definition may serve several apps, and a traversal leaves nothing behind in it.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Self, TypeVar

from typing_extensions import override

from penstock.graphs.checks import notes
from penstock.graphs.compile import Compiled, Template, template_of
from penstock.graphs.declarations import Declarations
from penstock.graphs.draw import Counting, Form, draw
from penstock.graphs.emitting import emission_problems
from penstock.graphs.explain import explain
from penstock.graphs.inputs import Declared, Edge
from penstock.graphs.node import NodeFunction
from penstock.graphs.plan import Plan, check
from penstock.graphs.result import GraphResult
from penstock.graphs.templates import TEMPLATES
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import DefinitionError, GraphError, InvariantError
from penstock.runtime.executors import Executors, alone

F = TypeVar("F", bound=NodeFunction)


class ComputationGraph(Declarations):
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
        self._template: Template | None = None
        self._plan: Plan | None = None
        self._compiled: Compiled | None = None
        self._edge: Edge | None = None
        super().__init__(name, reactor=reactor, inputs=inputs, copy_inputs=copy_inputs, commit_snapshot=commit_snapshot)

    @override
    def _changed(self) -> None:
        self._template = self._plan = self._compiled = None

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

    # -- looking -------------------------------------------------------------------------------------------

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
