"""``penstock letters …``: what could not be processed, to be looked at, given back, or thrown away."""

import json as json_text
from functools import partial
from typing import Annotated

import anyio
import msgspec
from cyclopts import App as Commands, Parameter, validators

from penstock.app import App
from penstock.cli.asking import WAIT, Wait, ask_all
from penstock.cli.loading import load
from penstock.cli.options import Json, Reference, StoreUrl, settings, store_url
from penstock.cli.output import Table, clock_time, complain, iso, print_fields, print_json, print_table
from penstock.cli.stores import read
from penstock.command import Command, Verb
from penstock.runtime.clock import Activity, SystemClock
from penstock.runtime.errors import PenstockError, StoreInUse
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store.letters import discard_letter, list_letters, load_letter
from penstock.runtime.store.rows import LetterRow
from penstock.runtime.store.store import Store
from penstock.runtime.urls import masked

#: Characters of a payload or an error that are shown to people.
LONGEST = 400

app: Commands = Commands(name="letters", help="Look at dead letters, give them back, or throw them away.")

PartName = Annotated[str | None, Parameter(name="--part", help="Only those of this accumulator, reactor or graph.")]
Limit = Annotated[
    int, Parameter(name="--limit", help="At most so many letters.", validator=validators.Number(gte=1, lte=100_000))
]
LetterId = Annotated[int, Parameter(help="The letter's number, as `penstock letters list` shows it.")]


@app.command(name="list")
def list_(*, part: PartName = None, limit: Limit = 20, store: StoreUrl = None, json: Json = False) -> int:
    """List dead letters, newest first."""
    url = settings(store).config.store
    found = read(url, lambda opened: list_letters(opened, part, limit=limit))
    if json:
        print_json({"store": masked(url), "letters": [details(letter) for letter in found]})
    else:
        print_table(
            Table(
                columns=("letter", "part", "reason", "created", "error"),
                rows=tuple(line(letter) for letter in found),
                empty=f"no such letters in {masked(url)}",
            )
        )

    return 0


@app.command
def show(letter: LetterId, /, *, store: StoreUrl = None, json: Json = False) -> int:
    """Show one dead letter: reason, error, and what could not be processed."""
    found = read(settings(store).config.store, lambda opened: load_letter(opened, letter))
    if json:
        print_json(details(found))
    else:
        print_fields(
            (
                ("letter", str(found.id)),
                ("part", found.part),
                ("reason", found.reason),
                ("created", clock_time(found.created_at)),
                ("position", found.position or ""),
                ("error", shortened(found.error)),
                ("payload", shortened(text_of(found.payload))),
            )
        )

    return 0


@app.command
def replay(
    reference: Reference,
    letters: tuple[int, ...],
    /,
    *,
    wait: Wait = WAIT,
    store: StoreUrl = None,
    json: Json = False,
) -> int:
    """Give dead letters back to the parts of an app that could not process them.

    An app that serves the store does it; when none does, the app is opened here for as long as that takes. A letter is
    deleted in the commit that holds what became of it. What fails again becomes a new letter. The exit code is 1 when
    one could not be given back; it stays.
    """
    opened = load(reference)
    if store is not None:
        opened.config = msgspec.structs.replace(opened.config, store=store_url(store))

    try:
        outcomes = anyio.run(give_back, opened, letters)
    except StoreInUse:
        outcomes = ask_for(opened.config.store, "letters.replay", letters, wait)

    if json:
        print_json({"letters": [{"id": letter, "error": error} for letter, error in outcomes.items()]})
    else:
        for letter, error in outcomes.items():
            complain(f"letter {letter}: {error}") if error else print(f"letter {letter}: given back")

    return 1 if any(outcomes.values()) else 0


async def give_back(opened: App, letters: tuple[int, ...]) -> dict[int, str | None]:
    """Give letters back, one after the other; return why one could not be."""
    outcomes: dict[int, str | None] = {}
    async with opened:
        for letter in letters:
            try:
                await opened.replay_letter(letter)
            except PenstockError as error:
                outcomes[letter] = str(error)
            else:
                outcomes[letter] = None

    return outcomes


@app.command
def discard(letters: tuple[int, ...], /, *, wait: Wait = WAIT, store: StoreUrl = None, json: Json = False) -> int:
    """Delete dead letters. An app that serves the store does it, when one does."""
    url = settings(store).config.store
    for letter in letters:
        read(url, partial(load_letter, letter_id=letter))  # all of them or none

    try:
        anyio.run(discard_all, url, letters)
        outcomes: dict[int, str | None] = dict.fromkeys(letters)
    except StoreInUse:
        outcomes = ask_for(url, "letters.discard", letters, wait)

    if json:
        print_json({"letters": [letter for letter, error in outcomes.items() if not error]})

    for letter, error in outcomes.items():
        if error:
            complain(f"letter {letter}: {error}")
        elif not json:
            print(f"letter {letter}: discarded")

    return 1 if any(outcomes.values()) else 0


def ask_for(url: str, verb: Verb, letters: tuple[int, ...], seconds: float) -> dict[int, str | None]:
    """Let the app that serves the store do something with letters; return why it could not with some."""
    found = ask_all(url, [Command(verb=verb, target=str(letter)) for letter in letters], seconds)
    return {
        letter: str(outcome) if isinstance(outcome, PenstockError) else None
        for letter, outcome in zip(letters, found, strict=True)
    }


async def discard_all(url: str, letters: tuple[int, ...]) -> None:
    """Delete letters, as the one who serves the store."""
    scheduler = Scheduler(SystemClock(), on_error=lambda error: complain(f"penstock: {error}"))
    try:
        store = await Store.open(url, scheduler=scheduler, activity=Activity())
        try:
            for letter in letters:
                await discard_letter(store, letter)
        finally:
            await store.close()
    finally:
        scheduler.close()


def line(letter: LetterRow) -> tuple[str, ...]:
    """Return a letter as a row of the list."""
    return (str(letter.id), letter.part, letter.reason, clock_time(letter.created_at), shortened(letter.error, 80))


def details(letter: LetterRow) -> dict[str, object]:
    """Return what --json prints about a letter."""
    return {
        "id": letter.id,
        "part": letter.part,
        "reason": letter.reason,
        "error": letter.error,
        "payload": payload_of(letter.payload),
        "position": letter.position,
        "created_at": iso(letter.created_at),
    }


def payload_of(payload: bytes) -> object:
    """Return a payload for programs: JSON as what it says, other text as text, bytes as they look in Python."""
    try:
        return json_text.loads(payload)
    except ValueError:
        return text_of(payload)


def text_of(payload: bytes) -> str:
    """Return a payload as text."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return repr(payload)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return the beginning of a text."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters; --json shows all)"
