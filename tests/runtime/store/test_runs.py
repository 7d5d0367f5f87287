"""Runs: created once per key, ended once, claimed by one node at a time."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, strategies as st

from penstock.runtime.errors import LeaseLost, RunNotFound, WriteConflict
from penstock.runtime.store import runs
from penstock.runtime.store.rows import (
    EventsRow,
    RunRow,
    TaskRow,
    from_micros,
    run_name,
    run_number,
    to_micros,
)
from penstock.runtime.store.store import Store
from tests.runtime.store.conftest import OpenStore

NOW = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)


def row(store: Store, **changes: object) -> RunRow:
    run = RunRow(
        id=store.new_run_id(),
        workflow="settle",
        structure_version="s1",
        code_version="c1",
        status="running",
        input='{"amount":3.0}',
        owner=store.node,
        created_at=NOW,
    )
    return msgspec.structs.replace(run, **changes)


async def create(store: Store, **changes: object) -> RunRow:
    run, unit = row(store, **changes), store.unit("run")
    runs.insert_run(unit, run)
    await store.commit(unit)
    return run


async def finish(store: Store, run: RunRow, status: str = "completed") -> None:
    unit = store.unit("end")
    runs.put_task(unit, TaskRow(run_id=run.id, task="book", status=status, delta="{}", finished_at=NOW))
    runs.append_events(unit, run.id, 1, NOW, '["done"]')
    runs.finish_run(unit, run.id, run.epoch, status=status, output="{}", started_at=NOW, finished_at=NOW)
    await store.commit(unit)


async def test_a_run_comes_back_as_it_was_written(store: Store) -> None:
    run = await create(store, origin="market:1-1/maker/act/0", key="k", lease_until=NOW)
    assert await runs.load_run(store, run.id) == run


async def test_a_finished_run_has_its_task_output_and_events(store: Store) -> None:
    run = await create(store)
    await finish(store, run)
    task = TaskRow(run_id=run.id, task="book", status="completed", delta="{}", finished_at=NOW)
    ended = msgspec.structs.replace(
        run, status="completed", output="{}", started_at=NOW, finished_at=NOW, tasks=(task,)
    )
    assert await runs.load_run(store, run.id) == ended
    assert await runs.load_events(store, run.id) == [EventsRow(run_id=run.id, seq=1, at=NOW, events='["done"]')]


async def test_a_run_that_does_not_exist_is_not_found(store: Store) -> None:
    with pytest.raises(RunNotFound, match="3-17"):
        await runs.load_run(store, run_number("3-17"))


async def test_a_key_belongs_to_one_run_of_a_workflow(store: Store) -> None:
    first, others = await create(store, key="k"), [row(store, key="k"), row(store, key="l"), row(store, key="k")]
    unit = store.unit("cut")
    for run in others:
        runs.insert_run(unit, run)

    await store.commit(unit)
    assert unit.existing == {others[0].id: first.id, others[2].id: first.id}
    assert [run.id for run in await runs.list_runs(store)] == [others[1].id, first.id]


async def test_two_creations_with_one_key_in_one_commit_make_one_run(store: Store) -> None:
    created, units = [row(store, key="k"), row(store, key="k"), row(store)], [store.unit("run") for _ in range(3)]
    for run, unit in zip(created, units, strict=True):
        runs.insert_run(unit, run)
        store.submit(unit, lambda *_: None)

    await store.commit(store.unit("nothing"))
    assert [unit.existing for unit in units] == [{}, {created[1].id: created[0].id}, {}]


async def test_keys_of_other_workflows_and_runs_without_a_key_do_not_meet(store: Store) -> None:
    made = [await create(store, key="k"), await create(store, key="k", workflow="other")]
    made += [await create(store), await create(store)]
    assert len(await runs.list_runs(store)) == 4


async def test_an_id_that_is_taken_is_an_error(store: Store) -> None:
    run = await create(store)
    with pytest.raises(WriteConflict, match=r"'run' was rolled back: .*runs(\.id|_pkey)"):
        await create(store, id=run.id)


async def test_a_run_ends_once(store: Store) -> None:
    run = await create(store)
    await finish(store, run)
    with pytest.raises(LeaseLost, match=run_name(run.id)):
        await finish(store, run, "failed")

    assert (await runs.load_run(store, run.id)).status == "completed"


async def test_nothing_is_written_to_a_run_that_is_over(store: Store) -> None:
    run = await create(store)
    await finish(store, run)
    unit = store.unit("step")
    runs.fence_run(unit, run.id, run.epoch)
    runs.append_events(unit, run.id, 2, NOW, "[]")
    with pytest.raises(LeaseLost, match=run_name(run.id)):
        await store.commit(unit)


async def test_a_task_goes_on_in_its_row(store: Store) -> None:
    run = await create(store)
    for status, attempts in [("running", 1), ("running", 2), ("completed", 2)]:
        unit = store.unit("step")
        runs.fence_run(unit, run.id, run.epoch)
        runs.put_task(unit, TaskRow(run_id=run.id, task="a", status=status, attempts=attempts))
        await store.commit(unit)

    assert (await runs.load_run(store, run.id)).tasks == (
        TaskRow(run_id=run.id, task="a", status="completed", attempts=2),
    )


# -- recovery --------------------------------------------------------------------------------------------------


async def test_a_new_node_claims_what_is_unfinished_with_its_tasks(open_store: OpenStore) -> None:
    old = await open_store()
    over, open_run = await create(old), await create(old)
    await finish(old, over)
    task = TaskRow(run_id=open_run.id, task="a", status="completed", delta="{}")
    unit = old.unit("step")
    runs.put_task(unit, task)
    await old.commit(unit)
    await old.close()
    new = await open_store()
    claimed = msgspec.structs.replace(open_run, owner=new.node, epoch=2, tasks=(task,))
    assert await runs.claim_unfinished(new) == [claimed]
    assert await runs.claim_unfinished(new) == [claimed]  # its own runs are not claimed again


async def test_a_released_run_charges_no_recovery(open_store: OpenStore) -> None:
    old = await open_store()
    run, unit = await create(old), old.unit("release")
    runs.release_run(unit, run.id, run.epoch)
    await old.commit(unit)
    await old.close()
    [claimed] = await runs.claim_unfinished(await open_store())
    assert (claimed.recoveries, claimed.epoch) == (0, 2)


async def test_nobody_writes_to_a_run_that_another_node_has_claimed(store: Store, open_store: OpenStore) -> None:
    run = await create(store)
    await runs.claim_unfinished(await open_store(lock=False))
    with pytest.raises(LeaseLost, match="no longer owned in epoch 1"):
        await finish(store, run)


# -- looking ---------------------------------------------------------------------------------------------------


async def test_runs_are_listed_newest_first_by_page_workflow_and_status(store: Store) -> None:
    made = [await create(store, workflow=name) for name in ("a", "b", "a", "b", "a")]
    await finish(store, made[2], "failed")

    async def places(**filters: object) -> list[int]:
        found = await runs.list_runs(store, **filters)  # type: ignore[arg-type]
        return [[run.id for run in made].index(run.id) for run in found]

    assert await places() == [4, 3, 2, 1, 0]
    assert await places(workflow="a") == [4, 2, 0]
    assert await places(workflow="a", status="failed") == [2]
    assert await places(limit=2) == [4, 3]
    assert await places(limit=2, before=made[3].id) == [2, 1]


# -- names and times -------------------------------------------------------------------------------------------


@given(node=st.integers(1, 2**31 - 1), counter=st.integers(0, 2**32 - 1))
def test_the_name_of_a_run_leads_back_to_its_id(node: int, counter: int) -> None:
    assert run_number(run_name(node * 2**32 + counter)) == node * 2**32 + counter
    assert run_name(node * 2**32 + counter) == f"{node}-{counter}"


@pytest.mark.parametrize(
    "name",
    [
        *["", "-", "3", "3-", "-17", "a-b", "3-17-1", "\uff13-\uff11", "3 - 17", "-3-17", "+3-17"],
        # what is larger than any is no other run's
        *[f"1-{2**32 + 1}", f"{2**31}-1", f"{10**20}-1", "1-" + "9" * 5000],
    ],
)
def test_what_is_no_name_of_a_run_is_not_found(name: str) -> None:
    with pytest.raises(RunNotFound):
        run_number(name)


@given(at=st.datetimes(timezones=st.just(UTC)))
def test_times_survive_the_store_to_the_microsecond(at: datetime) -> None:
    assert from_micros(to_micros(at)) == at
