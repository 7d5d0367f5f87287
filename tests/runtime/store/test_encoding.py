"""Databases that could not hold every text are refused when they are opened, not when the text comes."""

import pytest
from sqlalchemy.engine import make_url

from penstock.runtime.errors import ConfigError
from tests.databases import Stores, postgres_only, rows
from tests.runtime.store.conftest import OpenStore

pytestmark = [postgres_only]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
@pytest.mark.parametrize("serve", [True, False])
async def test_a_database_of_another_encoding_is_refused(
    new_stores: Stores, open_store: OpenStore, encoding: str, *, serve: bool
) -> None:
    url = new_stores.new(empty=True)
    name = make_url(url).database
    other = make_url(url).set(database="postgres").render_as_string(hide_password=False)
    rows(other, f"DROP DATABASE {name}")
    rows(other, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'")
    with pytest.raises(ConfigError, match=f"has the encoding {encoding}, which does not hold every text"):
        await open_store(url=url, serve=serve)
