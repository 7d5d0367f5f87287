"""Every example runs as it is, in a process of its own, and prints what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PRINTED = {
    "01_first_graph.py": [
        "problems: []",
        "outputs: {'order': 'buy ACME at 100'}",
        "ran: spread, middle, decide, order - skipped: wait",
        "outputs: {'wait': 'wait: the spread is 4'}",
        "spread: 2.0",
    ],
    "02_stream_to_workflow.py": [
        "reports: ['ACME: spread of 4', 'INIT: spread of 3']",
        "newest: Book(symbol='INIT', bid=50.0, ask=53.0)",
    ],
    "03_first_workflow.py": [
        "output: 3 at 100 for ada",
        "same run: True",
        "failed: ValueError: an order of -1 makes no sense",
        "history: ['failed', 'completed']",
    ],
    "04_accumulators.py": [
        "taken again: False",
        "prices: ['100 after []', '102 after [100.0]', '103 after [100.0, 102.0]']",
        "volume of three: 12",
        "limit: 101.5 - highest: 103.0",
        "dropped: 1 - in the batch: 1",
        "after a restart: (102.0, 103.0) 1",
        "flushed: 1",
    ],
    "05_routing.py": [
        "problems: []",
        "courier to ada (visits: 3, fee: 0.4) - skipped: freight, letter",
        "freight to ada (visits: 3, fee: 4) - skipped: courier, letter",
        "letter to eve: 60 is above the limit of 50 (visits: 3, fee: 0) - skipped: pace, courier, freight",
        "graph 'order_desk': declared inputs: order",
        "  at the same time: limit → check → pace → freight | history",
        "    1. limit(order) → float  [awaited]",
        "    2. check(order, limit) → Accepted | Refused",
        "failed: halve with {'amount': 3.0}: ZeroDivisionError: float division by zero",
        "{'done': 'SHIPPED 12'} - again: {'done': 'SHIPPED 3'}",
    ],
    "06_backpressure_and_dead_letters.py": [
        "the queue was never longer than its limit allows: True",
        "booked: 14 - first: ['ada 10', 'bob 11', 'eve 13'] - in order: True",
        "refused: paused",
        "by hand: eve 5",
        "firing failed: 5 - NodeFailed: node 'book' of graph 'booking' failed: LookupError: the account is closed",
        "criteria failed: 1 - ZeroDivisionError: float division by zero",
    ],
    "07_observables.py": [
        "bar 1: 10 to 12",
        "bar 2: 19 to 20.5",
        "highs: [12.0, 20.5]",
        "spreads: {'bars_reactor:1-1': 2.0, 'bars_reactor:1-2': 1.5}",
        "firing bars_reactor:1-1 of Bar(low=10.0, high=12.0): ok",
        "trades: 7 bars: 2 dropped: 0",
    ],
}


#: Run by a test beside what they need.
ELSEWHERE = {"08_kafka_market.py"}


def test_every_example_is_run() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == PRINTED.keys() | ELSEWHERE


@pytest.mark.parametrize("name", PRINTED)
def test_example_prints_what_it_says(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / name)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (PRINTED[name], "", 0)
    assert list(tmp_path.iterdir()) == []
