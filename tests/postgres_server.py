"""One PostgreSQL server of our own, in a temporary folder, which tests of faults start and stop themselves."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.postgres_binaries import binaries, identity

#: Seconds in which a server starts or ends, on a machine that is busy with tests.
PATIENCE = 30.0
#: For tests that survive no loss of power: every commit is as fast as memory.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
#: For tests of what survives a kill of the server.
SAFE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
ALWAYS = {
    "jit": "off",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "autovacuum": "off",
    "io_method": "sync",
    "log_checkpoints": "off",
}
SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
#: Ends the server, and removes its folder, when the tests are gone without having done so: their end closes its input.
#: It is there before the server, whose number it is told; should the tests die in between, it finds it in the folder.
WATCH = """
read number; read end
[ "$number" ] || { sleep 2; read number < "$0/data/postmaster.pid"; }
[ "$number" ] && kill -QUIT "$number" && while kill -0 "$number"; do sleep 0.1; done
rm -rf "$0"
"""


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class PostgresServer:
    """A server of our own, on a port of the loopback and on a socket in its folder; everybody may connect.

    Its methods wait: an async test calls them by ``anyio.to_thread.run_sync``, or does not mind.

    Attributes:
        folder: Holds its data, its socket and its log.
        port: Its port, the same after each start.
        process: The running server.
    """

    def __init__(self, **settings: str) -> None:
        """Prepare a server; ``settings`` come after ``ALWAYS`` and ``FAST``: ``PostgresServer(**SAFE)``."""
        # not where TMPDIR says: the path of a socket must be short
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-pg-", dir="/tmp"))
        self.port = free_port()
        self.settings = {**ALWAYS, **FAST, **settings}
        self.process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._identity = identity()
        if "user" in self._identity:
            os.chown(self.folder, self._identity["user"], self._identity["group"])

        self._initialise()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self.folder / "data"

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether its process is there; it may be stopped by a signal."""
        return self.process is not None and self.process.poll() is None

    def url(self, database: str = "postgres", *, user: str = "postgres", options: str = "") -> str:
        """Return the URL of a database by TCP; ``options`` as in ``"schema=a"``."""
        return f"postgresql+asyncpg://{user}@127.0.0.1:{self.port}/{database}" + (f"?{options}" if options else "")

    def socket_url(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """Return the URL of a database by the Unix socket."""
        return f"postgresql+asyncpg://{user}@/{database}?host={self.folder}&port={self.port}"

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        self._watch_over()
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        command = [binaries() / "postgres", "-D", self.data, "-p", str(self.port), "-k", self.folder, *options]
        with (self.folder / "log").open("ab") as log:
            # a session of its own: Ctrl-C is for the tests, which end the server
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                **self._identity,
            )

        self._watch_over(self.process.pid)
        try:
            self._wait_until_ready(self.process)
        except BaseException:
            self.stop("immediate")
            raise

    def stop(self, mode: str = "fast") -> None:
        """End it: ``smart`` waits for its clients, ``fast`` cuts them off, ``immediate`` crashes in order."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(SIGNALS[mode])
            self._reap()

    def kill(self) -> None:
        """Kill it with all its processes, as a loss of power would."""
        if self.process is not None:
            self.process.kill()  # the others see that it is gone, and end
            self._reap()

    def restart(self, mode: str = "fast") -> None:
        """Stop it and start it."""
        self.stop(mode)
        self.start()

    def pause(self) -> None:
        """Let it take no more connections; those that there are go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """End it, and remove its folder."""
        try:
            self.stop("immediate")
        finally:
            self._end_watch()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _initialise(self) -> None:
        command = [binaries() / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync"]
        command += ["--locale=C", "--encoding=UTF8", "--no-instructions"]
        made = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self.folder, env={}, **self._identity
        )
        if made.returncode != 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise RuntimeError(f"initdb: {made.stdout}{made.stderr}")

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        status, waited = self.data / "postmaster.pid", threading.Event()
        for _ in range(int(PATIENCE / 0.01)):
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with {process.returncode}: {self.log}")

            # the last line says how far it is; one of a server that was killed names another process
            lines = status.read_text().split() if status.exists() else []
            if lines and lines[0] == str(process.pid) and lines[-1] == "ready":
                return

            waited.wait(0.01)

        raise RuntimeError(f"the server does not start: {self.log}")

    def _reap(self) -> None:
        assert self.process is not None
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._end_watch()
            self.process = None

    def _watch_over(self, number: int | None = None) -> None:
        """Start a watch over what is started next; or tell it the number of the server that was."""
        if number is None:
            self._end_watch()
            command = ["sh", "-c", WATCH, self.folder]
            self._watch = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
                **self._identity,
            )
        elif self._watch is not None and self._watch.stdin is not None:
            self._watch.stdin.write(f"{number}\n".encode())
            self._watch.stdin.flush()

    def _end_watch(self) -> None:
        """Watch over nothing: a number may be another process's soon."""
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None
