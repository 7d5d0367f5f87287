"""The source text of a compiled graph.

Users' names appear as they are. Names that begin with an underscore are ours: ``_decide`` is the function of node
``decide``, ``__decide_is`` the variant that it gave, ``__Trade`` a class of the user's.
"""

import builtins
import keyword
from collections.abc import Iterable, Mapping, Sequence

from typing_extensions import override

from penstock.graphs.conditions import Conditions, flag_of, mark_of
from penstock.graphs.node import Argument
from penstock.graphs.plan import Edge, Plan, Step, parameters
from penstock.graphs.routes import ABSENT, ALWAYS, NO_VALUE, Guard
from penstock.graphs.sections import Section
from penstock.graphs.types import takes_none


class Script:
    """The finished text, equal to any other with the same text: it says nothing of the functions that it calls.

    Attributes:
        text: The source.
        owners: The node on whose behalf a line runs, by number; the first line is 1.
        variables: By node, the variable behind each parameter; ``decide.value`` for what a ``Route`` holds.
    """

    __slots__ = ("owners", "text", "variables")

    def __init__(self, text: str, owners: Mapping[int, str], variables: Mapping[str, Mapping[str, str]]) -> None:
        self.text: str = text
        self.owners: Mapping[int, str] = owners
        self.variables: Mapping[str, Mapping[str, str]] = variables

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Script) and self.text == other.text

    @override
    def __hash__(self) -> int:
        return hash(self.text)


