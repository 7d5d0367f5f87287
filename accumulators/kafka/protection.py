"""What the options of a protected connection are made of; it reads files."""

import ssl

from penstock.accumulators.kafka.client import tokens_from
from penstock.accumulators.kafka.security import KafkaSecurity
from penstock.runtime.errors import ConfigError


def protection(security: KafkaSecurity | None) -> dict[str, object]:
    """Return the options of a protected connection; reads files, so call it in a thread.

    Raises:
        ConfigError: A file cannot be read, or is none.
    """
    if security is None:
        return {}

    options: dict[str, object] = {"security_protocol": security.protocol}
    if security.is_encrypted:
        options["ssl_context"] = ssl_context(security)

    if security.mechanism is not None:
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": security.password,
            "sasl_kerberos_service_name": security.kerberos_service,
            "sasl_kerberos_domain_name": security.kerberos_domain,
            "sasl_oauth_token_provider": None if security.token is None else tokens_from(security.token),
        }

    return options


def ssl_context(security: KafkaSecurity) -> ssl.SSLContext:
    """Return what TLS needs, from the files.

    Raises:
        ConfigError: A file cannot be read, or is none.
    """
    try:
        context = ssl.create_default_context(cafile=security.ca_file)
        if security.certificate_file is not None:
            context.load_cert_chain(security.certificate_file, security.key_file, security.key_password)
    except OSError as error:  # what is wrong with a certificate is one as well
        raise ConfigError(f"{security!r}: its certificates cannot be used: {error}") from error

    return context
