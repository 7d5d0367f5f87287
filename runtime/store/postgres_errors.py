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
#: Rows that cannot be stored: bad data, a broken constraint, a key too long for an index.
ROW_FAULTS = ("22", "23", "54")
#: What the driver raises.
TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


def translate(store: str, error: Exception, doing: str) -> StoreError | ConfigError:
    """Return the error of ours that says what a driver's error means."""
    reason = str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
    if isinstance(error, asyncpg.PostgresError):
        state = str(error.sqlstate or "")
        if state.startswith(ROW_FAULTS):
            return WriteConflict(doing, reason)

        return MEANINGS.get(state, MEANINGS.get(state[:2], broken))(store, reason)

    # the driver itself refuses a value; its other errors are about connections that are gone
    return WriteConflict(doing, reason) if isinstance(error, ValueError) else StoreUnavailable(store, reason)