class Source:
    """Text in the making.

    Attributes:
        lines: The text so far.
        owners: As in the script.
        variables: As in the script.
        functions: Global names that stand for the functions of nodes, with the node.
        starts: Global names that stand for what prepares the run that a node starts, with the node.
        emits: Global names that stand for what prepares the event that a node emits, with the node.
        constants: What other global names of the text stand for.
        local: Names that are ours and no constants.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.owners: dict[int, str] = {}
        self.variables: dict[str, dict[str, str]] = {}
        self.functions: dict[str, str] = {}
        self.starts: dict[str, str] = {}
        self.emits: dict[str, str] = {}
        self.constants: dict[str, object] = {}
        self.local: set[str] = set()

    @property
    def script(self) -> Script:
        """The whole text."""
        return Script("\n".join(self.lines) + "\n", self.owners, self.variables)

    def add(self, depth: int, line: str, owner: str | None = None) -> None:
        """Append a line."""
        self.lines.append("    " * depth + line)
        if owner is not None:
            self.owners[len(self.lines)] = owner

    def bind(self, wish: str, value: object) -> str:
        """Give a value a global name, another one if the name stands for something else."""
        name, number = wish, 1
        while name in self.local or self.constants.setdefault(name, value) is not value:
            number += 1
            name = f"{wish}_{number}"

        return name


def emit(plan: Plan) -> Source:
    """Return the source of a plan."""
    return _Emitter(plan).emit()


class _Emitter:
    """Writes one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.source = Source()
        self.variable = variables((*plan.inputs, *plan.steps))
        self.conditions = Conditions(plan, self.variable, self.source.bind)
        #: Inputs whose variable may hold the mark of absence.
        self.marked = {name for name in plan.inputs if self._is_marked(name)}
        #: Nodes of which it is noted whether they ran.
        self.flagged = self._asked() - plan.routers.keys()
        self.source.local = {mark(variable) for variable in self.variable.values() for mark in (flag_of, mark_of)}

    def _is_marked(self, name: str) -> bool:
        if self.plan.inputs[name].always:
            return False

        edges = [each for step in self.plan.steps.values() for each, _ in step.edges if each.source == name]
        loose = any(each.choice or each.optional for each in edges)
        return loose or name in self.plan.routers or any(each.absent is not None for each in edges)

    def _asked(self) -> frozenset[str]:
        guards = [
            guard for step in self.plan.steps.values() for guard in (step.guard, *(edge for _, edge in step.edges))
        ]
        return frozenset[str]().union(*(guard.nodes for guard in guards))

    def emit(self) -> Source:
        add = self.source.add
        add(0, f"{'async ' if self.plan.is_async else ''}def traverse(__inputs, __whole=True):")
        for name in self.plan.inputs:
            self._input(name)

        add(1, "try:")
        self._preset()
        for section in self.plan.sections:
            if section.is_inline:
                self._run(2, section.strands[0], section, ALWAYS)
            else:
                self._concurrently(section)

        self._return()
        add(1, "except Exception as __error:")
        add(2, "raise __blame(__error) from __error")
        return self.source

    # -- before the nodes ----------------------------------------------------------------------------------

    def _input(self, name: str) -> None:
        variable = self.variable[name]
        if self.plan.inputs[name].always:
            self.source.add(1, f"{variable} = __inputs[{name!r}]")
        elif name in self.marked:
            self.source.add(1, f"{variable} = __inputs.get({name!r}, __absent)")
        else:
            self.source.add(1, f"{variable} = __inputs.get({name!r})")

        if name in self.plan.routers:
            absent = f"{NO_VALUE!r} if {variable} is __absent else " if name in self.marked else ""
            self.source.add(1, f"{self.conditions.mark(name)} = {absent}{self.conditions.dispatch(name)}")

    def _preset(self) -> None:
        """Give names a value that are read although the line that sets them may not have run."""
        maybe = [
            self.conditions.mark(name)
            for name in self.plan.routers
            if name in self.plan.steps and self.plan.steps[name].guard != ALWAYS
        ]
        woven = [name for section in self.plan.sections if not section.is_inline for name in _names(section)]
        flags = [flag_of(self.variable[name]) for name in self.plan.steps if name in self.flagged]
        assigned = [name for node in woven for name in self._assigned(node)]
        maybe += [name for name in assigned if name not in maybe and name not in flags]
        if maybe:
            self.source.add(2, f"{' = '.join(maybe)} = None")

        if flags:  # they are asked whether they are False, not only whether they are false
            self.source.add(2, f"{' = '.join(flags)} = False")

        if self._has_effects():
            self.source.add(2, "__effects = []")

    def _assigned(self, node: str) -> list[str]:
        marks = [self.conditions.mark(node)] if node in self.plan.routers else []
        return [self.variable[node], *marks, *([flag_of(self.variable[node])] if node in self.flagged else [])]

    # -- nodes ---------------------------------------------------------------------------------------------

    def _run(self, depth: int, names: Sequence[str], section: Section, assumed: Guard) -> None:
        """Write nodes one after another; neighbours with one guard share its ``if``."""
        guard = assumed
        for name in names:
            step = self.plan.steps[name]
            for other in section.waits.get(name, ()):
                self.source.add(depth, f"await __{self.variable[other]}_done.wait()")
                guard = assumed

            if step.guard not in {guard, assumed}:
                self.source.add(depth, f"if {self.conditions.condition(step.guard)}:")

            guard = step.guard
            self._node(depth + (guard != assumed), step)
            if name in section.awaited:
                self.source.add(depth, f"__{self.variable[name]}_done.set()")
                guard = assumed

    def _node(self, depth: int, step: Step) -> None:
        node, variable = step.node, self.variable[step.node.name]
        function = f"_{variable}"  # variables are unique, and what else is bound begins with two underscores
        self.source.functions[function] = node.name
        self.source.variables[node.name] = {}
        arguments = ", ".join(self._parameter(depth, step, edges) for edges in parameters(step.edges))
        call = (
            f"{'await ' if node.is_async else ''}{function}({arguments}){f'  # {node.manner}' if node.manner else ''}"
        )
        self.source.add(depth, f"{variable} = {call}", node.name)
        if node.name in self.plan.routers:
            self.source.add(
                depth, f"{self.conditions.mark(node.name)} = {self.conditions.dispatch(node.name)}", node.name
            )

        if node.name in self.flagged:
            self.source.add(depth, f"{flag_of(variable)} = True")

        if node.starts is not None:
            self._start(depth, step)

        if node.emits is not None:
            self._emit(depth, step)

    def _start(self, depth: int, step: Step) -> None:
        name, variable = step.node.name, self.variable[step.node.name]
        if takes_none(step.node.returns) and step.node.returns not in {None, type(None)}:
            self.source.add(depth, f"if {variable} is not None:")
            depth += 1

        self.source.starts[f"__start_{variable}"] = name
        self.source.add(depth, f"__effects.append(__effect({name!r}, __start_{variable}({variable})))", name)

    def _emit(self, depth: int, step: Step) -> None:
        name, variable = step.node.name, self.variable[step.node.name]
        self.source.emits[f"__emit_{variable}"] = name
        self.source.add(depth, f"if {variable} is not None:")
        self.source.add(depth + 1, f"__effects.append(__effect({name!r}, __emit_{variable}({variable})))", name)

    def _has_effects(self) -> bool:
        return any(step.node.starts or step.node.emits for step in self.plan.steps.values())

    def _parameter(self, depth: int, step: Step, edges: Sequence[Edge]) -> str:
        """Return what is passed for a parameter; what has to be chosen is chosen in a line before."""
        first = edges[0][0]
        if first.choice or first.optional:
            variable = f"__{self.variable[step.node.name]}_takes_{first.parameter}"
            self.source.add(depth, f"{variable} = {self._choice(step, edges)}", step.node.name)
            self.source.variables[step.node.name][first.parameter] = variable
            value = variable
        else:
            value = self._value(first)
            self.source.variables[step.node.name][first.parameter] = value
            value = self._or_fallback(step, first, value)

        if self.plan.copies:
            value = f"__copy({value})"

        return f"{first.parameter}={value}" if first.by_keyword else f"({value})" if " if " in value else value

    def _value(self, argument: Argument) -> str:
        variable = self.variable[argument.source]
        return variable if argument.variant is None else f"{variable}.value"

    def _or_fallback(self, step: Step, argument: Argument, value: str) -> str:
        if argument.source not in self.marked or _ensures(step.guard, argument.source):
            return value

        return f"{self._fallback(step, argument)} if {value} is __absent else {value}"

    def _fallback(self, step: Step, argument: Argument) -> str:
        if argument.absent is None:
            return "None"

        return self.source.bind(f"__{self.variable[step.node.name]}_{argument.parameter}", argument.absent)

    def _choice(self, step: Step, edges: Sequence[Edge]) -> str:
        """Return the first of several values that is there, as an expression."""
        last, _ = edges[-1]
        parts: list[str] = []
        for argument, edge in edges:
            condition = "" if argument is last and not last.optional else self.conditions.condition(edge, step.guard)
            parts.append(f"{self._value(argument)} if {condition} else" if condition else self._value(argument))
            if not condition:
                return " ".join(parts)

        return " ".join([*parts, self._fallback(step, last)])

    # -- concurrency ---------------------------------------------------------------------------------------

    def _concurrently(self, section: Section) -> None:
        for name in _names(section):
            if name in section.awaited:
                self.source.add(2, f"__{self.variable[name]}_done = __Event()")

        calls: list[str] = []
        for number, strand in enumerate(section.strands, 1):
            assumed = self._common_guard(strand, section)
            self.source.add(2, f"async def __strand_{number}():")
            self.source.add(3, f"nonlocal {', '.join(name for node in strand for name in self._assigned(node))}")
            self._run(3, strand, section, assumed)
            condition = "" if assumed == ALWAYS else f"{self.conditions.condition(assumed)} and "
            calls.append(f"{condition}__strand_{number}()")

        self.source.add(2, f"await __together({', '.join(calls)})")

    def _common_guard(self, strand: Sequence[str], section: Section) -> Guard:
        """Return a guard without which a strand is not started: shared by its nodes, known before the section."""
        first = self.plan.steps[strand[0]].guard
        inside = set(_names(section))
        known = first.nodes.isdisjoint(inside)
        shared = all(self.plan.steps[name].guard & first == self.plan.steps[name].guard for name in strand)
        awaited = any(name in section.awaited for name in strand)
        return first if known and shared and not awaited else ALWAYS

    # -- the end -------------------------------------------------------------------------------------------

    def _return(self) -> None:
        effects = "__effects" if self._has_effects() else "()"
        if self.plan.ways_part:
            self.source.add(2, f"__way = __ways[{self._facts()}]")

        self.source.add(2, "__way.count += 1")
        self.source.add(2, f"if not __whole: return {effects}")
        if all(guard == ALWAYS for guard in self.plan.outputs.values()):
            outputs = f"{{{', '.join(f'{name!r}: {self.variable[name]}' for name in self.plan.outputs)}}}"
        else:
            outputs = "__outputs"
            self.source.add(2, "__outputs = {}")
            self._outputs()

        self.source.add(2, f"return __result({outputs}, {effects}, __way.path)")

    def _outputs(self) -> None:
        previous = ALWAYS
        for name, guard in self.plan.outputs.items():
            if guard not in {ALWAYS, previous}:
                self.source.add(2, f"if {self.conditions.condition(guard)}:")

            previous = guard
            self.source.add(2 + (guard != ALWAYS), f"__outputs[{name!r}] = {self.variable[name]}")

    def _facts(self) -> str:
        """Return what tells the ways of a traversal apart."""
        facts = [f"{self.variable[name]} is not __absent" for name in self.plan.gates]
        facts += [self.conditions.mark(name) for name in self.plan.routers]
        return ", ".join(facts)


def variables(names: Iterable[str]) -> Mapping[str, str]:
    """Return a variable for each name: the name itself, unless it is taken, ours, or no name in Python."""
    found: dict[str, str] = {}
    taken = set(names)
    for name in names:
        variable = name
        if name.startswith("_") or not name.isidentifier() or keyword.iskeyword(name) or hasattr(builtins, name):
            variable = "v" + "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
            while variable in taken:
                variable += "_"

            taken.add(variable)

        found[name] = variable

    return found


def _names(section: Section) -> list[str]:
    return [name for strand in section.strands for name in strand]


def _ensures(guard: Guard, name: str) -> bool:
    """Tell whether an input is there when the guard holds."""
    return name in guard.present or any(source == name and ABSENT not in accepted for source, accepted in guard.routes)
