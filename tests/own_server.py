"""A server of our own: a process in a temporary folder, which ends with the tests, whatever ends them."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self, TypedDict

#: Writes the number of the process into the folder, and becomes the server: whoever finds the folder finds the number.
LAUNCH = 'echo $$ > "$0/number" && exec "$@"'
#: Ends the server, and removes its folder, when the tests are gone without having done so: their end closes its input.
#: It is there before the server; should the tests die in between, it waits for what may still come.
WATCH = """
read end
[ -s "$0/number" ] || sleep 2
read number < "$0/number" && kill -$1 "$number" && while kill -0 "$number"; do sleep 0.1; done
rm -rf "$0"
"""


class Identity(TypedDict, total=False):
    """As whom a server runs: as us, but never as root where it refuses that."""

    user: int
    group: int
    extra_groups: list[int]


class OwnServer:
    """A server on the loopback. Its methods wait: an async test calls them in a thread, or does not mind.

    Attributes:
        folder: Holds its data and its log.
        process: The running server.
    """

    #: The beginning of its folder's name, and where that is: where TMPDIR says when None.
    prefix: ClassVar[str]
    place: ClassVar[str | None] = None
    #: The signal that ends it, with all its processes, at once.
    deadly: ClassVar[signal.Signals] = signal.SIGKILL
    #: Seconds in which it starts or ends, on a machine that is busy with tests; and between two looks.
    patience: ClassVar[float]
    look_every: ClassVar[float]

    def __init__(self, identity: Identity | None = None) -> None:
        """Make the folder; a server of another user may write there."""
        self.folder = Path(tempfile.mkdtemp(prefix=self.prefix, dir=self.place))
        self.process: subprocess.Popen[bytes] | None = None
        self.identity: Identity = identity or {}
        self._watch: subprocess.Popen[bytes] | None = None
        if "user" in self.identity:
            os.chown(self.folder, self.identity["user"], self.identity["group"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether its process is there; it may be stopped by a signal."""
        return self.process is not None and self.process.poll() is None

    def command(self) -> Sequence[str | Path]:
        """Return what starts it."""
        raise NotImplementedError

    def ready(self, process: "subprocess.Popen[bytes]") -> bool:
        """Tell whether it takes connections."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        (self.folder / "number").unlink(missing_ok=True)
        self._watch = self._shell(WATCH, str(int(self.deadly)), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with (self.folder / "log").open("ab") as log:
            self.process = self._shell(LAUNCH, *self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        try:
            self._wait_until_ready(self.process)
        except BaseException:
            self.end(self.deadly)
            raise

    def end(self, how: signal.Signals) -> None:
        """End it by a signal, and wait for its end; nothing when it does not run."""
        if self.process is None:
            return

        try:
            self.process.send_signal(how)
            self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._end_watch()
            self.process = None

    def kill(self) -> None:
        """Kill it with all its processes, as a loss of power would."""
        self.end(signal.SIGKILL)

    def remove(self) -> None:
        """End it, and remove its folder."""
        try:
            self.end(self.deadly)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self, command: Sequence[str | Path], what: str) -> None:
        """Run what makes its data, or remove the folder."""
        made = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self.folder, env=self.environment, **self.identity
        )
        if made.returncode != 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise RuntimeError(f"{what}: {made.stdout}{made.stderr}")

    @property
    def environment(self) -> dict[str, str] | None:
        """The environment of what makes its data; ours when None."""
        return None

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        waited = threading.Event()
        for _ in range(int(self.patience / self.look_every)):
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with {process.returncode}: {self.log}")

            if self.ready(process):
                return

            waited.wait(self.look_every)

        raise RuntimeError(f"the server does not start: {self.log}")

    def _shell(self, script: str, *arguments: str | Path, **streams: object) -> "subprocess.Popen[bytes]":
        """Start a script in the folder, in a session of its own: Ctrl-C is for the tests, which end the server."""
        command = ["sh", "-c", script, self.folder, *arguments]
        return subprocess.Popen(command, cwd=self.folder, start_new_session=True, **streams, **self.identity)  # type: ignore[call-overload]

    def _end_watch(self) -> None:
        """Watch over nothing: a number may be another process's soon."""
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None
