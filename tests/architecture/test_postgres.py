"""The server that tests start: it is there when it should be, and gone afterwards, whatever ended them."""

from collections.abc import Iterator

import pytest

from tests.architecture.orphans import MOMENTS, check_that_it_ends_with_the_tests
from tests.databases import Stores, dump, postgres_only, rows
from tests.postgres import Aside, connect
from tests.postgres_server import SAFE, PostgresServer
from tests.services import need


@pytest.fixture
def aside() -> Iterator[Aside]:
    aside = Aside()
    yield aside
    aside.close()


def ask(aside: Aside, url: str, text: str) -> object:
    async def fetch() -> object:
        connection = await connect(url)
        try:
            return await connection.fetchval(text)
        finally:
            await connection.close()

    return aside.run(fetch())


@pytest.mark.timeout(60)
def test_it_is_the_same_after_a_restart_and_a_kill_and_gone_after_its_removal(aside: Aside) -> None:
    need("postgres")
    with PostgresServer(**SAFE) as server:
        ask(aside, server.url(), "CREATE TABLE public.kept AS SELECT 7 AS number")
        server.restart()
        assert ask(aside, server.socket_url(), "SELECT number FROM public.kept") == 7
        server.kill()
        assert not server.running
        server.start()
        assert ask(aside, server.url(), "SELECT number FROM public.kept") == 7
        assert ask(aside, server.url(), "SHOW fsync") == "on"

    assert (server.running, server.folder.exists()) == (False, False)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("moment", MOMENTS)
def test_it_ends_when_the_tests_are_killed(moment: str) -> None:
    need("postgres")
    check_that_it_ends_with_the_tests("tests.postgres_server", "PostgresServer", moment)


@postgres_only
async def test_a_database_holds_the_schema_without_a_row_or_nothing_at_all(new_stores: Stores) -> None:
    url, other = new_stores.new(), new_stores.new()
    assert {name for name, found in dump(url).items() if found} == {"migrations"}
    rows(
        url,
        "INSERT INTO schedules (name, workflow, expression, timezone, catchup, paused) "
        "VALUES (?, 'w', '* * * * *', 'UTC', 'skip', ?)",
        "nightly",
        True,
    )
    assert rows(url, "SELECT name, paused FROM schedules") == [("nightly", True)]
    assert rows(other, "SELECT name FROM schedules") == []
    assert dump(new_stores.new(empty=True)) == {}
