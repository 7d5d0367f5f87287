"""Whatever is committed together has the outcome of being committed one after the other."""

import random
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from penstock.runtime.store import checkpoints, domain_kinds, run_kinds, runs
from penstock.runtime.store.commits import Commit
from penstock.runtime.store.groups import waves
from penstock.runtime.store.migrations import MIGRATIONS, migrate
from penstock.runtime.store.rows import FiringRow, LetterRow, RunRow, TaskRow
from penstock.runtime.store.sqlite import WORDS
from penstock.runtime.store.sqlite_driver import Driver, Options
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit
from penstock.testing.clock import VirtualClock
from tests.databases import Stores, dump, postgres_only
from tests.runtime.store.conftest import OpenStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLOCK = VirtualClock()
Action = tuple[str, tuple[object, ...]]
#: The name of the error, and what the unit was told.
Answer = tuple[str, list[int], dict[int, int]]


def run_row(run_id: int, key: str | None) -> RunRow:
    return RunRow(
        id=run_id,
        workflow="w",
        structure_version="s",
        code_version="c",
        status="running",
        input="{}",
        key=key,
        owner=1,
        created_at=NOW,
    )


def firing_row(firing: str, attempts: int) -> FiringRow:
    return FiringRow(reactor="r", firing=firing, snapshot=b"s", attempts=attempts, started_at=NOW)


LETTER = LetterRow(domain="d", part="p", reason="decode", error="e", payload=b"x", created_at=NOW)

#: What a unit may do, and with which arguments; small worlds, so that units meet.
EPOCHS, NAMES, NUMBERS = st.sampled_from([1] * 9 + [2]), st.sampled_from("ab"), st.integers(1, 4)
ACTIONS: dict[str, tuple[Callable[..., None], tuple[st.SearchStrategy[object], ...]]] = {
    "fence": (lambda u, e: checkpoints.fence(u, "d", 0, e), (EPOCHS,)),
    "stop": (lambda u, e: checkpoints.fence(u, "d", 0, e, stopped=True), (EPOCHS,)),
    "take": (lambda u: u.add(domain_kinds.TAKE_DOMAIN, ("d", 0, 7)), ()),
    "put": (lambda u, k, v: checkpoints.put_state(u, "d", 0, "c", k, b"%d" % v), (NAMES, NUMBERS)),
    "delete": (lambda u, k: checkpoints.put_state(u, "d", 0, "c", k, None), (NAMES,)),
    "firing": (lambda u, f, n: checkpoints.put_firing(u, "d", 0, firing_row(f, n)), (NAMES, NUMBERS)),
    "drop": (lambda u, f: checkpoints.drop_firing(u, "d", 0, f), (NAMES,)),
    "log": (lambda u, k, n: checkpoints.append_log(u, "d", 0, "c", k, n, b"v"), (NAMES, NUMBERS)),
    "trim": (lambda u, k, n: checkpoints.trim_log(u, "d", 0, "c", k, n), (NAMES, NUMBERS)),
    "push": (lambda u, a: checkpoints.add_inbox(u, "d", 0, a, b"e"), (NAMES,)),
    "consume": (lambda u, a, n: checkpoints.consume_inbox(u, "d", 0, a, n), (NAMES, NUMBERS)),
    "letter": (lambda u: checkpoints.add_letter(u, LETTER), ()),
    "run": (lambda u, i, k: runs.insert_run(u, run_row(i, k)), (NUMBERS, st.sampled_from([None, "k", "l"]))),
    "fence run": (runs.fence_run, (NUMBERS, EPOCHS)),
    "task": (lambda u, i, s: runs.put_task(u, TaskRow(run_id=i, task="t", status=s)), (NUMBERS, NAMES)),
    "events": (lambda u, i, n: runs.append_events(u, i, n, NOW, "[]"), (NUMBERS, NUMBERS)),
    "finish": (lambda u, i, e: runs.finish_run(u, i, e, status="completed", finished_at=NOW), (NUMBERS, EPOCHS)),
    "release": (runs.release_run, (NUMBERS, EPOCHS)),
    "claim": (lambda u, n: u.add(run_kinds.CLAIM_RUNS, (n,)), (NUMBERS,)),
    "unstorable": (lambda u: u.add(domain_kinds.PUT_STATE, ("d", 0, "c", "x", object())), ()),
}
#: Alone in their units, as the facets write them.
ALONE = ["take", "claim"]
#: What can hardly fail comes more often: one failure sends its whole group the slow way.
SAFE = ["fence", "put", "delete", "firing", "drop", "trim", "push", "consume", "letter", "task", "run"]
ACTION = st.sampled_from([*(name for name in ACTIONS if name not in ALONE), *SAFE * 3]).flatmap(
    lambda name: st.tuples(st.just(name), st.tuples(*ACTIONS[name][1]))
)
ALONE_ACTION = st.sampled_from(ALONE).flatmap(lambda name: st.tuples(st.just(name), st.tuples(*ACTIONS[name][1])))
UNIT = st.one_of(
    st.lists(ACTION, min_size=1, max_size=4),
    st.lists(ACTION, min_size=1, max_size=1),
    st.lists(ALONE_ACTION, min_size=1, max_size=1),
)


