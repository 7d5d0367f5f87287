"""What a task changed in its context. Pure.

A delta is stored as JSON of this shape; empty parts are left out:

    {"changed":  {key: value},    keys that are new or hold another value
     "deleted":  [key],           keys that are gone
     "appended": {key: [item]},   lists that only grew at their end: the new tail
     "within":   {key: delta}}    mappings that were and are mappings: what changed inside

A context is the run's input plus the delta of every ancestor, each exactly once; ``merging.py`` says what becomes of
tasks that are not ordered and wrote the same path.
"""

from collections.abc import Mapping
from typing import cast

import msgspec

from penstock.workflows.values import PLAIN, is_list, is_mapping, json_key, json_value, same, to_text


class Delta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The difference between the context that a task got and the one it left behind."""

    changed: dict[str, object] = {}
    deleted: tuple[str, ...] = ()
    appended: dict[str, list[object]] = {}
    within: "dict[str, Delta]" = {}

    @property
    def empty(self) -> bool:
        """Whether nothing was changed."""
        return not (self.changed or self.deleted or self.appended or self.within)


_decoder = msgspec.json.Decoder(Delta)
NOTHING = Delta()


def delta_to_text(delta: Delta) -> str:
    """Return a delta as the JSON text that is stored."""
    return to_text(delta)


def delta_from_text(text: str | None) -> Delta:
    """Return the delta that JSON text holds; none is an empty one."""
    return _decoder.decode(text) if text else NOTHING


def diff(old: Mapping[str, object], new: Mapping[str, object], where: str = "context") -> Delta:
    """Return what makes ``new`` of ``old``.

    Args:
        old: Checked values. new: What a user function left behind; its changed values are checked here and copied.
        where: How the mapping is called in messages.

    Raises:
        TypeError: A changed value is not a JSON value.
        ValueError: A changed value is a number that is not finite, or text that is not Unicode.
    """
    changed: dict[str, object] = {}
    appended: dict[str, list[object]] = {}
    within: dict[str, Delta] = {}
    for key, value in new.items():
        before = old.get(key, ABSENT)
        if same(before, value):
            continue

        if type(value) in PLAIN:  # nothing to look into, and no need to say where
            changed[json_key(key, where)] = value
            continue

        here = f"{where}[{json_key(key, where)!r}]"
        if is_mapping(before) and is_mapping(value):
            inner = diff(before, value, here)
            if not inner.empty:
                within[key] = inner
        elif is_list(before) and is_list(value) and _grew(before, value):
            appended[key] = _tail(before, value, here)
        else:
            changed[key] = json_value(value, here)

    deleted = () if old.keys() <= new.keys() else tuple(key for key in old if key not in new)
    return Delta(changed=changed, deleted=deleted, appended=appended, within=within)


def apply(base: Mapping[str, object], delta: Delta) -> dict[str, object]:
    """Return the mapping that a delta makes of the one it was taken against; ``base`` stays as it is.

    The result shares values with both: treat all three as frozen.
    """
    result = {key: value for key, value in base.items() if key not in delta.deleted} if delta.deleted else dict(base)
    result.update(delta.changed)
    for key, tail in delta.appended.items():
        result[key] = [*cast("list[object]", result[key]), *tail]

    for key, inner in delta.within.items():
        result[key] = apply(cast("dict[str, object]", result[key]), inner)

    return result


def _grew(old: list[object], new: list[object]) -> bool:
    """Tell whether a list only grew at its end."""
    return len(new) > len(old) and all(map(same, old, new))


def _tail(old: list[object], new: list[object], where: str) -> list[object]:
    return [json_value(item, f"{where}[{len(old) + at}]") for at, item in enumerate(new[len(old) :])]


class Absent(msgspec.Struct, frozen=True):
    """No value, not even ``None``."""


ABSENT = Absent()
