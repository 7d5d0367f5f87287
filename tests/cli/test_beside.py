"""Commands beside a running app, which is another process: it does what they ask, once, also when it is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from tests.cli.conftest import Penstock
from tests.cli.stored import with_store
from tests.cli.test_letters import SHOP, Row, Write, fill, listed
from tests.databases import rows

#: Kills itself at a point, the first time.
KILLED = """
import os
from penstock.testing import FaultPoints

faults = FaultPoints()
if os.environ.get("POINT"):
    faults.crash(os.environ["POINT"])

app = ps.App(STORE, parts=[sales], faults=faults)
"""


@pytest.fixture
def shop(store_url: str, write: Write) -> str:
    with_store(store_url, fill)
    write("shop.py", (SHOP + KILLED).replace("STORE", repr(store_url)))
    return store_url


@contextmanager
def serving(point: str = "") -> "Iterator[subprocess.Popen[str]]":
    """Run the app until the block ends."""
    command = [sys.executable, "-m", "penstock", "run", "shop:app"]
    environment = {**os.environ, "POINT": point}
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **streams, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            assert "shop:app serves" in process.stderr.readline()
            yield process
        finally:
            process.kill()


def amounts(store: str) -> list[str]:
    """Return the inputs of all runs: what came of letters, once each."""
    return sorted(str(row[0]) for row in rows(store, "SELECT input FROM runs"))


def test_a_running_app_gives_letters_back_and_discards_them(shop: str, penstock: Penstock) -> None:
    with serving() as process:
        outcome = penstock("letters", "replay", "shop:app", "1", "2", "3", "4", "--json")
        given = {row["id"]: row["error"] for row in cast("dict[str, list[Row]]", outcome.json)["letters"]}
        assert outcome.code == 1
        assert [given[1], given[2], given[4]] == [None, None, None]
        assert "'orders' expects Order" in str(given[3])
        left = listed(penstock("letters", "list", "--json", "--store", shop))
        assert sorted((row["reason"], row["error"]) for row in left) == [  # type: ignore[type-var]
            ("decode", "it broke"),
            ("process", "ValueError: negative"),
        ]
        again = penstock("letters", "replay", "shop:app", "1")
        assert (again.code, again.out) == (1, "")
        assert "letter 1: there is no dead letter 1" in again.err
        ids = sorted(cast("int", row["id"]) for row in left)
        outcome = penstock("letters", "discard", *map(str, ids), "--store", shop)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out == "".join(f"letter {number}: discarded\n" for number in ids)
        assert listed(penstock("letters", "list", "--json", "--store", shop)) == []
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0

    assert amounts(shop) == ['{"amount":3.0}', '{"amount":4.0}']


def test_reactors_of_a_running_app_are_fired_paused_and_resumed(shop: str, penstock: Penstock) -> None:
    with serving():
        assert penstock("letters", "replay", "shop:app", "1").code == 0
        assert penstock("reactors", "fire", "shop", "--store", shop).out == "shop: firing shop:1-2\n"
        said = [
            penstock("reactors", verb, "shop", "--store", shop).out for verb in ("pause", "pause", "resume", "resume")
        ]
        assert said == [
            "shop: paused\n",
            "shop: was paused already\n",
            "shop: resumed\n",
            "shop: was not paused\n",
        ]
        changed = penstock("reactors", "pause", "shop", "--json", "--store", shop)
        assert changed.json == {"reactor": "shop", "changed": True}
        refused = penstock("reactors", "fire", "shop", "--store", shop)
        assert (refused.code, refused.out) == (1, "")
        assert refused.err == "penstock: reactor 'shop' does not fire now: it is paused\n"
        unknown = penstock("reactors", "fire", "chop", "--key", "A", "--store", shop)
        assert "did you mean 'shop'" in unknown.err

    assert amounts(shop) == ['{"amount":3.0}'] * 2


def test_a_key_is_a_text_or_a_number(shop: str, penstock: Penstock) -> None:
    outcome = penstock("reactors", "fire", "shop", "--key", "A", "--number", "1", "--store", shop)
    assert (outcome.code, outcome.out) == (2, "")
    assert "give --key or --number" in outcome.err


def test_when_no_app_runs_reactors_say_so_and_nothing_is_done_later(shop: str, penstock: Penstock) -> None:
    outcome = penstock("reactors", "fire", "shop", "--wait", "0.1", "--store", shop)
    assert (outcome.code, outcome.out) == (1, "")
    assert "reactors.fire shop was not answered within 0.1 s: no process serves the store, or it hangs" in outcome.err
    assert rows(shop, "SELECT status FROM commands") == [("withdrawn",)]


CHAOS = [
    ("take command", "before commit", 1),
    ("take command", "after commit", 1),
    ("push", "after commit", 1),
    ("take command", "after commit", 4),
    ("cut", "before commit", 4),
    ("cut", "after commit", 4),
]
#: A letter of an event is in a push of its own, that of a firing in a cut.
POINTS = [
    ("push: before commit", 1),
    *(pytest.param(f"{unit}: {moment}", letter, marks=pytest.mark.chaos) for unit, moment, letter in CHAOS),
]


@pytest.mark.parametrize(("point", "letter"), POINTS)
def test_an_app_that_is_killed_in_the_middle_does_it_once_or_not_at_all(
    shop: str, penstock: Penstock, point: str, letter: int
) -> None:
    with serving(point) as process:
        outcome = penstock("letters", "replay", "shop:app", str(letter), "--wait", "1.5")
        assert process.wait(timeout=15) == -signal.SIGKILL

    # the answer of what was committed may be found although the process died with the commit
    assert outcome.code == 0 or "was not answered within 1.5 s" in outcome.err
    with serving() as process:
        last = penstock("letters", "replay", "shop:app", str(letter))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0

    statuses = [str(row[0]) for row in rows(shop, "SELECT status FROM commands ORDER BY id")]
    assert len(statuses) == 2
    assert statuses.count("done") == 1
    assert (last.code == 0) == (statuses[1] == "done")
    assert amounts(shop) == [f'{{"amount":{3.0 if letter == 1 else 4.0}}}']
    assert letter not in [row["id"] for row in listed(penstock("letters", "list", "--json", "--store", shop))]
