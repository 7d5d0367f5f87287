import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.cli.run import sentence
from penstock.runtime.observe import (
    CircuitChanged,
    CutCommitted,
    EventDropped,
    Fact,
    RunFinished,
    RunStarted,
    StoreRetried,
)
from penstock.runtime.store.store import Store
from tests.cli.conftest import Penstock
from tests.cli.stored import with_store

Write = Callable[[str, str], Path]

#: Each poll gives an order, each order a run.
STREAM = """
import msgspec
import penstock as ps


class Order(msgspec.Struct, frozen=True):
    amount: float


@ps.polling_accumulator(interval=0.05)
def orders() -> Order:
    return Order(3.0)


market = ps.Reactor("market", [orders])
sizes = ps.ComputationGraph("sizes", reactor=market)
settle = ps.Workflow("settle", input=Order)


@sizes.node(starts=settle)
def escalate(orders: Order) -> Order:
    return orders


@settle.task
def book(amount: float) -> dict[str, object]:
    return {"booked": amount}


app = ps.App("sqlite:///market.db", parts=[sizes])
"""


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (
            RunStarted(workflow="settle", run_id="1-1", origin="app"),
            "run 1-1 of settle started by app",
        ),
        (
            RunFinished(workflow="settle", run_id="1-1", status="completed", seconds=0.0123),
            "run 1-1 of settle completed after 12.3 ms",
        ),
        (
            EventDropped(part="orders", reason="decode", error="no number"),
            "orders dropped an event (decode): no number",
        ),
        (CircuitChanged(part="poll cpu", state="closed"), "poll cpu is closed"),
        (
            StoreRetried(store="x.db", attempt=1, delay=0.5, error="busy"),
            "the store has trouble, next try in 500 ms: busy",
        ),
        (EventDropped(part="orders", reason="filtered"), None),
        (CutCommitted(domain="market", rows=3, effects=0, seconds=0.001), None),
    ],
)
def test_facts_become_sentences_unless_they_happen_all_the_time(fact: Fact, words: str | None) -> None:
    assert sentence(fact) == words


@contextmanager
def serving(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command until the block ends, at the latest."""
    command = [sys.executable, "-m", "penstock", "run", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_app_serves_until_a_signal_and_tells_its_facts(write: Write, penstock: Penstock, how: signal.Signals) -> None:
    write("market.py", STREAM)
    with serving("market:app", "--json") as process:
        assert process.stdout is not None
        facts = (json.loads(line) for line in process.stdout)
        ended = next(fact for fact in facts if fact["type"] == "RunFinished")
        process.send_signal(how)
        _, errors = process.communicate(timeout=15)

    assert (process.returncode, errors) == (0, "penstock: market:app serves sqlite:///market.db; Ctrl-C stops it\n")
    assert (ended["workflow"], ended["status"]) == ("settle", "completed")
    shown = penstock("runs", "show", ended["run_id"], "--store", "market.db")
    assert "completed" in shown.out


def test_run_in_words_at_another_store(write: Write, project: Path) -> None:
    write("market.py", STREAM)
    with serving("market", "--store", "other.db") as process:
        assert process.stdout is not None
        ended = next(line for line in process.stdout if "completed" in line)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)

    assert "of settle completed after" in ended
    assert (project / "other.db").exists()
    assert not (project / "market.db").exists()


def test_second_server_is_refused_in_one_sentence(write: Write, penstock: Penstock, project: Path) -> None:
    write("market.py", STREAM)

    async def try_another(_store: Store) -> None:
        from anyio.to_thread import run_sync

        outcome = await run_sync(lambda: penstock("run", "market:app"))
        assert (outcome.code, outcome.out) == (1, "")
        assert "is already served by process" in outcome.err

    with_store(project / "market.db", try_another)


def test_server_that_is_not_there_is_told_of_while_it_is_waited_for(write: Write) -> None:
    write("market.py", STREAM)
    write("penstock.toml", 'store_retry_timeout = "1s"\n')
    url = "postgresql+asyncpg://app:secret@127.0.0.1:1/shop"
    with serving("market", "--store", url) as process:
        out, errors = process.communicate(timeout=15)

    sentence = (
        "store 'postgresql+asyncpg://app:***@127.0.0.1:1/shop' is unavailable: [Errno 111] Connect call failed "
        "('127.0.0.1', 1); check that the server runs, and host and port of the URL"
    )
    assert process.returncode == 1
    assert [line.split("  ", 1)[1] for line in out.splitlines()][:2] == [
        f"the store has trouble, next try in 100 ms: {sentence}",
        f"the store has trouble, next try in 200 ms: {sentence}",
    ]
    assert errors == f"penstock: {sentence}\n"


FAILING = """
import sqlite3
import penstock as ps
from penstock.testing import FaultPoints

faults = FaultPoints()
faults.fail("cut: before commit", error=sqlite3.OperationalError("disk I/O error"), times=None)


@ps.polling_accumulator(interval=0.05)
def gauge() -> int:
    return 1


app = ps.App("sqlite:///market.db", parts=[ps.Reactor("level", [gauge])], faults=faults)
"""


def test_store_that_fails_for_good_ends_the_command_in_one_sentence(write: Write) -> None:
    write("market.py", FAILING)
    write("penstock.toml", 'store_retry_timeout = "0.1s"\ncheckpoint_interval = 0.1\n')
    with serving("market") as process:
        out, errors = process.communicate(timeout=15)

    assert process.returncode == 1
    assert "the store has trouble, next try in" in out
    assert errors.splitlines()[1:] == ["penstock: store 'sqlite:///market.db' is unavailable: disk I/O error"]
