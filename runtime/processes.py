"""Processes of our own for functions that hold the interpreter: spawned, kept for the next call, killed on cancel.

Each call has a thread, which sends the function to a process and waits for the answer. Killing the process ends that
wait; so nothing of a cancelled call goes on, and its slot is free at once.
"""

import asyncio
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
import types
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import TypeVar, cast

from typing_extensions import ParamSpec

from penstock.runtime.clock import Activity
from penstock.runtime.errors import ExecutorError, ProcessDied
from penstock.runtime.foreign import error_text
from penstock.runtime.threads import Threads, ThreadsStatistics

P = ParamSpec("P")
T = TypeVar("T")

#: Fresh interpreters: a forked one would share locks and connections that are in use.
SPAWN = multiprocessing.get_context("spawn")
#: How many calls run at the same time.
LIMIT = os.cpu_count() or 1


class Child:
    """One process and the end of its pipe. Used by one thread at a time; only ``kill`` may be called by any."""

    def __init__(self, name: str) -> None:
        self._pipe, inner = SPAWN.Pipe()
        self._process = SPAWN.Process(target=serve, args=(inner,), name=name, daemon=True)
        self._process.start()
        inner.close()  # now the pipe ends when the process does

    def call(self, request: bytes) -> bytes:
        """Carry out one call.

        Raises:
            EOFError: The process died.
            OSError: So it did.
        """
        self._pipe.send_bytes(request)
        return self._pipe.recv_bytes()

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()

    def bury(self) -> int | None:
        """Kill the process, wait for its end, and return its exit code."""
        self._process.kill()
        self._process.join()
        self._pipe.close()
        return self._process.exitcode


class Errand:
    """One call on its way to a process. Its lock is held for moments only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: Child | None = None
        self.cancelled: bool = False

    def begin(self, child: Child) -> None:
        """Note which process carries it out; one that was cancelled meanwhile dies at once."""
        with self._lock:
            self._child = child
            if self.cancelled:
                child.kill()

    def end(self) -> None:
        """Note that the process is free: from now on nobody kills it on behalf of this call."""
        with self._lock:
            self._child = None

    def cancel(self) -> None:
        """Kill the process that carries it out, if one does."""
        with self._lock:
            self.cancelled = True
            if self._child is not None:
                self._child.kill()


class Processes:
    """A bounded pool of processes, driven from one event loop.

    Args:
        pool: Name of the pool, in statistics and in those of its threads.
        limit: How many functions run at the same time; more wait in the order of their calls.
        activity: Told what is away, so that a virtual clock waits for it.
        inline: Deterministic mode: functions run in-line, on the loop.
    """

    def __init__(
        self, pool: str, limit: int = LIMIT, *, activity: Activity | None = None, inline: bool = False
    ) -> None:
        self.pool = pool
        self._threads = Threads(pool, limit, activity=activity, inline=inline)
        self._idle: list[Child] = []  # appended and popped by threads, which is atomic
        self._errands: set[Errand] = set()
        self._closed = False

    async def run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call an importable function in another process, and return what it returns.

        A cancelled caller leaves at once, and the process is killed.

        Raises:
            AppError: The pool is closed.
            ExecutorError: The arguments or the result cannot be sent.
            ProcessDied: The process ended before it answered.
            BaseException: Whatever the function raises; its traceback is noted.
        """
        if self._threads.inline:
            return fn(*args, **kwargs)

        errand = Errand()
        self._errands.add(errand)
        try:
            answer = await self._threads.run(self._carry_out, errand, pack(fn, args, kwargs))
        except asyncio.CancelledError:
            errand.cancel()
            raise
        finally:
            self._errands.discard(errand)

        return cast("T", unpack(answer))

    async def close(self, bound: Awaitable[object] | None = None) -> None:
        """Take no more calls, wait for those that run up to ``bound``, kill what is left, and end all processes."""
        self._closed = True  # a process that becomes free ends
        if await self._threads.close(bound):
            for errand in self._errands:
                errand.cancel()

            await self._threads.close()

        # its own thread: the pool's have ended, and waiting for a process blocks
        ending = Threads(f"{self.pool}-end", 1)
        await ending.run(self._bury_idle)
        await ending.close()

    def statistics(self) -> ThreadsStatistics:
        """Return what the pool does now."""
        return self._threads.statistics()

    @property
    def idle(self) -> int:
        """How many processes wait for a call."""
        return len(self._idle)

    def _bury_idle(self) -> None:
        while self._idle:
            self._idle.pop().bury()

    def _carry_out(self, errand: Errand, request: bytes) -> bytes:
        """In a thread: let a process carry out one call."""
        child = self._idle.pop() if self._idle else Child(f"penstock-{self.pool}")
        errand.begin(child)
        try:
            answer = child.call(request)
        except (EOFError, OSError) as error:
            raise ProcessDied(self.pool, child.bury()) from error
        finally:
            errand.end()

        if self._closed or errand.cancelled:
            child.bury()
        else:
            self._idle.append(child)

        return answer


