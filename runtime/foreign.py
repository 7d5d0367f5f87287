"""What comes from code that is not ours: errors that cannot be printed, cancellations that nobody asked for.

User code runs inside steps that must not fail half-way: a commit that is told, a batch that is applied. Whatever it
raises must become a value there, and a text, without a second error.
"""

import asyncio
from typing import cast

#: Characters of an error's text that are kept.
LONGEST = 8000


def error_text(error: BaseException) -> str:
    """Return an error's class and sentence, as text that can be stored and printed, whatever the error is."""
    return f"{type(error).__name__}: {_sentence(error)}".removesuffix(": ")


def value_text(value: object) -> str:
    """Return the ``repr`` of a value, as text that can be stored and printed, whatever the value is."""
    try:
        text = repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a repr is user code
        text = f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"

    return storable(text)


def storable(text: str) -> str:
    """Return a text with escapes for what not every store takes, and not longer than is useful.

    That is half a surrogate pair, and NUL, which SQLite would keep. For names and keys, which must not change on the
    way, see ``texts``.
    """
    return text[:LONGEST].encode("utf-8", "backslashreplace").decode().replace("\0", r"\x00")


def is_cancelled() -> bool:
    """Tell whether the running asyncio task was cancelled by somebody.

    A ``CancelledError`` that comes out of user code while this is false is the code's own (it awaited something that
    was cancelled): a failure like any other, and not our end.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def is_failure(error: BaseException) -> bool:
    """Tell whether what user code raised is its failure, not the end of the process or of the running task.

    Whoever awaits user code lets ``GeneratorExit`` pass before it asks: it is thrown into what is closed where it
    waits. Out of a plain function it is a failure like any other.
    """
    if isinstance(error, asyncio.CancelledError):
        return not is_cancelled()

    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.subgroup(KeyboardInterrupt) is None

    return not isinstance(error, KeyboardInterrupt)


def _sentence(error: BaseException) -> str:
    try:
        return storable(str(error))
    except KeyboardInterrupt:
        raise
    except BaseException as broken:  # noqa: BLE001 - __str__ is user code
        return f"<its text cannot be shown: {type(broken).__name__}>"
