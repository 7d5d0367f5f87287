"""The rules of joining contexts, written down as plainly as possible: whole trees, sets, and no regard to cost."""

from dataclasses import dataclass, field, replace

from penstock.workflows.merging import Conflict
from penstock.workflows.values import is_list, is_mapping, same

GONE = object()
MAPPING = object()
INPUT = -1
Tail = tuple[int, tuple[object, ...]]


@dataclass(frozen=True)
class View:
    """What stands at a path, by whom, and who is known to have written there or below."""

    by: frozenset[int] = frozenset()
    known: frozenset[int] = frozenset()
    value: object = GONE
    origin: frozenset[int] = frozenset()
    tails: tuple[Tail, ...] = ()
    inner: "dict[str, View]" = field(default_factory=dict[str, "View"])


NOTHING = View()


def plain(view: View) -> object:
    if view.value is MAPPING:
        return {key: plain(inner) for key, inner in view.inner.items() if inner.value is not GONE}

    if is_list(view.value):
        return [*view.value, *(item for _, tail in view.tails for item in tail)]

    return view.value


def _new(value: object, task: int) -> View:
    by = frozenset({task})
    if is_mapping(value):
        return View(by, by, MAPPING, inner={k: _new(v, task) for k, v in value.items()})

    return View(by, by, value, origin=by)


def _clear(view: View, task: int) -> View:
    if view.value is GONE:
        return view

    inner = {key: _clear(each, task) for key, each in view.inner.items()}
    return View(frozenset({task}), view.known | {task}, inner=inner)


def _put(view: View, value: object, task: int) -> View:
    inner = {key: _clear(each, task) for key, each in view.inner.items()}
    by, known = frozenset({task}), view.known | {task}
    if is_mapping(value):
        inner |= {key: _put(inner.get(key, NOTHING), each, task) for key, each in value.items()}
        return View(by, known, MAPPING, inner=inner)

    return View(by, known, value, origin=by, inner=inner)


def left(view: View, new: object, task: int) -> View:
    """Return what a task left of what it got."""
    old = plain(view)
    if same(old, new):
        return view

    if is_mapping(old) and is_mapping(new):
        inner = dict(view.inner)
        for key, each in view.inner.items():
            if key not in new:
                inner[key] = _clear(each, task)

        for key, value in new.items():
            inner[key] = left(inner.get(key, NOTHING), value, task)

        return replace(view, by=view.by | {task}, known=view.known | {task}, inner=inner)

    if is_list(old) and is_list(new) and len(new) > len(old) and same(old, new[: len(old)]):
        tails = (*view.tails, (task, tuple(new[len(old) :])))
        return replace(view, by=view.by | {task}, known=view.known | {task}, tails=tails)

    return _put(view, new, task)


def joined(views: list[View], base: dict[str, object]) -> tuple[View, list[Conflict]]:
    """Return what several contexts come to, and the conflicts; none are the run's input."""
    conflicts = list[Conflict]()
    view = _join(views, (), conflicts) if views else _new(base, INPUT)
    return view, sorted(conflicts)


def _join(views: list[View], path: tuple[str, ...], conflicts: list[Conflict]) -> View:
    newest = [view for view in views if not any(view.known < other.known for other in views)]
    overruled = frozenset[int]().union(*(view.known - view.by for view in newest))
    standing = [view for view in newest if view.by - overruled]
    if not standing:
        standing, overruled = newest, frozenset[int]()

    rivals = [view for view in standing if view.value is not GONE] or standing
    top = max(rivals, key=lambda view: sorted(view.by - overruled, reverse=True))
    winners = [view for view in rivals if view is top or _agree(view, top)]
    last = {max(view.by - overruled, default=INPUT) for view in rivals} - {INPUT}
    if len(winners) < len(rivals) and len(last) > 1:
        conflicts.append(Conflict(path=path, tasks=tuple(sorted(last))))

    if top.value is MAPPING:
        winners = [view for view in newest if view.value is MAPPING]
        by_key = {
            key: [view.inner[key] for view in winners if key in view.inner] for view in winners for key in view.inner
        }
        inner = {key: _join(each, (*path, key), conflicts) for key, each in by_key.items()}
        by = frozenset[int]().union(*(view.by - overruled for view in winners), *(each.by for each in inner.values()))
        result = replace(top, by=by, inner=inner)
        return _learned(
            result,
            [view for view in newest if view.value is not MAPPING] + [replace(view, inner={}) for view in winners],
            by,
        )

    alike = [view for view in winners if view.origin & top.origin] if is_list(top.value) else [top]
    lost = frozenset[int]().union(*(view.known - view.origin - {by for by, _ in view.tails} for view in alike))
    tails = {by: items for view in alike for by, items in view.tails if by not in lost}
    by = frozenset[int]().union(*(view.by - overruled for view in winners))
    origin = frozenset[int]().union(*(view.origin for view in alike))
    return _learned(replace(top, by=by, origin=origin, tails=tuple(sorted(tails.items()))), newest, by)


def _agree(view: View, top: View) -> bool:
    if view.value is MAPPING or top.value is MAPPING:
        return view.value is top.value

    return bool(view.origin & top.origin and view.tails + top.tails) or same(plain(view), plain(top))


def _learned(view: View, others: list[View], winner: frozenset[int]) -> View:
    """Return a view that knows whatever others know; what they have and it has not is gone here."""
    inner = dict(view.inner)
    for other in others:
        for key, lost in other.inner.items():
            own = inner.get(key, NOTHING)
            if not lost.known <= own.known:
                inner[key] = _learned(own, [lost], winner)

    known = view.known.union(*(other.known for other in others), winner if view.value is GONE else ())
    return replace(view, known=known, inner=inner)
