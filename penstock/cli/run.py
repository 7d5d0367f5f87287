"""``penstock run module:app``: serve until a signal, and say what happens."""

import json as json_text

import anyio
import msgspec

from penstock.app import App
from penstock.cli.loading import load
from penstock.cli.options import Json, Reference, StoreUrl, store_url
from penstock.cli.output import clock_time, complain, duration, iso
from penstock.runtime.clock import SystemClock
from penstock.runtime.observe import (
    CircuitChanged,
    DomainLost,
    EventDropped,
    Fact,
    FiringFailed,
    PartRestarted,
    RunFinished,
    RunStarted,
    StoreRetried,
)
from penstock.runtime.urls import masked

#: What is worth a line, and the line.
SENTENCES: dict[type[Fact], str] = {
    RunStarted: "run {run_id} of {workflow} started by {origin}",
    RunFinished: "run {run_id} of {workflow} {status} after {seconds}",
    FiringFailed: "firing {firing}: graph {graph} failed ({outcome}): {error}",
    EventDropped: "{part} dropped an event ({reason}): {error}",
    PartRestarted: "{part} failed and starts again in {delay}: {error}",
    CircuitChanged: "{part} is {state}: {error}",
    StoreRetried: "the store has trouble, next try in {delay}: {error}",
    DomainLost: "domain {domain} was taken over by another owner (epoch {epoch})",
}


def run(reference: Reference, /, *, store: StoreUrl = None, json: Json = False) -> int:
    """Serve an app until SIGINT (Ctrl-C) or SIGTERM, then stop in order.

    Prints a line when a run starts or ends and when something goes wrong. With --json every fact is one JSON document
    on a line of its own.
    """
    app = load(reference)
    if store is not None:
        app.config = msgspec.structs.replace(app.config, store=store_url(store))

    anyio.run(serve, app, reference, json)
    return 0


async def serve(app: App, reference: str, json: bool) -> None:  # noqa: FBT001 - anyio.run passes positions only
    """Open the app, serve it and print its facts."""
    clock = SystemClock()

    def tell(fact: Fact) -> None:
        if json:
            print(json_text.dumps({"at": iso(clock.now()), **msgspec.to_builtins(fact)}), flush=True)
        elif words := sentence(fact):
            print(f"{clock_time(clock.now())}  {words}", flush=True)

    app.observe(tell)  # before it is open: a server may have to be waited for
    async with app:
        complain(f"penstock: {reference} serves {masked(app.config.store)}; Ctrl-C stops it")
        await app.serve()


def sentence(fact: Fact) -> str | None:
    """Return what a person wants to read about a fact; nothing for what happens all the time."""
    template = SENTENCES.get(type(fact))
    if template is None or (isinstance(fact, EventDropped) and fact.error is None):
        return None

    fields = {name: words(name, value) for name, value in msgspec.structs.asdict(fact).items()}
    return template.format_map(fields).removesuffix(": ")


def words(name: str, value: object) -> str:
    """Return a field of a fact for people."""
    if isinstance(value, float) and name in {"seconds", "delay"}:
        return duration(value)

    return "" if value is None else str(value)
