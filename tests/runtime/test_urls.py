"""URLs of stores: what is accepted, and that no password is shown."""

import pytest
from hypothesis import given, strategies as st

from penstock.runtime.urls import masked, url_problem


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///market.db",
        "sqlite:////var/lib/market.db",
        "sqlite:///data@home/a:b.db",
        "postgresql+asyncpg://user:secret@host:5432/db?schema=market",
        "postgresql:///db?host=/run/postgresql",
    ],
)
def test_url_of_a_store_has_no_problem(url: str) -> None:
    assert url_problem(url) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("market.db", '"market.db" is not a URL; for a file write "sqlite:///market.db"'),
        ("", '"" is not the URL of a store; write "sqlite:///market.db"'),
        ("sqlite://market.db", "for SQLite it begins with sqlite:///"),
        ("sqlite+aiosqlite:///market.db", "for SQLite it begins with sqlite:///"),
        ("sqlite:///", "names no file"),
        ("sqlite:////", "names no file"),
        ("sqlite:///:memory:", "lives in memory or has options"),
        ("sqlite:///market.db?mode=ro", "has a character that the path may not have"),
        ("postgres://user:secret@host/db", "is not the URL of a store; write"),
        ("postgresql+asyncpg://user:secret@host", "names no database"),
        ("mysql://user:secret@host/db", "is not the URL of a store; write"),
        ("mysql://user:sec@ret@host/db", "is not the URL of a store; write"),
    ],
)
def test_other_url_says_what_to_write_and_shows_no_password(url: str, reason: str) -> None:
    problem = url_problem(url) or ""
    assert reason in problem
    assert "sec" not in problem


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///market.db", "sqlite:///market.db"),
        ("sqlite:////data@home/a:b.db", "sqlite:////data@home/a:b.db"),
        ("postgresql+asyncpg://host/db", "postgresql+asyncpg://host/db"),
        ("postgresql+asyncpg://user@host/db", "postgresql+asyncpg://user@host/db"),
        ("postgresql+asyncpg://user:p@host/db", "postgresql+asyncpg://user:***@host/db"),
        ("postgresql+asyncpg://user:p@ss/w?o#rd@host/db", "postgresql+asyncpg://user:***@host/db"),
        ("postgresql+asyncpg://user:@host/db", "postgresql+asyncpg://user:***@host/db"),
        ("postgresql+asyncpg:///db?user=a&password=b&x=c", "postgresql+asyncpg:///db?user=a&password=***&x=c"),
        ("postgresql+asyncpg:///db?sslPassword=b", "postgresql+asyncpg:///db?sslPassword=***"),
        ("user:secret@host/db", "user:***@host/db"),
        ("market.db", "market.db"),
    ],
)
def test_password_is_masked(url: str, shown: str) -> None:
    assert masked(url) == shown


@given(st.text(min_size=1), st.sampled_from(["postgresql+asyncpg", "postgres", "mysql"]))
def test_no_password_gets_through(password: str, scheme: str) -> None:
    assert masked(f"{scheme}://user:{password}@host/db") == f"{scheme}://user:***@host/db"
    assert f":{password}@" not in (url_problem(f"{scheme}://user:{password}@host/db") or "")
