"""The writer: many units a commit, each answered once, whatever happens to the others or to the disk."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from penstock.runtime.errors import LeaseLost, StoreError, StoreFull, StoreUnavailable, WriteConflict
from penstock.runtime.observe import Fact, StoreRetried
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.store import checkpoints
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.testing.clock import VirtualClock
from penstock.testing.faults import FaultPoints
from tests.databases import sqlite_only, trouble
from tests.runtime.store.conftest import OpenStore, Table

Dump = Callable[[], dict[str, Table]]


def put(store: Store, key: str, value: object = b"v", *, label: str = "put") -> Unit:
    unit = store.unit(label)
    checkpoints.put_state(unit, "d", 0, "c", key, value)  # type: ignore[arg-type]
    return unit


def keys(dump: Dump) -> list[object]:
    return [row[3] for row in dump()["state"]]


class Answers:
    """Notes what units are answered with, in order."""

    def __init__(self) -> None:
        self.units: list[str] = []
        self.errors: list[StoreError | None] = []

    def __call__(self, unit: Unit, error: StoreError | None) -> None:
        self.units.append(unit.label)
        self.errors.append(error)


@contextmanager
def write_lock(url: str) -> Iterator[sqlite3.Connection]:
    """Another process that writes."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


# -- groups --------------------------------------------------------------------------------------------------


async def test_units_of_one_turn_of_the_loop_are_one_commit(store: Store, dump: Dump) -> None:
    await asyncio.gather(*(store.commit(put(store, f"{n:02}")) for n in range(50)))
    assert (store.statistics().commits, store.statistics().units, len(keys(dump))) == (1, 50, 50)


async def test_what_gathers_during_a_commit_is_the_next_commit(store: Store) -> None:
    answers = Answers()
    store.submit(put(store, "a"), answers)
    await asyncio.sleep(0)  # noqa: TID251  one turn: the first is with the writer now
    for n in range(50):
        store.submit(put(store, str(n)), answers)

    await store.commit(put(store, "z"))
    assert (store.statistics().commits, len(answers.units)) == (2, 51)


async def test_a_group_is_bounded(open_store: OpenStore) -> None:
    store = await open_store(group_limit=10)
    await asyncio.gather(*(store.commit(put(store, str(n))) for n in range(95)))
    assert store.statistics().units == 95
    assert store.statistics().commits >= 10


async def test_a_bad_unit_fails_alone(store: Store, dump: Dump) -> None:
    fenced = put(store, "fenced", label="cut")
    checkpoints.fence(fenced, "d", 0, epoch=1)
    units = [put(store, "a"), fenced, put(store, "unstorable", object(), label="odd"), put(store, "b")]
    results = await asyncio.gather(*map(store.commit, units), return_exceptions=True)
    assert [type(result) for result in results] == [type(None), LeaseLost, WriteConflict, type(None)]
    assert "'odd'" in str(results[2])
    assert keys(dump) == ["a", "b"]
    assert (store.statistics().commits, store.statistics().failed) == (1, 2)


async def test_an_answer_comes_after_submit_has_returned(store: Store) -> None:
    answers = Answers()
    store.submit(put(store, "a"), answers)
    assert answers.units == []
    await store.commit(put(store, "b"))
    assert answers.errors == [None]


async def test_a_callback_that_raises_takes_no_answer_from_the_others(store: Store) -> None:
    answers, raised = Answers(), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context["exception"]))
    store.submit(put(store, "a"), answers)
    store.submit(put(store, "b"), lambda unit, _: [].index(unit))  # type: ignore[arg-type]
    store.submit(put(store, "c"), answers)
    await store.commit(put(store, "d"))
    assert (answers.errors, [type(error) for error in raised]) == ([None, None], [ValueError])


async def test_a_caller_that_is_cancelled_does_not_take_its_unit_back(store: Store, dump: Dump) -> None:
    task = asyncio.ensure_future(store.commit(put(store, "a")))
    await asyncio.sleep(0)  # noqa: TID251  let it submit
    task.cancel()
    await store.commit(put(store, "b"))
    assert task.cancelled()
    assert keys(dump) == ["a", "b"]


async def test_a_unit_on_its_way_counts_as_activity(store: Store, clock: VirtualClock) -> None:
    answers = Answers()
    store.submit(put(store, "a"), answers)
    await clock.settle()
    assert answers.errors == [None]


# -- trouble -------------------------------------------------------------------------------------------------


async def test_a_passing_trouble_is_tried_again_with_growing_delays(
    open_store: OpenStore, url: str, clock: VirtualClock, facts: list[Fact], dump: Dump
) -> None:
    faults = FaultPoints()
    faults.fail("put: before commit", error=trouble(url, "busy"), times=3)
    store, answers = await open_store(faults=faults), Answers()
    store.submit(put(store, "a"), answers)
    await clock.advance(1.0)
    assert [(fact.attempt, fact.delay) for fact in facts if isinstance(fact, StoreRetried)] == [
        (1, 0.01),
        (2, 0.02),
        (3, 0.04),
    ]
    assert (answers.errors, keys(dump), store.statistics().retries) == ([None], ["a"], 3)


