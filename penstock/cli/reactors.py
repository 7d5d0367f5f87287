"""``penstock reactors …``: fire, pause and resume the reactors of a running app."""

from typing import Annotated

from cyclopts import App, Parameter

from penstock.cli.asking import WAIT, Wait, ask_all
from penstock.cli.options import Json, StoreUrl, settings
from penstock.cli.output import print_json
from penstock.command import Command, Verb
from penstock.runtime.errors import ConfigError, PenstockError

app: App = App(name="reactors", help="Fire, pause and resume the reactors of a running app.")

ReactorName = Annotated[str, Parameter(help="Name of the reactor.")]
Key = Annotated[str | None, Parameter(name="--key", help="Which key to fire, where keys are texts.")]
NumberedKey = Annotated[int | None, Parameter(name="--number", help="Which key to fire, where keys are whole numbers.")]


@app.command
def fire(
    reactor: ReactorName,
    /,
    *,
    key: Key = None,
    number: NumberedKey = None,
    wait: Wait = WAIT,
    store: StoreUrl = None,
    json: Json = False,
) -> int:
    """Fire a reactor now, whatever its criteria say. The app that serves the store does it."""
    if key is not None and number is not None:
        raise ConfigError("a reactor has keys of one kind: give --key or --number, not both")

    chosen = number if key is None else key
    command = Command(verb="reactors.fire", target=reactor, arguments={} if chosen is None else {"key": chosen})
    firing = order(command, store, wait)
    if json:
        print_json({"reactor": reactor, "firing": firing})
    else:
        print(f"{reactor}: firing {firing}")

    return 0


@app.command
def pause(reactor: ReactorName, /, *, wait: Wait = WAIT, store: StoreUrl = None, json: Json = False) -> int:
    """Let a reactor take values and not fire, until it is resumed or the app starts again."""
    return switch("reactors.pause", reactor, store, wait, ("paused", "was paused already"), json=json)


@app.command
def resume(reactor: ReactorName, /, *, wait: Wait = WAIT, store: StoreUrl = None, json: Json = False) -> int:
    """Let a paused reactor fire again; what became due fires at once."""
    return switch("reactors.resume", reactor, store, wait, ("resumed", "was not paused"), json=json)


def switch(verb: Verb, reactor: str, store: str | None, wait: float, words: tuple[str, str], *, json: bool) -> int:
    """Change whether a reactor fires, and say whether that changed anything."""
    changed = bool(order(Command(verb=verb, target=reactor), store, wait))
    if json:
        print_json({"reactor": reactor, "changed": changed})
    else:
        print(f"{reactor}: {words[0] if changed else words[1]}")

    return 0


def order(command: Command, store: str | None, wait: float) -> object:
    """Let the running app do something, and return its answer.

    Raises:
        CommandFailed: It could not.
        CommandUnanswered: Nobody answered in time.
        StoreError: The store cannot be used.
    """
    [outcome] = ask_all(settings(store).config.store, [command], wait)
    if isinstance(outcome, PenstockError):
        raise outcome

    return outcome
