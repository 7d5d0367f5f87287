"""The options and arguments that several commands share, with their words for ``--help``."""

from typing import Annotated

from cyclopts import Parameter

from penstock.runtime.config import Settings, load
from penstock.runtime.urls import SQLITE

#: Where the app is: ``package.module:attribute``.
Reference = Annotated[
    str, Parameter(help="The app, as module:attribute; without an attribute it is `app`.", negative=())
]
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.", negative=())]
StoreUrl = Annotated[
    str | None,
    Parameter(name="--store", help="The state store, as a URL or the path of a SQLite file; default: the setting."),
]


def settings(store: str | None) -> Settings:
    """Return the settings as an app in this directory would see them.

    Raises:
        ConfigError: A setting cannot be used; all problems are named.
    """
    given = {} if store is None else {"store": store_url(store)}
    return load(given)


def store_url(text: str) -> str:
    """Return the URL of a store that may be given as the path of a SQLite file."""
    return text if "://" in text else f"{SQLITE}{text}"
