"""What the errors of the server and of its driver mean."""

from collections.abc import Callable, Mapping

import asyncpg

from penstock.runtime.errors import (
    ConfigError,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    WriteConflict,
)


def broken(store: str, reason: str) -> StoreError:
    """Say what should not happen: a missing table, a wrong use of the driver."""
    return StoreError(f"store {store}: {reason}")


def refused(store: str, reason: str) -> ConfigError:
    """Say that the server does not let us in as the URL says."""
    return ConfigError(f"store {store}: {reason}")


#: What the classes of SQLSTATE mean, and some states that mean something else than their class.
MEANINGS: Mapping[str, Callable[[str, str], StoreError | ConfigError]] = {
    "08": StoreUnavailable,
    "40": StoreUnavailable,
    "53": StoreUnavailable,
    "55": StoreUnavailable,
    "57": StoreUnavailable,
    "58": StoreUnavailable,
    "XX001": StoreCorrupt,
    "XX002": StoreCorrupt,
    "53100": StoreFull,
    "25006": StoreReadOnly,
    "42501": StoreReadOnly,
    "28": refused,
    "3D000": refused,
}
#: What to do about what the server says to who connects.
FIXES = {
    "08P01": "connect to PostgreSQL itself, or to a pooler that keeps sessions",
    "28000": "mend the URL, or let the user in at the server (its role, pg_hba.conf)",
    "28P01": "check the user and the password of the URL",
    "3D000": "make it with CREATE DATABASE, or mend the URL",
    "42501": "let the user in with GRANT CONNECT ON DATABASE",
    "53300": "raise max_connections at the server, or end other clients",
}
#: Those that pass: a server that has too many clients now.
PASSING = {"53300"}
#: Rows that cannot be stored: bad data, a broken constraint, a key too long for an index.
ROW_FAULTS = ("22", "23", "54")
#: What the driver raises.
TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


def translate_connecting(store: str, error: Exception) -> StoreError | ConfigError:
    """Return the error of ours that says why there is no connection, and what to do about it."""
    if isinstance(error, asyncpg.PostgresError):
        state = str(error.sqlstate or "")
        if state not in FIXES:
            return translate(store, error, "connecting")

        return (StoreUnavailable if state in PASSING else refused)(store, f"{reason_of(error)}: {FIXES[state]}")

    # the driver refuses an option
    if isinstance(error, ValueError):
        return refused(store, reason_of(error))

    return StoreUnavailable(store, f"{reason_of(error)}; check that the server runs, and host and port of the URL")


def reason_of(error: Exception) -> str:
    """Return what an error says, on one line."""
    nothing = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    return " ".join(str(error).split()) or nothing


def translate(store: str, error: Exception, doing: str) -> StoreError | ConfigError:
    """Return the error of ours that says what a driver's error means."""
    reason = reason_of(error)
    if isinstance(error, asyncpg.PostgresError):
        state = str(error.sqlstate or "")
        if state.startswith(ROW_FAULTS):
            return WriteConflict(doing, reason)

        return MEANINGS.get(state, MEANINGS.get(state[:2], broken))(store, reason)

    # the driver itself refuses a value; its other errors are about connections that are gone
    return WriteConflict(doing, reason) if isinstance(error, ValueError) else StoreUnavailable(store, reason)
