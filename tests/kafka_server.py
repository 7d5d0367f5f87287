"""One Kafka broker of our own, in a temporary folder, which tests of faults start, stop and kill themselves."""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from tests.kafka_jars import VERSION, cache_folder, jars
from tests.own_server import OwnServer

HOST = "127.0.0.1"
#: A broker that is also its own controller, with everything once.
PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
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


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on now."""
    listeners = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [int(listener.getsockname()[1]) for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def keep(made: Path, kept: Path) -> None:
    """Copy a folder or a file into the cache; another process of tests may be faster."""
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder, contextlib.suppress(OSError):
        copy = Path(folder) / "copy"
        (shutil.copytree if made.is_dir() else shutil.copy)(made, copy)
        copy.rename(kept)


def classes() -> Path:
    """Return where the classes of a broker are kept for this Java; one of another version would not take them."""
    java = hashlib.sha256(os.path.realpath(shutil.which("java") or "").encode()).hexdigest()[:8]
    return cache_folder() / f"kafka-{VERSION}-classes-{java}.jsa"


class KafkaServer(OwnServer):
    """A broker of our own on the loopback.

    Attributes:
        port: Its port, the same after each start.
    """

    prefix: ClassVar[str] = "penstock-kafka-"
    patience: ClassVar[float] = 60.0
    look_every: ClassVar[float] = 0.05

    def __init__(self, port: int | None = None, **settings: str) -> None:
        """Prepare a broker, on a free port unless one is given.

        Args:
            port: The port.
            settings: Properties that come after ``PROPERTIES``, with ``_`` for ``.``.
        """
        super().__init__()
        free, controller = free_ports(2)
        self.port = port or free
        open_ones = ",".join(f"{protocol}://{address}" for protocol, address in self.listeners.items())
        protocols = ",".join(f"{protocol}:{protocol}" for protocol in self.listeners)
        properties = PROPERTIES | {
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "listeners": f"{open_ones},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": open_ones,
            "listener.security.protocol.map": f"{protocols},CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
        }
        properties |= self.more_properties
        properties |= {name.replace("_", "."): value for name, value in settings.items()}
        self._properties = self.folder / "server.properties"
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        #: More options of the Java machine.
        self._options: list[str] = []
        self._make_storage()

    @property
    def brokers(self) -> str:
        """Its address, as clients want it."""
        return f"{HOST}:{self.port}"

    @property
    def listeners(self) -> dict[str, str]:
        """Where clients come in, by protocol."""
        return {"PLAINTEXT": self.brokers}

    @property
    def more_properties(self) -> dict[str, str]:
        """What the listeners need."""
        return {}

    @property
    def users(self) -> list[str]:
        """Whom it knows by SCRAM."""
        return []

    @override
    def command(self) -> Sequence[str | Path]:
        return self._java("kafka.Kafka", str(self._properties))

    @override
    def ready(self, process: "subprocess.Popen[bytes]") -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1.0).close()
        except OSError:
            return False

        return True

    def stop(self) -> None:
        """End it in order."""
        self.end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it and start it."""
        self.kill()
        self.start()

    def _make_storage(self) -> None:
        """Give it the storage of a broker that has never run: made once, and kept with the archives."""
        who = hashlib.sha256(" ".join(self.users).encode()).hexdigest()[:8]
        kept, data = cache_folder() / f"kafka-{VERSION}-storage-{who}", self.folder / "data"
        if not kept.is_dir():
            cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
            make = self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._properties))
            users = [word for user in self.users for word in ("--add-scram", user)]
            self.prepare([*make, *users], "the storage of the broker cannot be made")
            keep(data, kept)
            self._keep_classes(data)

        if not data.is_dir():
            shutil.copytree(kept, data)

    def _keep_classes(self, data: Path) -> None:
        """Let a first broker write down its classes when it ends: those after it start in half the time."""
        made = self.folder / "classes.jsa"
        self._options = [f"-XX:ArchiveClassesAtExit={made}"]
        try:
            self.start()
            self.stop()
        except BaseException:
            self.remove()
            raise

        self._options = []
        keep(made, classes())
        shutil.rmtree(data)

    def _java(self, *arguments: str) -> list[str]:
        known = [f"-XX:SharedArchiveFile={classes()}"] if classes().exists() else []
        return ["java", *JVM, *LOGGING, *(self._options or known), "-cp", f"{jars()}/*", *arguments]