async def test_trouble_does_not_change_the_order(open_store: OpenStore, url: str, clock: VirtualClock) -> None:
    faults = FaultPoints()
    faults.fail("[0-9]*: before begin", error=trouble(url, "busy"), times=2)
    store, answers = await open_store(faults=faults, group_limit=4), Answers()
    for n in range(20):
        store.submit(put(store, "k", str(n).encode(), label=str(n)), answers)

    await clock.advance(1.0)
    assert answers.units == [str(n) for n in range(20)]


@sqlite_only
async def test_a_lock_that_another_process_gives_back_only_delays(
    store: Store, url: str, clock: VirtualClock, dump: Dump
) -> None:
    answers = Answers()
    with write_lock(url):
        store.submit(put(store, "a"), answers)
        await clock.advance(10.0)
        assert answers.units == []

    await clock.advance(1.0)
    assert (answers.errors, keys(dump)) == ([None], ["a"])
    assert not store.failed.done()


@sqlite_only
async def test_a_lock_that_stays_ends_the_store_loudly(open_store: OpenStore, url: str, clock: VirtualClock) -> None:
    store, answers = await open_store(retry_timeout=5.0), Answers()
    with write_lock(url):
        store.submit(put(store, "a"), answers)
        await clock.advance(1.0)
        store.submit(put(store, "b"), answers)
        await clock.advance(5.0)
        assert answers.units == ["put", "put"]
        assert isinstance(answers.errors[0], StoreUnavailable)
        assert store.failed.result() is store.error is answers.errors[0] is answers.errors[1]

    with pytest.raises(StoreUnavailable, match="locked"):
        await store.commit(put(store, "c"))


@sqlite_only
async def test_a_full_disk_is_named_and_nothing_of_the_unit_is_stored(
    open_store: OpenStore, url: str, clock: VirtualClock, dump: Dump
) -> None:
    store, answers = await open_store(url=f"{url}?max_page_count=100", retry_timeout=1.0), Answers()
    await store.commit(put(store, "small"))
    large = put(store, "also small")
    checkpoints.put_state(large, "d", 0, "c", "large", bytes(1_000_000))
    store.submit(large, answers)
    await clock.advance(2.0)
    assert isinstance(answers.errors[0], StoreFull)
    assert keys(dump) == ["small"]


@sqlite_only
async def test_a_full_disk_that_is_emptied_only_delays(
    open_store: OpenStore, url: str, clock: VirtualClock, dump: Dump
) -> None:
    store, answers = await open_store(url=f"{url}?max_page_count=100"), Answers()
    await store.commit(put(store, "old", bytes(200_000)))
    store.submit(put(store, "new", bytes(200_000)), answers)
    await clock.advance(1.0)
    assert answers.errors == []
    with write_lock(url) as connection:
        connection.execute("DELETE FROM state")
        connection.execute("COMMIT")

    await clock.advance(1.0)
    assert (answers.errors, keys(dump)) == ([None], ["new"])


@sqlite_only
@pytest.mark.parametrize("name", ["store.db", "store.db-wal"])
async def test_nothing_is_acknowledged_into_a_file_that_is_gone(
    open_store: OpenStore, tmp_path: Path, clock: VirtualClock, name: str
) -> None:
    store, answers = await open_store(retry_timeout=5.0), Answers()
    await store.commit(put(store, "a"))
    (tmp_path / name).unlink()
    store.submit(put(store, "b"), answers)
    await clock.advance(5.0)
    assert isinstance(answers.errors[0], StoreUnavailable)
    assert f"{name}' was removed or replaced while it was open" in str(store.error)


@sqlite_only
async def test_a_file_that_comes_back_only_delays(
    open_store: OpenStore, tmp_path: Path, clock: VirtualClock, dump: Dump
) -> None:
    store, answers = await open_store(), Answers()
    (tmp_path / "store.db").rename(tmp_path / "elsewhere")
    (tmp_path / "store.db").touch()
    store.submit(put(store, "a"), answers)
    await clock.advance(1.0)
    assert answers.errors == []
    (tmp_path / "elsewhere").rename(tmp_path / "store.db")
    await clock.advance(1.0)
    assert (answers.errors, keys(dump)) == ([None], ["a"])


# -- faults --------------------------------------------------------------------------------------------------


async def test_the_hook_sees_each_label_of_a_group_once(open_store: OpenStore) -> None:
    faults = FaultPoints()
    store = await open_store(faults=faults)
    seen = len(faults.seen)
    await asyncio.gather(*(store.commit(put(store, str(n), label=label)) for n, label in enumerate("aba")))
    points = ["before begin", "before commit", "after commit"]
    assert faults.seen[seen:] == [f"{label}: {point}" for point in points for label in "ab"]


