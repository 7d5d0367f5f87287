"""One Kafka broker of our own, in a temporary folder, which tests of faults start, stop and kill themselves."""

import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.kafka_jars import jars

#: Seconds in which a broker starts or ends, on a machine that is busy with tests.
PATIENCE = 60.0
HOST = "127.0.0.1"
#: A broker that is also its own controller, with everything once.
PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    # what was written is in the page cache of the machine, which outlives the broker
    "log.flush.interval.messages": "9223372036854775807",
    # records of tests may be of any time; a topic that is to lose some says so
    "log.retention.ms": "-1",
    "log.retention.check.interval.ms": "1000",
    # a broker that was killed is let in again when its controller has forgotten it
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "300",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.segment.delete.delay.ms": "100",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "background.threads": "2",
}
#: Small, and quick to start rather than fast in the long run.
JVM = ["-Xmx320m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true"]
LOGGING = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
#: Ends the broker, and removes its folder, when the tests are gone without having done so: their end closes its input.
WATCH = 'read _; kill -KILL "$0"; while kill -0 "$0" 2>/dev/null; do sleep 0.1; done; rm -rf "$1"'


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on now."""
    listeners = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


class KafkaServer:
    """A broker of our own on the loopback. Its methods wait: an async test calls them in a thread.

    Attributes:
        folder: Holds its data and its log.
        port: Its port, the same after each start.
        process: The running broker.
    """

    def __init__(self, port: int | None = None, **settings: str) -> None:
        """Prepare a broker, on a free port unless one is given.

        Args:
            port: The port.
            settings: Properties that come after ``PROPERTIES``, with ``_`` for ``.``.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-kafka-"))
        free, controller = free_ports(2)
        self.port = port or free
        self.process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        properties = PROPERTIES | {
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "listeners": f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "log.dirs": str(self.folder / "data"),
        }
        properties |= {name.replace("_", "."): value for name, value in settings.items()}
        self._properties = self.folder / "server.properties"
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        self._format()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    @property
    def brokers(self) -> str:
        """Its address, as clients want it."""
        return f"{HOST}:{self.port}"

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        with (self.folder / "log").open("ab") as log:
            # a session of its own: Ctrl-C is for the tests, which end the broker
            self.process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._properties)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )

        self._watched(self.process)
        try:
            self._wait_until_ready(self.process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it and start it."""
        self.kill()
        self.start()

    def remove(self) -> None:
        """Kill it, and remove its folder."""
        try:
            self.kill()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _java(self, *arguments: str) -> list[str]:
        return ["java", *JVM, *LOGGING, "-cp", f"{jars()}/*", *arguments]

    def _format(self) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        command = self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties))
        made = subprocess.run(command, check=False, capture_output=True, text=True, cwd=self.folder)
        if made.returncode != 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise RuntimeError(f"the storage of the broker cannot be made: {made.stdout}{made.stderr}")

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        waited = threading.Event()
        for _ in range(int(PATIENCE / 0.05)):
            if process.poll() is not None:
                raise RuntimeError(f"the broker ended with {process.returncode}: {self.log}")

            try:
                socket.create_connection((HOST, self.port), timeout=1.0).close()
            except OSError:
                waited.wait(0.05)
            else:
                return

        raise RuntimeError(f"the broker does not start: {self.log}")

    def _end(self, how: signal.Signals) -> None:
        if self.process is None:
            return

        try:
            self.process.send_signal(how)
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
            self._watch = subprocess.Popen(command, stdin=subprocess.PIPE, cwd="/", start_new_session=True)
