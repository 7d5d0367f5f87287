"""How a connection to Kafka is protected, and who we are there."""

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from typing_extensions import override

from penstock.runtime.errors import DefinitionError
from penstock.runtime.variables import resolve_template

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER")


class KafkaSecurity(msgspec.Struct, frozen=True, kw_only=True):
    """TLS and SASL. Every text may hold variables, such as ``password="{{ KAFKA_PASSWORD }}"``, read at the start.

    Raises:
        DefinitionError: Options that do not fit together; all of them are named.
    """

    protocol: Protocol = "SASL_SSL"
    #: How we say who we are, with a protocol that begins with ``SASL``.
    mechanism: str | None = None
    username: str | None = None
    password: str | None = None
    #: Files in the PEM format: whom we trust (the system's authorities when None), our certificate, and its key.
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: str | None = None
    #: Asked for a token whenever a connection needs one, for ``OAUTHBEARER``.
    token: Callable[[], Awaitable[str]] | None = None
    #: For ``GSSAPI``.
    kerberos_service: str = "kafka"
    kerberos_domain: str | None = None

    def __post_init__(self) -> None:
        """Check what belongs together."""
        sasl, tls = self.protocol.startswith("SASL"), self.protocol.endswith("SSL")
        named = self.mechanism in {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}
        files = (self.ca_file, self.certificate_file, self.key_file, self.key_password)
        wrong = {
            f"protocol={self.protocol!r} is none of {', '.join(PROTOCOLS)}": self.protocol not in PROTOCOLS,
            f"protocol={self.protocol!r} needs mechanism=, one of {', '.join(MECHANISMS)}": sasl
            and self.mechanism not in MECHANISMS,
            f"mechanism= needs a protocol that begins with SASL, not {self.protocol!r}": not sasl
            and self.mechanism is not None,
            f"mechanism={self.mechanism!r} needs username= and password=": sasl
            and named
            and (self.username is None or self.password is None),
            "mechanism='OAUTHBEARER' needs token=, an async function without parameters": sasl
            and self.mechanism == "OAUTHBEARER"
            and self.token is None,
            f"files of certificates need a protocol that ends with SSL, not {self.protocol!r}": not tls
            and any(file is not None for file in files),
            "certificate_file= and key_file= come together": (self.certificate_file is None) != (self.key_file is None),
        }
        if any(wrong.values()):
            raise DefinitionError(*(f"KafkaSecurity: {problem}" for problem, found in wrong.items() if found))

    @override
    def __repr__(self) -> str:
        """Show no secret."""
        return f"KafkaSecurity(protocol={self.protocol!r}, mechanism={self.mechanism!r})"

    def resolved(self) -> "KafkaSecurity":
        """Return the same with every variable read.

        Raises:
            ConfigError: A variable is not set.
        """
        texts = {name: getattr(self, name) for name in self.__struct_fields__ if name != "token"}
        filled = {name: resolve_template(text) for name, text in texts.items() if isinstance(text, str)}
        return msgspec.structs.replace(self, **filled)

    @property
    def is_encrypted(self) -> bool:
        """Whether connections use TLS."""
        return self.protocol.endswith("SSL")