def pack(fn: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
    """Return a call as bytes.

    Raises:
        ExecutorError: Something in it cannot be sent.
    """
    try:
        return pickle.dumps((fn, args, kwargs))
    except Exception as error:
        raise ExecutorError(f"its arguments cannot be sent to another process: {error_text(error)}") from error


def unpack(answer: bytes) -> object:
    """Return what a function returned, or raise what it raised."""
    kind, value, trace = cast("tuple[str, object, str]", pickle.loads(answer))  # noqa: S301 - our own process wrote it
    if kind == "error" and isinstance(value, BaseException):
        value.add_note(f"in another process:\n{trace}")
        raise value

    if kind == "lost":
        raise ExecutorError(str(value))

    return value


def serve(pipe: Connection) -> None:
    """Carry out what comes until the pipe ends; the body of a process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent decides
    while True:
        try:
            request = pipe.recv_bytes()
        except (EOFError, OSError):
            return

        pipe.send_bytes(answered(request))


def answered(request: bytes) -> bytes:
    """Carry out one call and return the answer as bytes."""
    try:
        fn, args, kwargs = cast(
            "tuple[Callable[..., object], tuple[object, ...], dict[str, object]]",
            pickle.loads(request),  # noqa: S301 - our parent wrote it
        )
        answer = ("value", fn(*args, **kwargs), "")
    except BaseException as error:  # noqa: BLE001 - whatever the function raises goes to the caller
        return refusal(error)

    try:
        return pickle.dumps(answer)
    except Exception as error:  # noqa: BLE001 - pickling runs user code
        return pickle.dumps(("lost", f"its result cannot be sent back: {error_text(error)}", ""))


def refusal(error: BaseException) -> bytes:
    """Return an error as bytes; as text, where it cannot be sent."""
    trace = "".join(traceback.format_exception(error))
    try:
        packed = pickle.dumps(("error", error, trace))
        pickle.loads(packed)  # noqa: S301 - some errors can be written and not read
    except Exception:  # noqa: BLE001 - pickling runs user code
        return pickle.dumps(("lost", f"{error_text(error)}\n{trace}", ""))

    return packed


def importable(fn: object) -> str | None:
    """Return why another process could not import a function; None when it could."""
    module, name = str(getattr(fn, "__module__", "")), str(getattr(fn, "__qualname__", ""))
    if not isinstance(fn, types.FunctionType | types.BuiltinFunctionType):
        return "it is no plain function"

    if "<" in name:
        return f"{name!r} stands inside a function: move it to the top of a module"

    if module == "__main__" and not hasattr(sys.modules["__main__"], "__file__"):
        return "it was typed in: put it into a module"

    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)

    return None if found is fn else f"{module}.{name} is something else: a decorator has replaced it"
