"""What the URL of a PostgreSQL store says, and what each of our connections is opened with."""

import re
import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import msgspec
from sqlalchemy.engine import URL

from penstock.runtime.errors import ConfigError
from penstock.runtime.urls import masked

#: Where the tables are unless the URL says so: not ``public``, which is often shared and often closed.
SCHEMA = "penstock"
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
RESERVED = {"public", "information_schema"}
#: What libpq knows about reaching a server and proving who we are; asyncpg takes these from the URL.
DRIVER_OPTIONS = {
    *("host", "port", "passfile", "service", "servicefile", "target_session_attrs", "krbsrvname", "gsslib"),
    *("sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
}
LARGEST_TOKEN = 2**63


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the URL and the caller say about the server."""

    #: How errors and logs name the store; holds no password.
    name: str
    #: For the driver.
    dsn: str
    schema: str
    serve: bool
    #: Tells this start from all others, and is the number of its advisory lock.
    token: int


def read_options(url: URL, *, synchronous: str, serve: bool) -> Options:
    """Return what a PostgreSQL URL says.

    Raises:
        ConfigError: It says something that we do not do.
    """
    name = repr(masked(url.render_as_string(hide_password=True)))
    if synchronous != "full":
        raise ConfigError(
            f"store {name}: synchronous={synchronous!r} is for SQLite; on PostgreSQL every commit is durable: "
            "leave it out"
        )

    query = dict(url.query)
    if unknown := sorted(set(query) - DRIVER_OPTIONS - {"schema"}):
        known = ", ".join(sorted(DRIVER_OPTIONS | {"schema"}))
        raise ConfigError(f"store {name}: unknown option {unknown[0]!r}; known: {known}")

    if repeated := sorted(key for key, value in query.items() if not isinstance(value, str)):
        raise ConfigError(f"store {name}: option {repeated[0]!r} is given twice")

    if not url.database:
        raise ConfigError(f"store {name} names no database: write it behind the host, as in '…@localhost/market'")

    schema = read_schema(name, str(query.pop("schema", SCHEMA)))
    return Options(
        name=name,
        dsn=dsn(url, {key: str(value) for key, value in query.items()}),
        schema=schema,
        serve=serve,
        token=secrets.randbelow(LARGEST_TOKEN),
    )


def read_schema(store: str, schema: str) -> str:
    """Return the name of a schema, if it may be one: it stands in SQL as it is."""
    if not NAME.fullmatch(schema):
        raise ConfigError(
            f"store {store}: schema={schema!r}: 1 to 63 of a–z, 0–9 and _, no digit first (capital letters would be "
            "another name with quotes and the same without)"
        )

    if schema in RESERVED or schema.startswith("pg_"):
        raise ConfigError(f"store {store}: schema={schema!r} is PostgreSQL's own: give Penstock one of its own")

    return schema


def dsn(url: URL, query: Mapping[str, str]) -> str:
    """Return the URL as the driver reads it."""
    user = "" if url.username is None else quote(url.username, safe="")
    password = "" if url.password is None else f":{quote(str(url.password), safe='')}"
    at = "@" if user or password else ""
    host = f"[{url.host}]" if ":" in (url.host or "") else url.host or ""
    port = "" if url.port is None else f":{url.port}"
    options = f"?{urlencode(query, quote_via=quote)}" if query else ""
    return f"postgresql://{user}{password}{at}{host}{port}/{quote(url.database or '', safe='')}{options}"
