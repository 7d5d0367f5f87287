"""From a URL to the engine behind it. Imported when a store is opened: SQLAlchemy takes longer to import than we do."""

import importlib
from collections.abc import Awaitable
from types import ModuleType
from typing import cast

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from penstock.runtime.clock import Clock
from penstock.runtime.errors import ConfigError
from penstock.runtime.store.engine import Engine
from penstock.runtime.store.postgres_facts import ServerFacts
from penstock.runtime.store.sqlite import SQLiteEngine, read_options
from penstock.runtime.urls import masked

#: What a URL may begin with: the database, and the driver, which there is one of.
DRIVERS = {"sqlite", "postgresql", "postgresql+asyncpg"}


def make_engine(url: str, *, synchronous: str, serve: bool, lock: bool, started_at: str) -> Engine:
    """Return the engine of a URL, not open yet.

    Raises:
        ConfigError: The URL cannot be used.
        StoreReadOnly: It asks for reading only, and we serve.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "postgresql":
        return make_postgres(parsed, synchronous=synchronous, serve=serve)

    return SQLiteEngine(read_options(parsed, synchronous=synchronous, serve=serve, lock=lock, started_at=started_at))


def make_postgres(url: URL, *, synchronous: str, serve: bool) -> Engine:
    """Return the engine of the URL of a server."""
    postgres = import_postgres("postgres")
    return cast("Engine", postgres.PostgresEngine(read_postgres(url, synchronous=synchronous, serve=serve)))


def examine_server(text: str, clock: Clock, *, synchronous: str) -> Awaitable[ServerFacts]:
    """Look at the server of a URL; the answer raises what ``postgres_check.examine`` raises.

    Raises:
        ConfigError: The URL cannot be used.
    """
    check = import_postgres("postgres_check")
    options = read_postgres(parse_url(text), synchronous=synchronous, serve=False)
    return cast("Awaitable[ServerFacts]", check.examine(options, clock))


def read_postgres(url: URL, *, synchronous: str, serve: bool) -> object:
    """Return what the URL of a server says."""
    options = importlib.import_module("penstock.runtime.store.postgres_url")
    return cast("object", options.read_options(url, synchronous=synchronous, serve=serve))


def import_postgres(module: str) -> ModuleType:
    """Import a module that needs the driver, which is an extra.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        return importlib.import_module(f"penstock.runtime.store.{module}")
    except ModuleNotFoundError as error:
        if error.name != "asyncpg":
            raise

        raise ConfigError("PostgreSQL needs the package asyncpg: pip install 'penstock[postgres]'") from error


def parse_url(text: str) -> URL:
    """Read the URL of a store.

    Raises:
        ConfigError: It is not a URL, or none of a store that we know.
    """
    accepted = (
        "write 'sqlite:///file.db' (relative), 'sqlite:////folder/file.db' (absolute) or "
        "'postgresql+asyncpg://user@host/database'"
    )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # without the cause: its text holds the password
        raise ConfigError(f"store {masked(text)!r} is not a URL: {accepted}") from None

    if url.drivername not in DRIVERS:
        raise ConfigError(f"store {masked(text)!r} is none that Penstock knows, or names another driver: {accepted}")

    return url