def make(actions: Sequence[Action]) -> Unit:
    unit = Unit("unit", CLOCK)
    for name, arguments in actions:
        ACTIONS[name][0](unit, *arguments)

    return unit


class World:
    """A database, and what was answered."""

    def __init__(self, path: Path) -> None:
        self._options = Options(name=path.name, path=path, mode="rwc", synchronous="off", lock=False, started_at="")
        self._driver = Driver(self._options, reading=False)
        self._driver.drive(migrate(path.name, WORDS, 0, lambda _: None, MIGRATIONS))
        self._path = path
        self.answers: list[Answer] = []

    def empty(self) -> None:
        self.answers = []
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                connection.execute(f"DELETE FROM {name}")  # noqa: S608

    def commit(self, units: Sequence[Unit]) -> None:
        commit = Commit(units, None)
        self._driver.drive(commit.program())
        self.answers += [answer_of(unit, commit.failures.get(at)) for at, unit in enumerate(units)]

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        return {name: sorted(found, key=repr) for name, found in dump(f"sqlite:///{self._path}").items()}

    def close(self) -> None:
        self._driver.close()


def answer_of(unit: Unit, failure: BaseException | None) -> Answer:
    good = failure is None
    return type(failure).__name__, unit.results if good else [], unit.existing if good else {}


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[tuple[World, World]]:
    pair = World(tmp_path / "together.db"), World(tmp_path / "alone.db")
    yield pair
    for world in pair:
        world.close()


def groups_of(units: list[list[Action]], cuts: list[int]) -> Iterator[list[list[Action]]]:
    while units:
        size = cuts.pop() if cuts else len(units)
        yield units[:size]
        units = units[size:]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(units=st.lists(UNIT, max_size=12), cuts=st.lists(st.integers(1, 12), max_size=4))
def test_units_committed_together_end_as_units_committed_one_by_one(
    worlds: tuple[World, World], units: list[list[Action]], cuts: list[int]
) -> None:
    together, alone = worlds
    for world in worlds:
        world.empty()

        world.commit([make([("take", ())]), *(make([("run", (n, None))]) for n in (1, 2))])

    for group in groups_of(units, list(cuts)):
        together.commit([make(actions) for actions in group])

    for actions in units:
        alone.commit([make(actions)])

    assert together.answers == alone.answers
    assert together.dump() == alone.dump()


# -- by way of the store ----------------------------------------------------------------------------------------


