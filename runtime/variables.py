"""Variables: values from outside that parts of an app read by name, each from ``PENSTOCK_VAR_<NAME>``.

They keep addresses and keys out of the code. A setting of Penstock itself is something else: see ``config.py``.
"""

import os
import re
from collections.abc import Callable, Mapping

from penstock.runtime.errors import ConfigError

PREFIX = "PENSTOCK_VAR_"
PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def var(name: str, *, environ: Mapping[str, str] | None = None) -> str:
    """Return a variable; an empty one is a value.

    Args:
        name: ``API_KEY`` for what the environment calls ``PENSTOCK_VAR_API_KEY``.
        environ: Where to look; the environment of the process unless given.

    Raises:
        ConfigError: It is not set; the error names it and what the environment calls it.
    """
    value = _lookup(environ)(name)
    if value is None:
        raise ConfigError(_missing(name))

    return value


def var_or(name: str, default: str, *, environ: Mapping[str, str] | None = None) -> str:
    """Return a variable, or the default when it is not set."""
    value = _lookup(environ)(name)
    return default if value is None else value


def resolve_template(template: str, *, environ: Mapping[str, str] | None = None) -> str:
    """Return a template with each ``{{ NAME }}`` replaced by that variable.

    Blanks inside the braces do not matter. A ``{{`` that nothing closes is copied as it is, and so is what a value
    holds: values are not templates.

    Raises:
        ConfigError: Some are not set; the error names each of them once.
    """
    lookup, missing = _lookup(environ), dict[str, None]()

    def fill(place: re.Match[str]) -> str:
        name = place.group(1).strip()
        value = lookup(name)
        if value is None:
            missing[name] = None

        return value or ""

    text = PLACE.sub(fill, template)
    if missing:
        raise ConfigError(*map(_missing, missing))

    return text


def _lookup(environ: Mapping[str, str] | None) -> Callable[[str], str | None]:
    source = os.environ if environ is None else environ
    return lambda name: source.get(PREFIX + name) if name else None


def _missing(name: str) -> str:
    if not name:
        return "a template holds {{ }} without a name; write {{ NAME }}"

    return f"variable {name!r} is not set; set {PREFIX}{name} in the environment"
