"""One PostgreSQL server of our own, in a temporary folder, which tests of faults start and stop themselves."""

import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from tests.own_server import OwnServer
from tests.postgres_binaries import binaries, identity

#: Seconds in which a server starts, ends or answers, on a machine that is busy with tests.
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


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class PostgresServer(OwnServer):
    """A server of our own, on a port of the loopback and on a socket in its folder; everybody may connect.

    Attributes:
        port: Its port, the same after each start.
        settings: Its settings.
    """

    prefix: ClassVar[str] = "penstock-pg-"
    #: Not where TMPDIR says: the path of a socket must be short.
    place: ClassVar[str | None] = "/tmp"  # noqa: S108 (mkdtemp makes a folder of its own in it)
    deadly: ClassVar[signal.Signals] = signal.SIGQUIT
    patience: ClassVar[float] = PATIENCE
    look_every: ClassVar[float] = 0.01

    def __init__(self, **settings: str) -> None:
        """Prepare a server; ``settings`` come after ``ALWAYS`` and ``FAST``: ``PostgresServer(**SAFE)``."""
        super().__init__(identity())
        self.port = free_port()
        self.settings = {**ALWAYS, **FAST, **settings}
        make = [binaries() / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync"]
        self.prepare([*make, "--locale=C", "--encoding=UTF8", "--no-instructions"], "initdb")

    @property
    @override
    def environment(self) -> dict[str, str]:
        return {}

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return self.folder / "data"

    def url(self, database: str = "postgres", *, user: str = "postgres", options: str = "") -> str:
        """Return the URL of a database by TCP; ``options`` as in ``"schema=a"``."""
        return f"postgresql+asyncpg://{user}@127.0.0.1:{self.port}/{database}" + (f"?{options}" if options else "")

    def socket_url(self, database: str = "postgres", *, user: str = "postgres") -> str:
        """Return the URL of a database by the Unix socket."""
        return f"postgresql+asyncpg://{user}@/{database}?host={self.folder}&port={self.port}"

    @override
    def command(self) -> Sequence[str | Path]:
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        return [binaries() / "postgres", "-D", self.data, "-p", str(self.port), "-k", self.folder, *options]

    @override
    def ready(self, process: "subprocess.Popen[bytes]") -> bool:
        # the last line says how far it is; the file of a server that was killed names another process
        status = self.data / "postmaster.pid"
        lines = status.read_text().split() if status.exists() else []
        return bool(lines) and lines[0] == str(process.pid) and lines[-1] == "ready"

    def stop(self, mode: str = "fast") -> None:
        """End it: ``smart`` waits for its clients, ``fast`` cuts them off, ``immediate`` crashes in order."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.end(SIGNALS[mode])

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

    @override
    def remove(self) -> None:
        try:
            self.stop("immediate")
        finally:
            super().remove()
