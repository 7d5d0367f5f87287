"""A broker of our own that asks who we are, and one that shows a certificate: more listeners beside the open one.

The certificate is made by the JDK, once, and kept with the archives of the broker. It protects nothing: only tests on
this machine trust it.
"""

import fcntl
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from typing_extensions import override

from tests.kafka_jars import cache_folder
from tests.kafka_server import HOST, KafkaServer, free_ports

USER, PASSWORD = "reader", "the-password"
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
#: The listeners, by the protocol that a client names.
PROTOCOLS = ("SASL_PLAINTEXT", "SSL", "SASL_SSL")
LOGIN = "org.apache.kafka.common.security"
KEYTOOL = ["keytool", "-alias", "broker", "-keystore", "keys.p12", "-storetype", "PKCS12", "-storepass", PASSWORD]
#: Longer than any of us keeps a cache.
DAYS = "7300"


@cache
def certificate() -> Path:
    """Return the folder with the keys of the broker, ``keys.p12``, and its certificate, ``ca.pem``; make it at first.

    Raises:
        subprocess.CalledProcessError: The JDK cannot make them.
    """
    folder = cache_folder() / "certificate-1"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "certificate.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of tests want it at once
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as made:
                names = ["-dname", "CN=penstock tests", "-ext", f"san=ip:{HOST},dns:localhost"]
                pair = ["-genkeypair", "-keyalg", "RSA", "-keysize", "2048", "-validity", DAYS, *names]
                for words in (pair, ["-exportcert", "-rfc", "-file", "ca.pem"]):
                    subprocess.run([*KEYTOOL, *words], check=True, capture_output=True, cwd=made)

                Path(made).rename(folder)
                Path(made).mkdir()  # for its end

    return folder


class SecuredServer(KafkaServer):
    """A broker with an open listener and one for each protocol of ``PROTOCOLS``."""

    def __init__(self) -> None:
        self._ports = dict(zip(PROTOCOLS, free_ports(len(PROTOCOLS)), strict=True))
        super().__init__()

    def brokers_by(self, protocol: str) -> str:
        """Return its address for a protocol."""
        return f"{HOST}:{self._ports[protocol]}"

    @property
    @override
    def listeners(self) -> dict[str, str]:
        return super().listeners | {protocol: f"{HOST}:{port}" for protocol, port in self._ports.items()}

    @property
    @override
    def more_properties(self) -> dict[str, str]:
        keys = certificate() / "keys.p12"
        properties = {
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.location": str(keys),
            "ssl.keystore.password": PASSWORD,
            "ssl.key.password": PASSWORD,
            "sasl.enabled.mechanisms": ",".join(("PLAIN", *SCRAM)),
        }
        for protocol in (protocol for protocol in PROTOCOLS if protocol.startswith("SASL")):
            prefix = f"listener.name.{protocol.lower()}"
            plain = f'{LOGIN}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            properties[f"{prefix}.plain.sasl.jaas.config"] = plain
            for mechanism in SCRAM:
                properties[f"{prefix}.{mechanism.lower()}.sasl.jaas.config"] = (
                    f"{LOGIN}.scram.ScramLoginModule required;"
                )

        return properties

    @property
    @override
    def users(self) -> list[str]:
        return [f"{mechanism}=[name={USER},password={PASSWORD}]" for mechanism in SCRAM]
