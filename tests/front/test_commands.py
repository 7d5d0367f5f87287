"""What another process asks of an open app: done once, and answered in the commit that holds what was done."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import anyio
import msgspec
import pytest
from anyio.lowlevel import checkpoint

import penstock as ps
from penstock import answering
from penstock.command import Command
from penstock.runtime.clock import SystemClock
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store import commands, sqlite_watch
from penstock.runtime.store.rows import CommandRow
from penstock.runtime.store.store import Store
from penstock.testing import FaultPoints
from tests.databases import Stores, rows

LONG = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_watch, "TICK", 0.01)


class Amount(msgspec.Struct, frozen=True):
    amount: float


class Shop:
    """An accumulator and a graph that can be told to fail, and what they did."""

    def __init__(self, *, durable: bool = False, keyed: bool = False) -> None:
        self.broken = self.graph_broken = False
        self.seen: list[float] = []

        @ps.passthrough_accumulator(durable=durable)
        def amounts(event: float) -> float:
            if self.broken:
                raise ValueError("closed")

            return event

        self.amounts = amounts
        key = int if keyed else None
        self.reactor = ps.Reactor("shop", [amounts], on_error="dead_letter", key=key)
        self.book = ps.ComputationGraph("book", reactor=self.reactor)

        settle = ps.Workflow("settle", input=Amount)

        @settle.task
        def settled(amount: float) -> dict[str, object]:
            return {"settled": amount}

        @self.book.node(starts=settle)
        def booked(amounts: float) -> Amount:
            if self.graph_broken:
                raise ValueError("no paper")

            self.seen.append(amounts)
            return Amount(amounts)

    def app(self, url: str, faults: Callable[[str], None] | None = None) -> ps.App:
        return ps.App(url, parts=[self.book], config=ps.Config(store=url), faults=faults)

    async def fail(self, app: ps.App, amount: float = 1.0) -> int:
        """Let an event become a dead letter."""
        self.broken = True
        await app.push(self.amounts, amount)
        await app.wait_idle()
        self.broken = False
        return (await anext(app.dead_letters())).id

    async def fail_firing(self, app: ps.App) -> int:
        """Let a firing become a dead letter."""
        self.graph_broken = True
        await app.push(self.amounts, 1.0)
        await app.wait_idle()
        self.graph_broken = False
        return (await anext(app.dead_letters())).id


@asynccontextmanager
async def visiting(url: str) -> AsyncIterator[Store]:
    """Open a store beside whoever serves it."""
    scheduler = Scheduler(SystemClock(), on_error=print)
    store = await Store.open(url, scheduler=scheduler, activity=scheduler.clock.activity, serve=False)
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()

        scheduler.close()


async def put(url: str, *given: CommandRow) -> list[int]:
    """Store commands for which nobody waits."""
    async with visiting(url) as store:
        unit = store.unit("command")
        for row in given:
            commands.add_command(unit, row)

        await store.commit(unit)
        return list(unit.results)


async def made(url: str) -> str:
    """Let an app make a store, which nobody serves afterwards."""
    async with Shop().app(url):
        return url


def told(url: str) -> list[tuple[object, ...]]:
    return rows(url, "SELECT verb, status, answer FROM commands ORDER BY id")


async def until_answered(url: str) -> None:
    async with visiting(url) as store:
        while await commands.list_open(store):
            await checkpoint()


# -- dead letters --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durable", [False, True])
async def test_a_letter_is_given_back_once_from_outside(store_url: str, durable: bool) -> None:
    shop = Shop(durable=durable)
    async with shop.app(store_url) as app, ps.Client(store_url) as client:
        letter = await shop.fail(app, 5.0)
        assert [(each.id, each.part) async for each in client.dead_letters()] == [(letter, "amounts")]
        await client.replay_letter(letter)
        assert [each async for each in client.dead_letters()] == []
        with pytest.raises(ps.LetterNotFound, match=f"no dead letter {letter}"):
            await client.replay_letter(letter)

    assert shop.seen == [5.0]
    assert [row[:2] for row in told(store_url)] == [("letters.replay", "done"), ("letters.replay", "failed")]


async def test_a_failed_firing_is_given_back_in_the_commit_that_answers(store_url: str) -> None:
    shop = Shop()
    async with shop.app(store_url) as app, ps.Client(store_url) as client:
        letter = await shop.fail_firing(app)
        await client.replay_letter(letter)
        assert shop.seen == [1.0]
        assert [each async for each in app.dead_letters()] == []


async def test_a_letter_that_cannot_be_given_back_stays_and_the_one_who_asked_learns_why(store_url: str) -> None:
    shop = Shop()
    async with shop.app(store_url) as app, ps.Client(store_url) as client:
        letter = await shop.fail_firing(app)
        await app.pause("shop")
        with pytest.raises(ps.CommandFailed, match="it is paused") as refused:
            await client.replay_letter(letter)

        assert (refused.value.kind, refused.value.verb) == ("FiringRefused", f"letters.replay {letter}")
        assert [each.id async for each in app.dead_letters()] == [letter]


async def test_letters_are_discarded_from_outside(store_url: str) -> None:
    shop = Shop()
    async with shop.app(store_url) as app, ps.Client(store_url) as client:
        letter = await shop.fail(app)
        await client.discard_letter(letter)
        assert [each async for each in app.dead_letters()] == []
        with pytest.raises(ps.LetterNotFound):
            await client.discard_letter(letter)


async def test_many_commands_are_one_commit_and_are_begun_in_their_order(store_url: str) -> None:
    shop = Shop()
    async with shop.app(store_url) as app, ps.Client(store_url) as client:
        amounts = [float(number) for number in range(20)]
        letters = [await shop.fail(app, amount) for amount in amounts]
        sent = await client.asker.send([Command(verb="letters.replay", target=str(letter)) for letter in letters])
        assert [await each.answer() for each in sent] == [None] * 20

    assert shop.seen == amounts


# -- reactors ------------------------------------------------------------------------------------------------


async def test_a_reactor_is_fired_paused_and_resumed_from_outside(store_url: str) -> None:
    shop = Shop()
    async with shop.app(store_url) as app, ps.Client(store_url) as client:
        await app.push(shop.amounts, 3.0)
        assert await client.fire(shop.reactor) == "shop:1-2"
        assert (await client.pause("shop"), await client.pause("shop")) == (True, False)
        await app.push(shop.amounts, 4.0)
        with pytest.raises(ps.CommandFailed, match="it is paused"):
            await client.fire("shop")

        assert shop.seen == [3.0, 3.0]
        assert (await client.resume("shop"), await client.resume("shop")) == (True, False)
        assert shop.seen == [3.0, 3.0, 4.0]


async def test_one_key_is_fired_from_outside(store_url: str) -> None:
    shop = Shop(keyed=True)
    async with shop.app(store_url) as app, ps.Client(store_url) as client:
        await app.push(shop.amounts, 3.0)
        assert await client.fire("shop", 3) == "shop:1-2"
        with pytest.raises(ps.CommandFailed, match="tells keys apart") as refused:
            await client.fire("shop")

        assert refused.value.kind == "AppError"

    assert shop.seen == [3.0, 3.0]


async def test_a_part_that_is_not_there_is_named_with_the_nearest(store_url: str) -> None:
    async with Shop().app(store_url), ps.Client(store_url) as client:
        with pytest.raises(ps.CommandFailed, match="did you mean 'shop'"):
            await client.fire("shops")


# -- what goes wrong -----------------------------------------------------------------------------------------


async def test_an_unknown_verb_is_refused_and_the_app_goes_on(store_url: str) -> None:
    shop = Shop()
    async with shop.app(store_url) as app:
        await put(store_url, CommandRow(verb="moon.land", target="x", created_at=LONG))
        await until_answered(store_url)
        await app.push(shop.amounts, 1.0)

    [(verb, status, answer)] = told(store_url)
    assert (verb, status) == ("moon.land", "failed")
    assert "does not know 'moon.land', only letters.replay, letters.discard" in str(answer)
    assert shop.seen == [1.0]


@pytest.mark.parametrize(
    ("verb", "target", "arguments", "why"),
    [
        ("letters.replay", "seven", "{}", "ValueError"),
        ("reactors.fire", "shop", '{"key": []}', "ValidationError"),
        ("reactors.fire", "shop", "no json", "DecodeError"),
    ],
)
async def test_what_cannot_be_read_is_refused(store_url: str, verb: str, target: str, arguments: str, why: str) -> None:
    async with Shop().app(store_url):
        await put(store_url, CommandRow(verb=verb, target=target, arguments=arguments, created_at=LONG))
        await until_answered(store_url)

    [(_, status, answer)] = told(store_url)
    assert status == "failed"
    assert f'"kind":"{why}"' in str(answer)


async def test_a_command_that_nobody_waits_for_any_more_is_not_done(store_url: str) -> None:
    shop = Shop()
    async with shop.app(store_url) as app:
        letter = await shop.fail(app)
        late = CommandRow(
            verb="letters.discard", target=str(letter), created_at=LONG, expires_at=LONG + timedelta(seconds=1)
        )
        await put(store_url, late)
        await until_answered(store_url)
        assert [each.id async for each in app.dead_letters()] == [letter]

    assert told(store_url)[0][:2] == ("letters.discard", "expired")


async def test_what_was_asked_before_the_start_is_done_at_the_start(store_url: str) -> None:
    shop = Shop()
    async with shop.app(store_url) as app:
        letter = await shop.fail(app)

    later = datetime(2100, 1, 1, tzinfo=UTC)
    await put(store_url, CommandRow(verb="letters.discard", target=str(letter), created_at=LONG, expires_at=later))
    async with shop.app(store_url) as app:
        await until_answered(store_url)
        assert [each async for each in app.dead_letters()] == []


async def test_who_asks_when_nobody_serves_is_told_so_and_nothing_is_done_later(store_url: str) -> None:
    shop = Shop()
    async with shop.app(store_url) as app:
        letter = await shop.fail(app)

    async with ps.Client(store_url, timeout=0.05) as client:
        with pytest.raises(ps.CommandUnanswered, match="no process serves the store") as unanswered:
            await client.discard_letter(letter)

        assert (unanswered.value.taken, unanswered.value.verb) == (False, f"letters.discard {letter}")

    assert told(store_url) == [("letters.discard", "withdrawn", None)]
    async with shop.app(store_url) as app:
        await app.wait_idle()
        assert [each.id async for each in app.dead_letters()] == [letter]


async def test_who_gets_no_answer_in_time_learns_that_it_was_begun(store_url: str) -> None:
    async with ps.Client(await made(store_url), timeout=0.3) as client:
        [sent] = await client.asker.send([Command(verb="letters.discard", target="1")])
        async with visiting(store_url) as store:
            unit = store.unit("take command")
            commands.take_command(unit, 1, 77)
            await store.commit(unit)

        with pytest.raises(ps.CommandUnanswered, match="has begun with it") as unanswered:
            await sent.answer()

        assert unanswered.value.taken
        assert unanswered.value.retryable


async def test_a_store_that_cannot_be_read_for_a_moment_is_asked_again(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[str] = []
    look = commands.list_open

    async def fail_once(store: Store) -> list[CommandRow]:
        found = await look(store)
        if found and not failures:
            failures.append(found[0].verb)
            raise ps.StoreUnavailable(store_url, "busy")

        return found

    monkeypatch.setattr(answering, "PAUSE", 0.01)
    async with Shop().app(store_url), ps.Client(store_url) as client:
        monkeypatch.setattr(commands, "list_open", fail_once)
        assert await client.pause("shop")

    assert failures == ["reactors.pause"]


async def test_a_client_has_to_be_open_and_is_opened_once(store_url: str) -> None:
    client = ps.Client(store_url)
    with pytest.raises(ps.AppError, match="not open"):
        await client.pause("shop")

    async with Shop().app(store_url), client:
        with pytest.raises(ps.AppError, match="open already"):
            await client.__aenter__()


async def test_a_store_that_is_not_there_is_not_made(new_stores: Stores) -> None:
    url = new_stores.new(empty=True)
    with pytest.raises(ps.StoreUnavailable, match="an app that serves it makes it"):
        await ps.Client(url).__aenter__()


# -- crashes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before begin", "before commit", "after commit"])
@pytest.mark.parametrize(
    ("what", "unit"), [("event", "take command"), ("event", "push"), ("firing", "take command"), ("firing", "cut")]
)
async def test_an_app_that_dies_anywhere_does_a_command_once(store_url: str, what: str, unit: str, moment: str) -> None:
    shop, faults = Shop(durable=True), FaultPoints()

    async def die() -> None:
        async with shop.app(store_url, faults) as app:
            letter = await (shop.fail(app) if what == "event" else shop.fail_firing(app))
            fault = faults.fail(f"{unit}: {moment}")
            await put(store_url, CommandRow(verb="letters.replay", target=str(letter), created_at=LONG))
            await anyio.sleep_forever()

        assert fault.happened

    with pytest.raises(ps.StoreUnavailable, match="the writer died"):
        await die()

    async with shop.app(store_url) as app:
        await until_answered(store_url)
        await app.wait_idle()
        assert [each async for each in app.dead_letters()] == []
        assert [run.input async for run in app.runs()] == [{"amount": 1.0}]

    assert [row[:2] for row in told(store_url)] == [("letters.replay", "done")]


@pytest.mark.parametrize("moment", ["before commit", "after commit"])
async def test_an_app_that_dies_while_it_fires_does_that_once(store_url: str, moment: str) -> None:
    shop, faults = Shop(), FaultPoints()

    async def die() -> None:
        async with shop.app(store_url, faults) as app:
            await app.push(shop.amounts, 2.0)
            await app.wait_idle()
            faults.fail(f"cut: {moment}")
            await put(store_url, CommandRow(verb="reactors.fire", target="shop", created_at=LONG))
            await anyio.sleep_forever()

    with pytest.raises(ps.StoreUnavailable, match="the writer died"):
        await die()

    async with shop.app(store_url) as app:
        await until_answered(store_url)
        await app.wait_idle()
        assert [run.input async for run in app.runs()] == [{"amount": 2.0}] * 2

    assert [row[:2] for row in told(store_url)] == [("reactors.fire", "done")]