class Told:
    """A store, and what was answered; numbers that rows are given are left out: PostgreSQL gives none of them back."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.answers: list[Answer] = []

    async def commit(self, units: Sequence[Unit]) -> None:
        told: dict[int, BaseException | None] = {}
        for unit in units:
            self.store.submit(unit, lambda unit, error: told.update({id(unit): error}))

        await self.store.commit(self.store.unit("last"))
        answers = [answer_of(unit, told[id(unit)]) for unit in units]
        self.answers += [(error, [len(numbers)], existing) for error, numbers, existing in answers]

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        found = {name: rows for name, rows in dump(self.store.url).items() if name not in {"nodes", "migrations"}}
        return found | {name: [row[1:] for row in found[name]] for name in ("inbox", "dead_letters")}


# A store per example, on each database: few of them. The many above show it of the programs, the same for both.
@pytest.mark.parametrize("seed", range(6))
async def test_units_committed_together_end_as_units_committed_one_by_one_in_each_store(
    new_stores: Stores, open_store: OpenStore, seed: int
) -> None:
    together, alone = [Told(await open_store(url=new_stores.new())) for _ in range(2)]
    units = units_of(random.Random(seed), 40)
    for world in (together, alone):
        await world.commit([make([("take", ())]), *(make([("run", (n, None))]) for n in (1, 2))])

    await together.commit([make(actions) for actions in units])
    for actions in units:
        await alone.commit([make(actions)])

    assert together.answers == alone.answers
    assert together.dump() == alone.dump()


@postgres_only
@pytest.mark.parametrize("seed", range(4))
async def test_a_commit_in_one_statement_ends_as_one_step_by_step(
    new_stores: Stores, open_store: OpenStore, seed: int
) -> None:
    at_once, by_steps = [Told(await open_store(url=new_stores.new())) for _ in range(2)]
    by_steps.store._engine.at_once = False
    chance = random.Random(seed)
    units = units_of(chance, 40, without={"push"})
    for world in (at_once, by_steps):
        await world.commit([make([("take", ())]), *(make([("run", (n, None))]) for n in (1, 2))])

    for group in groups_of(units, [chance.randint(1, 3) for _ in range(20)]):
        for world in (at_once, by_steps):
            await world.commit([make(actions) for actions in group])

    assert at_once.answers == by_steps.answers
    assert at_once.dump() == by_steps.dump()


def units_of(chance: random.Random, count: int, *, without: Collection[str] = ()) -> list[list[Action]]:
    """Return random units, without what names a row by a number that it was given."""
    names = [name for name in [*ACTIONS, *SAFE * 3] if name not in {*ALONE, "consume", *without}]
    units: list[list[Action]] = []
    for _ in range(count):
        chosen = [chance.choice(ALONE)] if chance.random() < 0.1 else chance.sample(names, chance.randint(1, 3))
        units.append([(name, tuple(pick(chance, strategy) for strategy in ACTIONS[name][1])) for name in chosen])

    return units


def pick(chance: random.Random, strategy: st.SearchStrategy[object]) -> object:
    """Return a random value of one of the strategies above."""
    choices: dict[int, Sequence[object]] = {id(EPOCHS): [1] * 9 + [2], id(NAMES): "ab", id(NUMBERS): [1, 2, 3, 4]}
    return chance.choice(choices.get(id(strategy), [None, "k", "l"]))


def statements_of(*units: list[Action]) -> list[list[tuple[str, int]]]:
    return [[(kind.name, len(rows)) for kind, rows, _ in parts] for parts in waves(map(make, units))]


def test_many_units_cost_one_statement_per_kind() -> None:
    ends = [[("task", (n, "a")), ("events", (n, 1)), ("finish", (n, 1))] for n in range(1000)]
    assert statements_of(*ends) == [[("finish run", 1000), ("insert events", 1000), ("put task", 1000)]]


def test_the_last_of_put_and_delete_is_what_is_written() -> None:
    put, delete = [("put", ("a", 1))], [("delete", ("a",))]
    assert statements_of(put, delete, [("put", ("a", 2))]) == [[("put state", 1)]]
    assert statements_of(put, delete) == [[("drop state", 1)]]


def test_equal_fences_are_checked_once() -> None:
    assert statements_of([("fence", (1,))], [("fence", (1,))]) == [[("fence domain", 1)]]


def test_a_fence_behind_the_end_of_its_run_is_checked_after_that_end() -> None:
    assert statements_of([("finish", (1, 1))], [("fence run", (1, 1))]) == [[("finish run", 1)], [("fence run", 1)]]


def test_a_unit_that_stands_alone_shares_nothing() -> None:
    put = [("put", ("a", 1))]
    assert [len(parts) for parts in statements_of(put, [("take", ())], put, put)] == [1, 1, 1]
