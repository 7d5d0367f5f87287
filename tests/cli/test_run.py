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
            "the store has trouble, tried again in 500 ms: busy",
        ),
        (EventDropped(part="orders", reason="filtered"), None),
        (CutCommitted(domain="market", rows=3, effects=0, seconds=0.001), None),
    ],
)
def test_facts_become_sentences_unless_they_happen_all_the_time(fact: Fact, words: str | None) -> None:
    assert sentence(fact) == words
