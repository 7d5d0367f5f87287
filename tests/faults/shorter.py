"""Times of a lease that tests can wait for: each a part of what it is, so that the relations between them stay."""

from collections.abc import Callable

from penstock.runtime.store import postgres_driver, postgres_lease
from penstock.runtime.store.postgres import PostgresEngine
from penstock.runtime.store.postgres_lease import NOW

#: Seconds for which a lease is good, and after which a loop that is blocked no longer counts as serving.
LEASE, STALL_LIMIT = 2.0, 3.0


def shorten(change: Callable[[object, str, object], object], *, stall_limit: float = STALL_LIMIT) -> None:
    """Shorten all times in this process; ``change`` sets an attribute."""
    until = f"{NOW} + {int(LEASE * 1_000_000)}"
    change(postgres_lease, "UNTIL", until)
    change(postgres_lease, "RENEWAL", 0.4)
    change(postgres_lease, "RETRY", 0.07)
    change(postgres_lease, "ANSWER", 0.55)
    change(postgres_lease, "STALL_LIMIT", stall_limit)
    change(postgres_driver, "SESSION", {**postgres_driver.SESSION, "idle_in_transaction_session_timeout": "700ms"})
    change(PostgresEngine, "words", {**PostgresEngine.words, "lease_until": until})
