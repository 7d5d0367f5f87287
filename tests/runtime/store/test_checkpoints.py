"""Domains: one owner at a time, cuts that are whole, and nothing that is lost when an owner ends."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from penstock.runtime.errors import LeaseLost, WriteConflict
from penstock.runtime.store import checkpoints, letters, runs
from penstock.runtime.store.checkpoints import DomainState
from penstock.runtime.store.rows import FiringRow, InboxRow, LetterRow, LogRow, RunRow
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from tests.runtime.store.conftest import OpenStore, Table

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PARTS = ("orders", "market")


def firing(name: str = "market:1-1", **changes: object) -> FiringRow:
    given = {"reactor": "market", "firing": name, "snapshot": b"s", "started_at": NOW, **changes}
    return FiringRow(**given)  # type: ignore[arg-type]


async def take(store: Store, domain: str = "d", parts: tuple[str, ...] = PARTS) -> DomainState:
    return await checkpoints.take_over(store, domain, 0, components=parts)


async def cut(store: Store, epoch: int, *, domain: str = "d", stopped: bool = False, state: bytes = b"v") -> None:
    unit = store.unit("cut")
    checkpoints.fence(unit, domain, 0, epoch, stopped=stopped)
    checkpoints.put_state(unit, domain, 0, "orders", "", state)
    checkpoints.put_firing(unit, domain, 0, firing())
    await store.commit(unit)


async def push(store: Store, *payloads: bytes, accumulator: str = "orders") -> list[int]:
    unit = store.unit("push")
    for payload in payloads:
        checkpoints.add_inbox(unit, "d", 0, accumulator, payload)

    await store.commit(unit)
    return unit.results


async def test_a_new_domain_is_empty(store: Store) -> None:
    assert await take(store) == DomainState(epoch=1, state={}, firings=[], inbox=[], log=[], crashed=False)


async def test_a_cut_comes_back_whole(store: Store) -> None:
    owner = await take(store)
    row = firing(key="X", done='["maker"]', attempts=2, crashes=1)
    unit = store.unit("cut")
    checkpoints.fence(unit, "d", 0, owner.epoch)
    checkpoints.put_state(unit, "d", 0, "orders", "X", b"\x00\xff")
    checkpoints.put_firing(unit, "d", 0, row)
    checkpoints.append_log(unit, "d", 0, "orders", "", 7, b"seven")
    checkpoints.add_inbox(unit, "d", 0, "orders", b"event")
    await store.commit(unit)
    found = await take(store)
    assert found.state == {("orders", "X"): b"\x00\xff"}
    assert found.firings == [firing(key="X", done='["maker"]', attempts=2, crashes=1)]
    assert found.log == [LogRow(component="orders", key="", seq=7, value=b"seven")]
    assert found.inbox == [InboxRow(seq=1, accumulator="orders", payload=b"event")]


async def test_none_forgets_a_value(store: Store) -> None:
    owner = await take(store)
    await cut(store, owner.epoch)
    unit = store.unit("cut")
    checkpoints.put_state(unit, "d", 0, "orders", "", None)
    checkpoints.drop_firing(unit, "d", 0, "market:1-1")
    await store.commit(unit)
    assert await take(store) == DomainState(epoch=2, state={}, firings=[], inbox=[], log=[], crashed=True)


async def test_what_a_unit_appends_outlives_what_it_trims(store: Store) -> None:
    for n in range(1, 5):
        unit = store.unit("cut")
        checkpoints.append_log(unit, "d", 0, "orders", "", n, b"%d" % n)
        checkpoints.trim_log(unit, "d", 0, "orders", "", n)
        await store.commit(unit)

    assert [row.seq for row in (await take(store)).log] == [4]


async def test_a_dead_letter_of_a_cut_can_be_read(store: Store) -> None:
    unit = store.unit("cut")
    row = LetterRow(domain="d", part="orders", reason="decode", error="bad", payload=b"{", position="7", created_at=NOW)
    checkpoints.add_letter(unit, row)
    await store.commit(unit)
    [found] = await letters.list_letters(store, "orders")
    assert found == LetterRow(
        id=1, domain="d", part="orders", reason="decode", error="bad", payload=b"{", position="7", created_at=NOW
    )
    assert await letters.list_letters(store, "other") == []
    assert await letters.list_letters(store, "a\0b") == []


# -- the inbox -------------------------------------------------------------------------------------------------


async def test_sequence_numbers_are_given_back_in_order(store: Store) -> None:
    assert await push(store, b"a", b"b") == [1, 2]
    assert await push(store, b"c") == [3]


async def test_units_of_one_commit_get_their_own_numbers(store: Store) -> None:
    units = [store.unit("push") for _ in range(3)]
    for at, unit in enumerate(units):
        for _ in range(at + 1):
            checkpoints.add_inbox(unit, "d", 0, "orders", b"e")

        store.submit(unit, lambda *_: None)

    await store.commit(store.unit("nothing"))
    assert [unit.results for unit in units] == [[1], [2, 3], [4, 5, 6]]
    assert store.statistics().commits == 1


async def test_a_sequence_number_is_never_used_again(open_store: OpenStore) -> None:
    store = await open_store()
    await push(store, b"a", b"b", b"c")
    unit = store.unit("cut")
    checkpoints.consume_inbox(unit, "d", 0, "orders", 3)
    await store.commit(unit)
    await store.close()
    assert await push(await open_store(), b"d") == [4]


async def test_consuming_takes_only_what_was_consumed(store: Store) -> None:
    await push(store, b"a", b"b", b"c")
    await push(store, b"x", accumulator="other")
    unit = store.unit("cut")
    checkpoints.consume_inbox(unit, "d", 0, "orders", 2)
    await store.commit(unit)
    inbox = (await take(store, parts=("orders", "other"))).inbox
    assert [(row.seq, row.accumulator, row.payload) for row in inbox] == [(3, "orders", b"c"), (4, "other", b"x")]


# -- owners ----------------------------------------------------------------------------------------------------


async def test_rows_of_a_component_follow_it_to_a_domain_of_another_name(store: Store) -> None:
    old = await take(store, "d")
    await cut(store, old.epoch)
    await push(store, b"e")
    unit = store.unit("cut")
    checkpoints.append_log(unit, "d", 0, "orders", "", 1, b"l")
    checkpoints.put_state(unit, "d", 0, "elsewhere", "", b"stays")
    await store.commit(unit)
    new = await take(store, "e")
    assert (new.state, len(new.firings), len(new.inbox), len(new.log)) == ({("orders", ""): b"v"}, 1, 1, 1)
    assert (await take(store, "d", (*PARTS, "elsewhere"))).state == {("orders", ""): b"v", ("elsewhere", ""): b"stays"}


async def test_an_epoch_is_not_used_again_under_another_name(store: Store) -> None:
    epochs = [(await take(store, name)).epoch for name in "abacb"]
    assert epochs == [1, 2, 3, 4, 5]


async def test_shards_are_domains_of_their_own(store: Store) -> None:
    await checkpoints.take_over(store, "d", 0, components=PARTS)
    unit = store.unit("cut")
    checkpoints.put_state(unit, "d", 0, "orders", "", b"zero")
    checkpoints.put_state(unit, "d", 1, "orders", "", b"one")
    await store.commit(unit)
    assert (await checkpoints.take_over(store, "d", 1, components=PARTS)).state == {("orders", ""): b"one"}


async def test_a_row_that_is_there_twice_is_refused(store: Store) -> None:
    for expected in (None, WriteConflict):
        unit = store.unit("cut")
        checkpoints.append_log(unit, "d", 0, "orders", "", 1, b"l")
        if expected is None:
            await store.commit(unit)
        else:
            with pytest.raises(expected, match="'cut' was rolled back"):
                await store.commit(unit)


# -- the fence -------------------------------------------------------------------------------------------------


def run_row(store: Store) -> RunRow:
    return RunRow(
        id=store.new_run_id(),
        workflow="w",
        structure_version="s",
        code_version="c",
        status="running",
        input="{}",
        owner=store.node,
        created_at=NOW,
    )


async def test_an_old_owner_that_comes_back_changes_nothing(
    open_store: OpenStore, dump: Callable[[], dict[str, Table]]
) -> None:
    # lock=False lets two stores serve one file, which the lock prevents: what is tested is what is behind the lock
    old, new = await open_store(), await open_store(lock=False)
    before = await take(old)
    run = run_row(old)
    unit = old.unit("run")
    runs.insert_run(unit, run)
    await old.commit(unit)
    await cut(old, before.epoch)
    after = await take(new)
    [claimed] = await runs.claim_unfinished(new)
    assert (after.epoch, claimed.owner, claimed.epoch, claimed.recoveries) == (2, new.node, 2, 0)

    late = [late_cut(old, before.epoch), late_stop(old, before.epoch), late_end(old, run), late_step(old, run)]
    innocent = old.unit("push")
    checkpoints.put_state(innocent, "other", 0, "c", "", b"innocent")
    expected = dump()
    expected["state"] = sorted([*expected["state"], ("other", 0, "c", "", b"innocent")], key=repr)
    answers: list[object] = []
    for stale in [*late[:2], innocent, *late[2:]]:
        old.submit(stale, lambda _, error: answers.append(error))

    await old.commit(old.unit("nothing"))
    assert [type(answer) for answer in answers] == [LeaseLost, LeaseLost, type(None), LeaseLost, LeaseLost]
    assert old.statistics().commits == 3 + 1  # the late ones and the innocent one were one group
    found = dump()
    expected["nodes"] = found["nodes"]  # the old one may count its commits
    assert found == expected
    await cut(new, after.epoch)  # the new owner goes on


def late_cut(old: Store, epoch: int) -> Unit:
    unit = old.unit("cut")
    checkpoints.fence(unit, "d", 0, epoch)
    checkpoints.put_state(unit, "d", 0, "orders", "", b"late")
    checkpoints.drop_firing(unit, "d", 0, "market:1-1")
    checkpoints.add_inbox(unit, "d", 0, "orders", b"late")
    runs.insert_run(unit, run_row(old))
    return unit


def late_stop(old: Store, epoch: int) -> Unit:
    unit = old.unit("stop")
    checkpoints.fence(unit, "d", 0, epoch, stopped=True)
    return unit


def late_end(old: Store, run: RunRow) -> Unit:
    unit = old.unit("end")
    runs.finish_run(unit, run.id, run.epoch, status="completed", output="{}", finished_at=NOW)
    runs.append_events(unit, run.id, 9, NOW, "[]")
    return unit


def late_step(old: Store, run: RunRow) -> Unit:
    unit = old.unit("step")
    runs.fence_run(unit, run.id, run.epoch)
    runs.append_events(unit, run.id, 10, NOW, "[]")
    return unit
