"""From a URL to the engine behind it. Imported when a store is opened: SQLAlchemy takes longer to import than we do."""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from penstock.runtime.errors import ConfigError
from penstock.runtime.store.engine import Engine
from penstock.runtime.store.sqlite import SQLiteEngine, read_options


def make_engine(url: str, *, synchronous: str, serve: bool, lock: bool, started_at: str) -> Engine:
    """Return the engine of a URL, not open yet.

    Raises:
        ConfigError: The URL cannot be used.
        StoreReadOnly: It asks for reading only, and we serve.
    """
    return SQLiteEngine(
        read_options(parse_url(url), synchronous=synchronous, serve=serve, lock=lock, started_at=started_at)
    )


def parse_url(text: str) -> URL:
    """Read the URL of a store.

    Raises:
        ConfigError: It is not a URL, or none of a store that we know.
    """
    accepted = "write 'sqlite:///file.db' (relative) or 'sqlite:////folder/file.db' (absolute)"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(f"store {text!r} is not a URL: {accepted}") from error

    if url.get_backend_name() != "sqlite":
        known = url.render_as_string(hide_password=True)
        raise ConfigError(f"store {known!r}: this version stores in SQLite only: {accepted}")

    if url.drivername != "sqlite":
        raise ConfigError(f"store {text!r}: the driver is chosen by Penstock: {accepted}")

    return url
