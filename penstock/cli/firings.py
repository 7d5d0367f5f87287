"""``penstock firings …``: firings that are over, of reactors with ``history="store"``."""

from typing import Annotated

import msgspec
from cyclopts import App, Parameter, validators

from penstock.cli.options import Json, StoreUrl, settings
from penstock.cli.output import Table, clock_time, duration, iso, print_json, print_table
from penstock.cli.stores import read
from penstock.reactors.past import PastFiring, past_row
from penstock.runtime.store.history import list_history
from penstock.runtime.urls import masked

app: App = App(name="firings", help='Look at firings that are over, of reactors with history="store".')

ReactorName = Annotated[str, Parameter(help="Name of the reactor.")]
Limit = Annotated[
    int, Parameter(name="--limit", help="At most so many firings.", validator=validators.Number(gte=1, lte=100_000))
]
Before = Annotated[
    int | None, Parameter(name="--before", help="Only those before this number: the last one of the page before.")
]


@app.command(name="list")
def list_(
    reactor: ReactorName,
    /,
    *,
    limit: Limit = 20,
    before: Before = None,
    store: StoreUrl = None,
    json: Json = False,
) -> int:
    """List firings, newest first. Inputs are shown as the store holds them, without the types of the app."""
    url = settings(store).config.store
    rows = read(url, lambda opened: list_history(opened, reactor, limit=limit, before=before))
    found = [past_row(row, {}) for row in rows]
    if json:
        print_json({"store": masked(url), "firings": [details(firing) for firing in found]})
    else:
        print_table(
            Table(
                columns=("number", "firing", "key", "at", "took", "outcome", "inputs"),
                rows=tuple(line(firing) for firing in found),
                empty=f'no firings of {reactor!r} in {masked(url)}: they are stored where history="store" says so',
            )
        )

    return 0


def details(firing: PastFiring) -> dict[str, object]:
    """Return what --json prints about a firing."""
    return {
        "number": firing.number,
        "id": firing.id,
        "reactor": firing.reactor,
        "key": firing.key,
        "inputs": plain(firing),
        "changed": sorted(firing.changed),
        "manual": firing.manual,
        "at": iso(firing.at),
        "seconds": firing.seconds,
        "ok": firing.ok,
        "results": dict(firing.results),
    }


def line(firing: PastFiring) -> tuple[str, ...]:
    """Return a firing's line in the list."""
    outcome = "ok" if firing.ok else "; ".join(f"{name}: {error}" for name, error in firing.results.items() if error)
    inputs = "could not be stored" if firing.inputs is None else msgspec.json.encode(plain(firing)).decode()
    return (
        str(firing.number),
        firing.id,
        "" if firing.key is None else str(firing.key),
        clock_time(firing.at),
        duration(firing.seconds),
        f"{outcome} (by hand)" if firing.manual else outcome,
        inputs,
    )


def plain(firing: PastFiring) -> object:
    """Return the inputs as JSON can write them."""
    return msgspec.to_builtins(firing.inputs, str_keys=True)
