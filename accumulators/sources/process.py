"""Lines that another program writes to its standard output."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, Process as Child

from penstock.accumulators.source import Intake, Position
from penstock.accumulators.sources.splitter import LONGEST, Splitter
from penstock.runtime.durations import Duration, seconds
from penstock.runtime.errors import DefinitionError, ProcessFailed, SourceUnavailable
from penstock.runtime.foreign import storable
from penstock.runtime.together import together

#: Bytes of the standard error that are kept for the message.
TAIL = 2000
CHUNK = 1 << 16


class Process:
    """Runs a program and gives the lines of its standard output, as bytes without their ends; *not replayable*.

        @ps.stream_accumulator(ps.Process(["journalctl", "--follow", "--output=json"]))
        def journal(event: Entry) -> Entry | None: ...

    The program is started with the app, without a shell, and ended with it: by SIGTERM, and SIGKILL when it does not
    leave. When it ends by itself with exit code 0, the source has ended; otherwise the source has failed, and the
    program is started again, after a pause that grows. A program that should go on behind a position needs one of its
    own; ``FromIterator`` can give it to it.

    Args:
        command: The program and its arguments.
        cwd: Where it runs; the app's own folder when omitted.
        env: Its environment; the app's own when omitted.
        grace: Seconds between SIGTERM and SIGKILL; or text such as ``"5s"``.
        longest: Bytes in a line, at most.
        name: The name for messages; the program's when omitted.

    Raises:
        DefinitionError: The command is no list of texts, or an option cannot be.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        grace: Duration = 5.0,
        longest: int = LONGEST,
        name: str | None = None,
    ) -> None:
        words: list[object] = [] if isinstance(command, str) else list(command)
        if not words or not all(isinstance(word, str) for word in words):
            raise DefinitionError(
                f'Process({command!r}): give a list: the program and its arguments, ["tail", "-F", path]'
            )

        if longest < 1:
            raise DefinitionError(f"Process({command!r}): longest={longest!r} must be at least 1")

        self.command: tuple[str, ...] = tuple(command)
        self.name: str = name or storable(Path(command[0]).name)
        self._cwd, self._env = cwd, None if env is None else dict(env)
        self._grace = seconds(grace, name="Process(grace=…)", zero=True)
        self._longest = longest

    async def run(self, intake: Intake, positions: Mapping[str, Position]) -> None:  # noqa: ARG002 (it has none)
        """Run the program once.

        Raises:
            SourceUnavailable: The program cannot be started.
            ProcessFailed: It ended with an error.
            SourceError: A line is too long.
        """
        child = await self._start()
        tail = bytearray()
        try:
            await together(self._give(intake, stream_of(child.stdout)), remember(stream_of(child.stderr), tail))
            code = await child.wait()
        finally:
            with anyio.CancelScope(shield=True):  # a cancelled source, too, leaves no process behind
                await self._end(child, intake)

        if code:
            raise ProcessFailed(self.name, code, storable(tail.decode(errors="replace").strip()))

    async def _start(self) -> Child:
        try:
            # a session of its own: Ctrl-C is for the app, which then ends the program in order
            return await anyio.open_process(
                self.command,
                stdin=subprocess.DEVNULL,
                cwd=self._cwd,
                env=self._env,
                start_new_session=True,
            )
        except OSError as error:
            raise SourceUnavailable(self.name, f"{error.strerror}: {' '.join(self.command)}") from error

    async def _give(self, intake: Intake, output: ByteReceiveStream) -> None:
        splitter = Splitter(self.name, self._longest)
        with suppress(anyio.EndOfStream):
            while True:
                for _, line in splitter.feed(await output.receive(CHUNK)):
                    if not intake.accept(line):
                        await intake.ready()

        for _, line in splitter.last():
            intake.accept(line)

    async def _end(self, child: Child, intake: Intake) -> None:
        """End a program that runs."""
        if child.returncode is None:
            end(child, signal.SIGTERM)
            timer = intake.scheduler.after(self._grace, lambda: end(child, getattr(signal, "SIGKILL", signal.SIGTERM)))
            await child.wait()
            timer.cancel()

        await child.aclose()


def end(child: Child, number: int) -> None:
    """Send a signal to a program and to those that it started."""
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, number)
        else:
            child.send_signal(signal.Signals(number))


async def remember(errors: ByteReceiveStream, tail: bytearray) -> None:
    """Read what a program writes to its standard error, and keep the end of it."""
    with suppress(anyio.EndOfStream):
        while True:
            tail += await errors.receive(CHUNK)
            del tail[:-TAIL]


def stream_of(stream: ByteReceiveStream | None) -> ByteReceiveStream:
    """Return a pipe, which is there because it was asked for."""
    assert stream is not None  # noqa: S101 (by the options of open_process)
    return stream
