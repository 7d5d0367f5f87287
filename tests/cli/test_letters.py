"""``penstock letters``: listed, shown, given back, thrown away."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from penstock.runtime.store import checkpoints
from penstock.runtime.store.rows import LetterRow
from penstock.runtime.store.store import Store
from tests.cli.conftest import Outcome, Penstock
from tests.cli.stored import with_store

Row = dict[str, object]
Write = Callable[[str, str], Path]

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
SHOP = """
import msgspec
import penstock as ps


class Order(msgspec.Struct, frozen=True):
    amount: float


@ps.passthrough_accumulator
def orders(event: Order) -> Order:
    if event.amount < 0:
        raise ValueError("negative")

    return event


settle = ps.Workflow("settle", input=Order)


@settle.task
def book(amount: float) -> dict[str, object]:
    return {"booked": amount}


shop = ps.Reactor("shop", [orders])
sales = ps.ComputationGraph("sales", reactor=shop)


@sales.node(starts=settle)
def sell(orders: Order) -> Order:
    return orders


app = ps.App(STORE, parts=[sales])
"""


def letter(part: str, reason: str, payload: bytes, position: str | None = None) -> LetterRow:
    return LetterRow(
        domain="shop", part=part, reason=reason, error="it broke", payload=payload, position=position, created_at=AT
    )


async def fill(store: Store) -> None:
    unit = store.unit("letters")
    for row in (
        letter("orders", "process", b'{"amount":3.0}', "7"),
        letter("orders", "process", b'{"amount":-1}'),
        letter("orders", "decode", b"\xff\x00"),
        letter("sales", "firing", b'{"orders":{"amount":4.0}}', "shop/1/1"),
    ):
        checkpoints.add_letter(unit, row)

    await store.commit(unit)


@pytest.fixture
def shop(store_url: str, write: Write) -> str:
    with_store(store_url, fill)
    write("shop.py", SHOP.replace("STORE", repr(store_url)))
    return store_url


def listed(outcome: Outcome) -> list[Row]:
    assert (outcome.code, outcome.err) == (0, "")
    return cast("dict[str, list[Row]]", outcome.json)["letters"]


def test_letters_are_listed_newest_first(shop: str, penstock: Penstock) -> None:
    found = listed(penstock("letters", "list", "--json", "--store", shop))
    assert [row["id"] for row in found] == [4, 3, 2, 1]
    assert found[3] == {
        "id": 1,
        "part": "orders",
        "reason": "process",
        "error": "it broke",
        "payload": {"amount": 3.0},
        "position": "7",
        "created_at": "2026-01-01T12:00:00.000000Z",
    }
    assert found[1]["payload"] == "b'\\xff\\x00'"
    found = listed(penstock("letters", "list", "--json", "--store", shop, "--part", "sales"))
    assert [row["part"] for row in found] == ["sales"]
    assert len(listed(penstock("letters", "list", "--json", "--store", shop, "--limit", "2"))) == 2


def test_letters_are_listed_and_shown_for_people(shop: str, penstock: Penstock) -> None:
    lines = penstock("letters", "list", "--store", shop).out.splitlines()
    assert lines[0].split() == ["letter", "part", "reason", "created", "error"]
    assert lines[1].split()[:3] == ["4", "sales", "firing"]
    shown = penstock("letters", "show", "1", "--store", shop)
    assert shown.code == 0
    assert 'payload   {"amount":3.0}' in shown.out
    assert "position  7" in shown.out


def test_letter_that_is_not_there(shop: str, penstock: Penstock) -> None:
    for words in (("show", "99"), ("discard", "99")):
        outcome = penstock("letters", *words, "--store", shop)
        assert (outcome.code, outcome.out) == (1, "")
        assert "there is no dead letter 99" in outcome.err


def test_letters_are_given_back_to_the_app(shop: str, penstock: Penstock) -> None:
    outcome = penstock("letters", "replay", "shop:app", "1", "2", "3", "4", "--json")
    given = {row["id"]: row["error"] for row in cast("dict[str, list[Row]]", outcome.json)["letters"]}
    assert outcome.code == 1
    assert [given[1], given[2], given[4]] == [None, None, None]
    assert "'orders' expects Order" in str(given[3])
    left = listed(penstock("letters", "list", "--json", "--store", shop))
    assert sorted((row["reason"], row["payload"], row["error"]) for row in left) == [  # type: ignore[type-var]
        ("decode", "b'\\xff\\x00'", "it broke"),
        ("process", {"amount": -1.0}, "ValueError: negative"),
    ]
    runs = cast("dict[str, list[Row]]", penstock("runs", "list", "--json", "--store", shop).json)["runs"]
    shown = (penstock("runs", "show", str(run["id"]), "--json", "--store", shop).json for run in runs)
    assert sorted(cast("Row", cast("Row", run)["input"])["amount"] for run in shown) == [3.0, 4.0]  # type: ignore[type-var]


def test_a_letter_is_given_back_once(shop: str, penstock: Penstock) -> None:
    first = penstock("letters", "replay", "shop:app", "1")
    assert (first.code, first.out, first.err) == (0, "letter 1: given back\n", "")
    second = penstock("letters", "replay", "shop:app", "1")
    assert (second.code, second.out) == (1, "")
    assert "letter 1: there is no dead letter 1" in second.err


def test_letters_are_discarded_all_or_none(shop: str, penstock: Penstock) -> None:
    outcome = penstock("letters", "discard", "1", "99", "--store", shop)
    assert outcome.code == 1
    assert len(listed(penstock("letters", "list", "--json", "--store", shop))) == 4
    outcome = penstock("letters", "discard", "1", "2", "--store", shop)
    assert (outcome.code, outcome.out) == (0, "letter 1: discarded\nletter 2: discarded\n")
    assert [row["id"] for row in listed(penstock("letters", "list", "--json", "--store", shop))] == [4, 3]


@pytest.mark.parametrize("verb", [("discard",), ("replay", "shop:app")])
def test_who_serves_and_does_not_answer_is_told_of(shop: str, penstock: Penstock, verb: tuple[str, ...]) -> None:
    async def look(_store: Store) -> None:
        from anyio.to_thread import run_sync

        outcome = await run_sync(lambda: penstock("letters", *verb, "1", "--wait", "0.1", "--store", shop))
        assert (outcome.code, outcome.out) == (1, "")
        asked = f"letter 1: letters.{verb[0]} 1 was not answered within 0.1 s: no process serves the store, or it hangs"
        assert outcome.err.startswith(asked)

    with_store(shop, look)
    assert len(listed(penstock("letters", "list", "--json", "--store", shop))) == 4


def test_a_missing_store_is_not_made(project: Path, penstock: Penstock) -> None:
    outcome = penstock("letters", "discard", "1")
    assert outcome.code == 1
    assert "there is no such file" in outcome.err
    assert list(project.iterdir()) == []
