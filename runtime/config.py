"""The settings of an app: one frozen struct, and where its values come from.

The first that has a value wins: an argument, the environment (``PENSTOCK_<NAME>``), one file of the directory
(``penstock.toml``, or the table ``[tool.penstock]`` of ``pyproject.toml``, not both), the default. Every value is
checked, and all problems are reported together.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import cast

import msgspec

from penstock.runtime.errors import ConfigError
from penstock.runtime.settings import SETTINGS

PREFIX = "PENSTOCK_"
#: Variables that have the prefix and another purpose: those of the user's own parts, and of our tests.
OTHERS = re.compile(
    r"PENSTOCK_(VAR_.*|REQUIRE|TEST_.*"
    # what Kubernetes sets in each pod beside a service that is called penstock
    r"|SERVICE_(HOST|PORT.*)|PORT(_\d+_(TCP|UDP|SCTP).*)?)"
)
OWN_FILE = "penstock.toml"
SHARED_FILE = "pyproject.toml"
TABLE = "[tool.penstock]"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting; durations are seconds.

    A duration may also be given as text (``"30s"``); the struct holds the seconds.

    Raises:
        ConfigError: A value cannot be used; all problems are named.
    """

    #: URL of the state store: ``sqlite:///market.db``, four slashes before an absolute path.
    store: str = "sqlite:///penstock.db"
    #: ``full``: what is acknowledged survives a power cut. ``normal``: quicker; a power cut may take the last commits,
    #: a crash of the process takes nothing.
    synchronous: str = "full"
    #: The longest time, in seconds, for which changed state waits for a cut when no effect waits.
    checkpoint_interval: float = 1.0
    #: How long, in seconds, an orderly stop waits for what is running.
    drain_timeout: float = 10.0
    #: How long, in seconds, passing trouble of the store is retried before the app stops with an error.
    store_retry_timeout: float = 30.0
    #: The most write units in one commit.
    group_limit: int = 1000
    #: How many effects of a domain may wait for a cut before firing stops.
    outbox_limit: int = 10_000
    #: How many events may wait at an accumulator before its overflow policy applies.
    ingress_limit: int = 1024
    #: How many tasks of workflows run at the same time.
    max_concurrent_tasks: int = 64
    #: How many threads there are for ``def`` tasks and polls.
    threads: int = 16
    #: How often, in seconds, CPython lets another thread run while the app is open; None leaves that alone.
    switch_interval: float | None = 0.0005
    #: How many past firings a reactor remembers in memory.
    firing_history: int = 200
    #: How long, in seconds, a reactor waits at the start for its sources before it fires without them.
    start_timeout: float = 30.0

    def __post_init__(self) -> None:
        """Check every value."""
        values = {name: (cast("object", getattr(self, name)), "") for name in self.__struct_fields__}
        found, problems = _checked(values)
        if problems:
            raise ConfigError(*problems)

        for name, value in found.items():
            msgspec.structs.force_setattr(self, name, value)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings, and for each where its value came from."""

    config: Config
    #: By name: ``argument``, ``environment PENSTOCK_<NAME>``, ``penstock.toml``, ``pyproject.toml [tool.penstock]`` or
    #: ``default``.
    origins: Mapping[str, str]


def load(
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Gather the settings.

    Args:
        arguments: Values by name, as given in code or on the command line; they win.
        environ: The environment; that of the process unless given.
        directory: Where the file is; the working directory unless given. Directories above it are not searched.

    Raises:
        ConfigError: Unknown names, bad values, two files; all problems are named.
    """
    problems = list[str]()
    values = dict[str, tuple[object, str]]()
    named = _from_file(directory or Path(), problems)
    for source in (named, _from_environment(os.environ if environ is None else environ), _from(arguments or {})):
        for label, name, value, origin in source:
            if name in SETTINGS:
                values[name] = (value, origin)
            else:
                problems.append(_unknown(label, name, origin))

    found, bad = _checked(values)
    if problems or bad:
        raise ConfigError(*problems, *bad)

    origins = {name: values[name][1] if name in values else "default" for name in SETTINGS}
    return Settings(config=msgspec.convert(found, Config), origins=origins)


def _checked(values: Mapping[str, tuple[object, str]]) -> tuple[dict[str, object], list[str]]:
    """Return the values as they are used, and a sentence for each that cannot be."""
    found, problems = dict[str, object](), list[str]()
    for name, (value, origin) in values.items():
        try:
            found[name] = SETTINGS[name](f"{name} (from {origin})" if origin else name, value)
        except ConfigError as error:
            problems += error.problems

    return found, problems


#: How a source writes the name, the setting's name, its value, the source.
Entry = tuple[str, str, object, str]


def _from(arguments: Mapping[str, object]) -> Iterator[Entry]:
    return ((name, name, value, "argument") for name, value in arguments.items())


def _from_environment(environ: Mapping[str, str]) -> Iterator[Entry]:
    for variable, text in sorted(environ.items()):
        if variable.startswith(PREFIX) and OTHERS.fullmatch(variable) is None:
            yield variable, variable.removeprefix(PREFIX).lower(), text, f"environment {variable}"


def _from_file(directory: Path, problems: list[str]) -> Iterable[Entry]:
    own, shared = _read(directory / OWN_FILE, problems), _read(directory / SHARED_FILE, problems)
    table = _table(_table(shared, "tool", problems), "penstock", problems)
    if own is not None and table is not None:
        problems.append(
            f"both {OWN_FILE} and {SHARED_FILE} {TABLE} hold settings in {directory.absolute()}; keep one of them"
        )

    origin, chosen = (f"{SHARED_FILE} {TABLE}", table) if own is None else (OWN_FILE, own)
    return [(name, name, value, origin) for name, value in (chosen or {}).items()]


def _table(parent: Mapping[str, object] | None, name: str, problems: list[str]) -> Mapping[str, object] | None:
    table = None if parent is None else parent.get(name)
    if table is None or isinstance(table, dict):
        return cast("Mapping[str, object] | None", table)

    problems.append(f"{SHARED_FILE}: `{name}` is not a table; write {TABLE} and the settings below it")
    return None


def _read(path: Path, problems: list[str]) -> Mapping[str, object] | None:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path.name} cannot be read: {error}")
        return None


def _unknown(label: str, name: str, origin: str) -> str:
    near = get_close_matches(name, SETTINGS, 1)
    if label.startswith(PREFIX):
        advice = f"did you mean {PREFIX}{near[0].upper()}?" if near else f"there are: {', '.join(SETTINGS)}."
        return f"{label} (from the environment) is no setting; {advice} Variables of your own begin with PENSTOCK_VAR_."

    return f"{label!r} (from {origin}) is no setting; " + (
        f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(SETTINGS)}"
    )
