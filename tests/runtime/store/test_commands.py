"""Commands: taken by one or withdrawn, answered once, and in the commit that holds what was done."""

from datetime import UTC, datetime, timedelta

import pytest

from penstock.runtime.errors import LeaseLost, LetterNotFound
from penstock.runtime.store import checkpoints, commands, letters
from penstock.runtime.store.rows import CommandRow, LetterRow
from penstock.runtime.store.store import Store
from tests.databases import rows, sqlite_only
from tests.runtime.store.conftest import OpenStore

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
COMMAND = CommandRow(
    verb="letters.discard", target="7", arguments='{"a":1}', created_at=NOW, expires_at=NOW + timedelta(seconds=10)
)


async def add(store: Store, *given: CommandRow) -> list[int]:
    unit = store.unit("command")
    for row in given or (COMMAND,):
        commands.add_command(unit, row)

    await store.commit(unit)
    return unit.results


async def take(store: Store, command: int, owner: int) -> None:
    unit = store.unit("take command")
    commands.take_command(unit, command, owner)
    await store.commit(unit)


async def withdraw(store: Store, command: int) -> None:
    unit = store.unit("withdraw command")
    commands.withdraw_command(unit, command)
    await store.commit(unit)


async def answer(store: Store, command: int, owner: int, text: str = "{}") -> None:
    unit = store.unit("answer command")
    commands.answer_command(unit, command, owner, status="done", answer=text)
    await store.commit(unit)


async def status(store: Store, command: int) -> str:
    found = await commands.load_command(store, command)
    assert found is not None
    return found.status


async def test_commands_are_open_in_the_order_in_which_they_came_until_they_are_answered(store: Store) -> None:
    one, other = await add(store, COMMAND, CommandRow(verb="reactor.pause", target="r", created_at=NOW))
    found = await commands.list_open(store)
    assert [(row.id, row.verb, row.target, row.status) for row in found] == [
        (one, "letters.discard", "7", "waiting"),
        (other, "reactor.pause", "r", "waiting"),
    ]
    assert (found[0].arguments, found[0].created_at, found[0].expires_at) == ('{"a":1}', NOW, COMMAND.expires_at)
    assert (found[1].arguments, found[1].expires_at, found[1].owner) == ("{}", None, None)
    await take(store, one, store.node)
    await answer(store, one, store.node, '{"result":null}')
    assert [row.id for row in await commands.list_open(store)] == [other]
    done = await commands.load_command(store, one)
    assert done is not None
    assert (done.status, done.answer, done.owner) == ("done", '{"result":null}', store.node)
    assert done.answered_at == store.scheduler.clock.now()


async def test_a_command_is_taken_by_one_start_and_by_the_next_one_when_that_ended(store: Store) -> None:
    [command] = await add(store)
    await take(store, command, 1)
    with pytest.raises(LeaseLost):
        await take(store, command, 1)

    await take(store, command, 2)
    await answer(store, command, 1)
    assert await status(store, command) == "taken"
    await answer(store, command, 2)
    with pytest.raises(LeaseLost):
        await take(store, command, 3)


async def test_what_is_taken_is_not_withdrawn_and_what_is_withdrawn_is_not_taken(store: Store) -> None:
    taken, withdrawn = await add(store, COMMAND, COMMAND)
    await take(store, taken, 1)
    with pytest.raises(LeaseLost):
        await withdraw(store, taken)

    await withdraw(store, withdrawn)
    for late in (withdraw(store, withdrawn), take(store, withdrawn, 1)):
        with pytest.raises(LeaseLost):
            await late

    assert (await status(store, taken), await status(store, withdrawn)) == ("taken", "withdrawn")


async def test_the_first_answer_counts(store: Store) -> None:
    [command] = await add(store)
    await take(store, command, 1)
    await answer(store, command, 1, "1")
    await answer(store, command, 1, "2")
    found = await commands.load_command(store, command)
    assert found is not None
    assert found.answer == "1"


async def test_an_answer_is_not_stored_without_what_was_done(store: Store) -> None:
    [command] = await add(store)
    await take(store, command, store.node)
    unit = store.unit("discard letter")
    letters.take_letter(unit, 7)
    commands.answer_command(unit, command, store.node, status="done", answer="{}")
    with pytest.raises(LetterNotFound):
        await store.commit(unit)

    assert await status(store, command) == "taken"
    unit = store.unit("letter")
    checkpoints.add_letter(
        unit, LetterRow(domain="d", part="p", reason="decode", error="no", payload=b"", created_at=NOW)
    )
    await store.commit(unit)
    [letter] = await letters.list_letters(store, None, limit=1)
    unit = store.unit("discard letter")
    letters.take_letter(unit, letter.id)
    commands.answer_command(unit, command, store.node, status="done", answer="{}")
    await store.commit(unit)
    assert await status(store, command) == "done"
    assert await letters.list_letters(store, None, limit=1) == []


async def test_a_visitor_adds_and_withdraws_commands(store: Store, open_store: OpenStore) -> None:
    visitor = await open_store(serve=False)
    one, other = await add(visitor, COMMAND, COMMAND)
    await withdraw(visitor, one)
    assert [row.id for row in await commands.list_open(store)] == [other]


async def test_old_answers_are_forgotten_and_what_is_open_is_kept(store: Store, url: str) -> None:
    answered, still_open, late = await add(store, COMMAND, COMMAND, COMMAND)
    await take(store, answered, 1)
    await answer(store, answered, 1)
    number = commands.KEPT + late
    rows(url, "UPDATE commands SET id = ? WHERE id = ?", number, late)
    await take(store, number, 1)
    assert rows(url, "SELECT id FROM commands ORDER BY id") == [(still_open,), (number,)]


@sqlite_only
async def test_commands_of_the_version_before_are_kept(url: str, open_store: OpenStore) -> None:
    store = await open_store()
    [command] = await add(store)
    await store.close()
    for text in (
        "DROP INDEX commands_open",
        "ALTER TABLE commands DROP COLUMN owner",
        "ALTER TABLE commands DROP COLUMN expires_at",
        "CREATE INDEX commands_waiting ON commands (id) WHERE status = 'waiting'",
        "DELETE FROM migrations WHERE version >= 4",
    ):
        rows(url, text)

    found = await commands.list_open(await open_store())
    assert [(row.id, row.owner, row.expires_at) for row in found] == [(command, None, None)]
