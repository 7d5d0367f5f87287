"""URLs of state stores: what is accepted, and how they are shown without their passwords."""

import re

SQLITE = "sqlite:///"
#: What the URL of a PostgreSQL store may begin with.
POSTGRES = ("postgresql+asyncpg://", "postgresql://")
FORM = f'write "{SQLITE}market.db" (four slashes before an absolute path) or "{POSTGRES[0]}user:password@host/database"'

SECRETS = re.compile(r"([?&][^=&]*(?:pass|secret|token)[^=&]*=)[^&]*", re.IGNORECASE)


def masked(url: str) -> str:
    """Return a URL with ``***`` in place of every password.

    The password ends at the last ``@``, so that one which holds an unescaped ``@``, ``/`` or ``?`` is hidden whole.
    When in doubt more is hidden, never less: what has no scheme is looked at as well.
    """
    scheme, slashes, rest = url.partition("://") if "://" in url else ("", "", url)
    if not rest.startswith("/"):
        user, _, host = rest.rpartition("@")
        name, colon, _ = user.partition(":")
        rest = f"{name}:***@{host}" if colon else rest

    return SECRETS.sub(r"\1***", f"{scheme}{slashes}{rest}")


def url_problem(url: str) -> str | None:
    """Return why a URL names no state store, without a password in it; None when it does."""
    if url.startswith(SQLITE):
        return _sqlite_problem(url.removeprefix(SQLITE))

    if url.startswith(POSTGRES):
        return _postgres_problem(url)

    shown = masked(url)
    scheme, slashes, _ = url.partition("://")
    if slashes and scheme.partition("+")[0].lower() == "sqlite":
        return f'"{shown}" is not the URL of a store; for SQLite it begins with {SQLITE}'

    if url and not slashes:
        return f'"{shown}" is not a URL; for a file write "{SQLITE}{shown}"'

    return f'"{shown}" is not the URL of a store; {FORM}'


def _postgres_problem(url: str) -> str | None:
    _, _, rest = url.partition("://")
    database = rest.rpartition("@")[2].partition("/")[2].partition("?")[0]
    return None if database else f'"{masked(url)}" names no database; write it behind the host: "…@localhost/market"'


def _sqlite_problem(path: str) -> str | None:
    if not path.strip("/"):
        return f'"{SQLITE}{path}" names no file; write "{SQLITE}market.db"'

    if path == ":memory:" or path.startswith("file:"):
        return f'"{SQLITE}{path}" lives in memory or has options; a store is a file: "{SQLITE}market.db"'

    if "\0" in path or "?" in path:
        return (
            f'"{SQLITE}{path}" has a character that the path may not have ("?" begins options, which there are none of)'
        )

    return None
