"""The `penstock` command: which verbs there are, and what becomes of errors.

Each verb lives in the file of its noun and is imported when it is called, so that ``penstock --help`` starts quickly.

| exit code | means |
|---|---|
| 0 | done |
| 1 | failed: a check found problems, there is no such run, the store cannot be read … |
| 2 | used wrongly: an unknown option, a module that does not exist, a bad setting |
| 130 | interrupted by Ctrl-C |
| 141 | whoever read the output went away |
"""

import os
import sys
import traceback as tracebacks
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from penstock.cli.output import complain, show_unknown_characters
from penstock.runtime.errors import ConfigError, PenstockError

FAILED, MISUSED, INTERRUPTED, READER_GONE = 1, 2, 130, 141

#: Verb, where it is, and its line in the help.
VERBS = [
    ("run", "penstock.cli.run:run", "Serve an app until it is told to stop."),
    ("check", "penstock.cli.check:check", "Check all declarations of an app, without running it."),
    ("graph", "penstock.cli.graph:graph", "Draw the computation graphs of an app."),
    ("runs", "penstock.cli.runs:app", "Look at the runs in a state store."),
    ("letters", "penstock.cli.letters:app", "Look at dead letters, give them back, or throw them away."),
    ("firings", "penstock.cli.firings:app", "Look at firings that are over."),
    ("reactors", "penstock.cli.reactors:app", "Fire, pause and resume the reactors of a running app."),
    ("config", "penstock.cli.config:app", "Look at the settings."),
    ("doctor", "penstock.cli.doctor:doctor", "Look for what is wrong with the installation and the store."),
    ("demo", "penstock.cli.demo:demo", "Watch this machine for some seconds: events, firings, durable runs."),
]
#: Below the help of every command.
EPILOGUE = "Every command also takes --traceback: when it fails, show where in the code."
#: Below what was used wrongly.
HINT = "`penstock --help` lists the commands, `penstock COMMAND --help` their options."
#: What an optional library is needed for: the extra that brings it.
EXTRAS = {"psutil": "demo"}


def version() -> str:
    """Return the version of the installed package."""
    from importlib.metadata import PackageNotFoundError, version as installed  # noqa: PLC0415 - slow, rarely needed

    try:
        return installed("penstock")
    except PackageNotFoundError:
        return "not installed: imported from a clone"


def build() -> App:
    """Return the command line with all its verbs, none of them imported yet."""
    app = App(
        name="penstock",
        help="Reactive streams, computation graphs and durable workflows on one clock and one state store.",
        help_format="plaintext",
        help_epilogue=EPILOGUE,
        version=version,
        suppress_keyboard_interrupt=False,
    )
    for name, path, words in VERBS:
        app.command(path, name=name, help=words)

    return app


def main(tokens: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; nothing but a mistake of ours leaves a traceback.

    Args:
        tokens: The words after ``penstock``; default: those of the process.
    """
    words = list(sys.argv[1:] if tokens is None else tokens)
    traceback = "--traceback" in words
    show_unknown_characters()
    try:
        code = dispatch([word for word in words if word != "--traceback"], traceback=traceback)
    except BrokenPipeError:
        hush()
        return READER_GONE
    except KeyboardInterrupt:
        return INTERRUPTED

    return code


def dispatch(words: Sequence[str], *, traceback: bool) -> int:
    """Run the command and turn errors into sentences on stderr."""
    try:
        result = build()(words, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()  # here, where an output that cannot be written is still told in a sentence
    except CycloptsError as error:
        return report(error, f"{describe(error)}\n{HINT}")
    except PenstockError as error:
        return report(error, str(error), traceback=traceback)
    except BrokenPipeError:
        raise
    except OSError as error:
        return report(error, f"{error.strerror or error}: {error.filename or 'the output'}", traceback=traceback)
    except ImportError as error:
        if (name := missing(error)) is None:
            raise

        return report(error, f"this needs {name}, which is not installed: pip install 'penstock[{EXTRAS[name]}]'")

    return result if isinstance(result, int) else 0


def describe(error: CycloptsError) -> str:
    """Return what was used wrongly; for an unknown command that needs all the others, one of which may not load."""
    try:
        return str(error)
    except ImportError:
        return f"there is no such command; the commands are: {', '.join(name for name, _, _ in VERBS)}"


def report(error: Exception, text: str, *, traceback: bool = False) -> int:
    """Print an error and return the exit code that belongs to it."""
    if traceback:
        tracebacks.print_exception(error)
    else:
        complain(f"penstock: {text}")

    return MISUSED if isinstance(error, CycloptsError | ConfigError) else FAILED


def missing(error: BaseException | None) -> str | None:
    """Return the optional library whose absence is behind an error."""
    while error is not None:
        if isinstance(error, ImportError) and error.name in EXTRAS:
            return error.name

        error = error.__cause__

    return None


def hush() -> None:
    """Send what is still buffered to nowhere, or the interpreter complains about it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
