"""``penstock config show``: each setting with its value and where that came from."""

import msgspec
from cyclopts import App

from penstock.cli.options import Json, StoreUrl, settings
from penstock.cli.output import Table, print_json, print_table
from penstock.runtime.urls import masked

app: App = App(name="config", help="Look at the settings.")


@app.command
def show(*, store: StoreUrl = None, json: Json = False) -> int:
    """Show every setting with its value and its origin.

    The origin is an argument, a variable of the environment, a configuration file, or the default.
    """
    found = settings(store)
    values = msgspec.structs.asdict(found.config) | {"store": masked(found.config.store)}
    rows = [(name, value, found.origins[name]) for name, value in values.items()]
    if json:
        print_json({"settings": [{"name": name, "value": value, "origin": origin} for name, value, origin in rows]})
    else:
        shown = tuple((name, "none" if value is None else str(value), origin) for name, value, origin in rows)
        print_table(Table(columns=("setting", "value", "origin"), rows=shown))

    return 0