@pytest.mark.parametrize("point", ["before begin", "before commit"])
async def test_a_scripted_error_fails_the_units_of_its_label(open_store: OpenStore, dump: Dump, point: str) -> None:
    faults, error = FaultPoints(), WriteConflict("bad", "scripted")
    faults.fail(f"bad: {point}", error=error)
    store = await open_store(faults=faults)
    units = [put(store, str(n), label=label) for n, label in enumerate(["good", "bad", "good"])]
    assert await asyncio.gather(*map(store.commit, units), return_exceptions=True) == [None, error, None]
    assert keys(dump) == ["0", "2"]


@pytest.mark.parametrize(("point", "stored"), [("before begin", []), ("before commit", []), ("after commit", ["a"])])
async def test_a_crash_in_the_writer_ends_the_store(
    open_store: OpenStore, dump: Dump, point: str, stored: list[str]
) -> None:
    faults = FaultPoints()
    faults.fail(f"put: {point}")
    store = await open_store(faults=faults)
    with pytest.raises(StoreUnavailable, match="the writer died"):
        await store.commit(put(store, "a"))

    assert (store.failed.done(), keys(dump)) == (True, stored)


async def test_nothing_is_committed_behind_a_crash(open_store: OpenStore, dump: Dump) -> None:
    faults, answers = FaultPoints(), Answers()
    faults.fail("put: before commit")
    store = await open_store(faults=faults, group_limit=4)
    for n in range(8):  # half a group is handed over at once: several are on their way
        store.submit(put(store, str(n)), answers)

    await store.close()
    assert [type(error) for error in answers.errors] == [StoreUnavailable] * 8
    assert keys(dump) == []


async def test_an_acknowledgement_that_is_lost_is_not_repeated(open_store: OpenStore, url: str, dump: Dump) -> None:
    faults = FaultPoints()
    faults.fail("put: after commit", error=trouble(url, "busy"))
    store = await open_store(faults=faults)
    with pytest.raises(StoreUnavailable):
        await store.commit(put(store, "a"))

    assert (keys(dump), store.statistics().retries) == (["a"], 0)


# -- the end -------------------------------------------------------------------------------------------------


async def test_close_answers_what_was_submitted(open_store: OpenStore, dump: Dump) -> None:
    store, answers = await open_store(group_limit=7), Answers()
    for n in range(40):
        store.submit(put(store, f"{n:02}"), answers)

    await store.close()
    assert (answers.errors, len(keys(dump))) == ([None] * 40, 40)


async def test_a_closed_store_answers_with_an_error(store: Store) -> None:
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.commit(put(store, "a"))

    with pytest.raises(StoreUnavailable, match="closed"):
        await store.read(checkpoints.STATE_OF, domain="d", shard=0)


@sqlite_only
async def test_close_tries_a_last_time_and_does_not_wait(store: Store, url: str) -> None:
    answers = Answers()
    with write_lock(url):
        store.submit(put(store, "a"), answers)
        await store.close()

    assert isinstance(answers.errors[0], StoreUnavailable)


@sqlite_only
async def test_close_does_not_wait_for_the_next_try(
    open_store: OpenStore, url: str, clock: VirtualClock, dump: Dump
) -> None:
    store, answers = await open_store(), Answers()
    with write_lock(url):
        store.submit(put(store, "a"), answers)
        await clock.advance(5.0)
        assert answers.units == []

    await store.close()
    assert (answers.errors, keys(dump)) == ([None], ["a"])


@sqlite_only
async def test_trouble_after_the_end_of_the_scheduler_is_answered(store: Store, scheduler: Scheduler, url: str) -> None:
    scheduler.close()
    with write_lock(url), pytest.raises(StoreUnavailable, match="locked"):
        await store.commit(put(store, "a"))

    assert store.failed.done()


@sqlite_only
async def test_a_thousand_tries_do_not_overflow_the_delay(
    open_store: OpenStore, url: str, clock: VirtualClock, facts: list[Fact]
) -> None:
    store, answers = await open_store(retry_timeout=10_000.0), Answers()
    with write_lock(url):
        store.submit(put(store, "a"), answers)
        await clock.advance(1200.0)

    assert [fact.delay for fact in facts if isinstance(fact, StoreRetried)][-1] == 1.0
    await clock.advance(1.0)
    assert answers.errors == [None]


async def test_a_query_that_cannot_run_is_an_error_of_the_store(store: Store) -> None:
    with pytest.raises(StoreError, match="shard"):
        await store.read(checkpoints.STATE_OF, domain="d")

    assert not store.failed.done()


@sqlite_only
async def test_close_leaves_the_file_alone_behind(store: Store, url: str, dump: Dump) -> None:
    await store.commit(put(store, "a"))
    await store.close()
    path = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as file:
        assert file.execute("SELECT key FROM state").fetchall() == [("a",)]
