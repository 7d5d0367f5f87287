"""How each setting is checked, whatever it is written in: a value of Python, of TOML, or text of the environment."""

from collections.abc import Callable
from typing import cast

from penstock.runtime.durations import Duration, seconds
from penstock.runtime.errors import ConfigError, DefinitionError
from penstock.runtime.urls import url_problem

#: Given what an error is to call the setting, and a value, returns the value as it is used or raises a ``ConfigError``.
Check = Callable[[str, object], object]

#: Longer waits are mistakes, and overflow the timers of the operating system.
LONGEST = 366 * 86_400.0


def duration(*, zero: bool = False, optional: bool = False) -> Check:
    """Check seconds, given as a number or as text with or without a unit."""

    def check(label: str, value: object) -> float | None:
        if optional and (value is None or value == "none"):
            return None

        try:
            return seconds(cast("Duration", _number(value)), name=label, zero=zero, maximum=LONGEST)
        except DefinitionError as error:
            raise ConfigError(*error.problems) from error

    return check


def count(minimum: int) -> Check:
    """Check a whole number."""

    def check(label: str, value: object) -> int:
        number = _number(value)
        if isinstance(number, bool) or not isinstance(number, int) or number < minimum:
            raise ConfigError(f"{label}: {value!r} is not a whole number from {minimum}")

        return number

    return check


def choice(*words: str) -> Check:
    """Check one of a few words."""

    def check(label: str, value: object) -> str:
        if value not in words:
            raise ConfigError(f"{label}: {value!r} is neither {' nor '.join(words)}")

        return str(value)

    return check


def store_url(label: str, value: object) -> str:
    """Check the URL of a state store; the error shows no password."""
    if not isinstance(value, str):
        raise ConfigError(f"{label}: {type(value).__name__} is not a URL")

    if (problem := url_problem(value)) is not None:
        raise ConfigError(f"{label}: {problem}")

    return value


def _number(value: object) -> object:
    """Return the number that text is: all that the environment has is text."""
    for kind in (int, float):
        try:
            return kind(value) if isinstance(value, str) else value
        except ValueError:
            continue

    return value


SETTINGS: dict[str, Check] = {
    "store": store_url,
    "synchronous": choice("full", "normal"),
    "checkpoint_interval": duration(),
    "drain_timeout": duration(zero=True),
    "store_retry_timeout": duration(zero=True),
    "group_limit": count(1),
    "outbox_limit": count(1),
    "ingress_limit": count(1),
    "max_concurrent_tasks": count(1),
    "threads": count(1),
    "switch_interval": duration(optional=True),
    "firing_history": count(0),
    "start_timeout": duration(),
}
