"""The options and arguments that several commands share, with their words for ``--help``."""

from typing import Annotated

from cyclopts import Parameter

#: Where the app is: ``package.module:attribute``.
Reference = Annotated[
    str, Parameter(help="The app, as module:attribute; without an attribute it is `app`.", negative=())
]
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.", negative=())]
StoreUrl = Annotated[
    str | None,
    Parameter(name="--store", help="The state store, as a URL or the path of a SQLite file; default: the setting."),
]
