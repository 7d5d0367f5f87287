"""From ``module:attribute`` to an app, with an explanation for each way in which it can go wrong."""

import difflib
import importlib
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

from penstock.app import App
from penstock.runtime.errors import AppError, ConfigError, PenstockError

DEFAULT_ATTRIBUTE = "app"


def load(reference: str) -> App:
    """Import a module and return the app in it.

    Args:
        reference: ``module:attribute``, both may have dots; without an attribute it is ``app``.

    Raises:
        ConfigError: There is no such module or attribute, or the attribute is no app.
        DefinitionError: The module declares something that cannot work.
        AppError: The module raised another error while it was imported.
    """
    module_name, _, attribute = reference.partition(":")
    value = find(import_module(module_name), attribute or DEFAULT_ATTRIBUTE)
    if not isinstance(value, App):
        kind = f"the class {value.__name__}" if isinstance(value, type) else f"of type {type(value).__name__}"
        message = f"{reference!r} is {kind}, not an app; write `app = ps.App(parts=[…])` and name that"
        raise ConfigError(message)

    return value


def import_module(name: str) -> ModuleType:
    """Import the user's module, from the working directory as well, as ``python -m`` does."""
    check_name(name)
    here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)

    try:
        return importlib.import_module(name)
    except PenstockError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise import_failed(name, error) from error

        message = f"no module {error.name!r} can be imported from {here}; name it as an import statement would"
        raise ConfigError(message) from error
    except (Exception, SystemExit) as error:
        raise import_failed(name, error) from error


def check_name(name: str) -> None:
    """Refuse what can be no module, with what was probably meant.

    Raises:
        ConfigError: The name is empty, or is a path.
    """
    if name.endswith(".py") or os.sep in name:
        meant = ".".join(part for part in Path(name.removesuffix(".py")).parts if part not in {"..", os.sep})
        message = f"{name!r} is a path; name the module instead: {meant}:{DEFAULT_ATTRIBUTE}"
        raise ConfigError(message)

    if not all(name.split(".")):
        message = f"{name!r} names no module; write module:attribute, such as market:{DEFAULT_ATTRIBUTE}"
        raise ConfigError(message)


def import_failed(name: str, error: BaseException) -> AppError:
    """Say what was raised, and on which line of the user's code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if len(frames) > 1 else ""
    reason = f"{type(error).__name__}: {error}".removesuffix(": ")
    return AppError(f"importing {name!r} failed: {reason}{place}")


def find(module: ModuleType, attribute: str) -> object:
    """Return an attribute, or one of an attribute: dots go deeper.

    Raises:
        ConfigError: There is none; the sentence names what is nearest.
    """
    value: object = module
    for name in attribute.split("."):
        if not hasattr(value, name):
            apps = [key for key, candidate in vars(module).items() if isinstance(candidate, App)]
            near = apps or difflib.get_close_matches(name, vars(module), n=3)
            hint = f"; did you mean {' or '.join(f'{module.__name__}:{key}' for key in near)}?" if near else ""
            message = f"module {module.__name__!r} has no attribute {attribute!r}{hint}"
            raise ConfigError(message)

        value = getattr(value, name)

    return value
