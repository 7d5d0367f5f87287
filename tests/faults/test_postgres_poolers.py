"""What may stand where a server is expected: a pooler, or a server that is too old."""

import pytest

from penstock.runtime.errors import ConfigError
from penstock.runtime.observe import Fact
from tests.faults.frames import message_of
from tests.faults.pooler import CHOICES, Pooler
from tests.faults.proxy import Proxy
from tests.faults.writes import push, pushed
from tests.runtime.store.conftest import OpenStore

pytestmark = [pytest.mark.timeout(60)]


@pytest.fixture
def url(server_url: str) -> str:
    return server_url  # asks for no password, of which a pooler of the tests knows none


@pytest.mark.parametrize(("choice", "serve"), [*((choice, True) for choice in CHOICES), ("last used", False)])
async def test_a_pooler_in_transaction_mode_is_refused(
    *, choice: str, serve: bool, url: str, open_store: OpenStore, facts: list[Fact]
) -> None:
    with Pooler(url, choice) as pooler, pytest.raises(ConfigError, match="pooler in transaction mode"):
        await open_store(url=pooler.url, serve=serve)

    assert facts == []


async def test_a_pooler_that_knows_no_settings_is_refused(url: str, open_store: OpenStore, facts: list[Fact]) -> None:
    with (
        Pooler(url, known={"application_name", "client_encoding"}) as pooler,
        pytest.raises(ConfigError, match=r"unsupported startup parameter: .* connect to PostgreSQL itself"),
    ):
        await open_store(url=pooler.url)

    assert facts == []


async def test_a_pooler_that_ignores_settings_is_refused(url: str, open_store: OpenStore, facts: list[Fact]) -> None:
    with Pooler(url, ignored={"search_path"}) as pooler, pytest.raises(ConfigError, match="ignores search_path"):
        await open_store(url=pooler.url)

    assert facts == []


async def test_a_pooler_that_gives_whole_sessions_is_as_good_as_a_server(url: str, open_store: OpenStore) -> None:
    with Pooler(url, None) as pooler:
        store = await open_store(url=pooler.url)
        await store.commit(push(store, "a"))
        await store.close()

    assert pushed(url) == ["a"]


async def test_a_server_that_is_too_old_is_refused(url: str, open_store: OpenStore, facts: list[Fact]) -> None:
    def older(message: bytes) -> bytes:
        return message_of(b"S", b"server_version\x0013.9\0") if message[5:].startswith(b"server_version\0") else message

    with Proxy(url, older) as proxy, pytest.raises(ConfigError, match="PostgreSQL 13 is too old: 14 or newer"):
        await open_store(url=proxy.url)

    assert facts == []
