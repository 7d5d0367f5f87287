"""Conditions and marks in the text of a compiled graph: which variant a value is, and whether a node runs."""

from collections.abc import Callable, Iterable, Mapping

from penstock.graphs.plan import Plan
from penstock.graphs.routes import ABSENT, ALWAYS, NO_VALUE, Guard, Route, Variant


class Conditions:
    """Writes the guards of one plan as expressions.

    Args:
        plan: The plan.
        variable: The variable of each input and node.
        bind: Gives a value a global name, such as the wished one.
    """

    def __init__(self, plan: Plan, variable: Mapping[str, str], bind: Callable[[str, object], str]) -> None:
        self._plan, self._variable, self._bind = plan, variable, bind

    def mark(self, router: str) -> str:
        """Return the name of what tells which variant a router gave."""
        return mark_of(self._variable[router])

    def _labels(self, router: str, accepted: Iterable[int]) -> list[str]:
        variants = self._plan.routers[router]
        return [NO_VALUE if index == ABSENT else variants[index].label for index in sorted(accepted)]

    def dispatch(self, router: str) -> str:
        """Return what tells the variant of a router's value by looking at it, as an expression."""
        value, variants = self._variable[router], self._plan.routers[router]
        wrong = f"else __wrong({router!r}, {value})"
        if all(variant.route == variant.label for variant in variants):
            names = (*(variant.label for variant in variants),)
            return f"{value}.variant if {self._is_route(value)} and {value}.variant in {names!r} {wrong}"

        tests = [f"{variant.label!r} if {self._is_variant(value, variant)}" for variant in variants]
        return f"{' else '.join(tests)} {wrong}"

    def _is_route(self, value: str) -> str:
        return f"isinstance({value}, {self._bind('__Route', Route)})"

    def _is_variant(self, value: str, variant: Variant) -> str:
        if variant.route is not None:
            return f"{self._is_route(value)} and {value}.variant == {variant.route!r}"

        if variant.classes == (type(None),):
            return f"{value} is None"

        names = [self._bind(f"__{cls.__name__}", cls) for cls in variant.classes]
        return f"isinstance({value}, {names[0]})" if len(names) == 1 else f"isinstance({value}, ({', '.join(names)}))"

    def condition(self, guard: Guard, known: Guard = ALWAYS) -> str:
        """Return a guard as an expression, without what is known, and what its own nodes' guards ensure."""
        steps = self._plan.steps
        ensured = [
            known,
            *(steps[name].guard for name in (guard & known).nodes if name in steps and _needs(guard & known, name)),
        ]
        present = {name for name in guard.present if not any(name in other.present for other in ensured)}
        routes = {
            router: accepted
            for router, accepted in guard.routes
            if not any((router, accepted) in other.routes for other in ensured)
        }
        ran = {
            name
            for name in guard.ran
            if not any(_needs(other, name) for other in (Guard(routes=guard.routes), *ensured))
        }
        parts = [f"{self._variable[name]} is not __absent" for name in self._plan.inputs if name in present]
        parts += [self._is_one_of(name, routes[name]) for name in self._plan.routers if name in routes]
        parts += [self._ran(name) for name in steps if name in ran]
        for group in guard.groups:
            if not any(group in other.groups for other in ensured):
                parts.append(f"({' or '.join(map(self.condition, group))})")

        return " and ".join(parts)

    def _ran(self, name: str) -> str:
        """Return whether a node ran, as an expression."""
        return f"{self.mark(name)} is not None" if name in self._plan.routers else flag_of(self._variable[name])

    def _is_one_of(self, router: str, accepted: frozenset[int]) -> str:
        labels = self._labels(router, accepted)
        return f"{self.mark(router)} == {labels[0]!r}" if len(labels) == 1 else f"{self.mark(router)} in {(*labels,)!r}"


def mark_of(variable: str) -> str:
    """Return the name of what tells which variant a value is."""
    return f"__{variable}_is"


def flag_of(variable: str) -> str:
    """Return the name of what tells whether a node ran."""
    return f"__{variable}_ran"


def _needs(guard: Guard, name: str) -> bool:
    """Tell whether a node ran when the guard holds."""
    return name in guard.ran or any(source == name for source, _ in guard.routes)
