import msgspec
import pytest

from penstock.demo.passage import Passage
from penstock.demo.summary import Summary, lines

SUMMARY = Summary(
    seconds=15.1,
    interrupted=False,
    events=170,
    firings=168,
    failed_firings=0,
    cuts=15,
    latency_p50=86e-6,
    latency_p99=1.3e-3,
    runs=("3-1",),
    completed=1,
    failed=0,
    recovered=0,
    reports=("/tmp/incident.md",),  # noqa: S108 - a name
    earlier_runs=2,
    absent=("disk",),
    store="my demo.db",
)


def test_summary_says_what_was_seen_and_where_to_look_further() -> None:
    assert list(lines(SUMMARY, ".venv/bin/penstock")) == [
        "watched for 15.1 s",
        "170 events, 168 firings (p50 86.0 µs, p99 1.3 ms), 15 cuts",
        "1 incident (1 completed); 2 earlier ones in my demo.db",
        "not told by this machine: disk",
        "report: /tmp/incident.md",
        "look further: .venv/bin/penstock runs list --store 'my demo.db'",
        "look further: .venv/bin/penstock runs show 3-1 --store 'my demo.db'",
    ]


def test_a_password_that_is_not_shown_has_to_be_put_into_the_commands() -> None:
    url = "postgresql+asyncpg://app:***@localhost/shop"
    told = list(lines(msgspec.structs.replace(SUMMARY, store=url), "penstock"))
    assert told[-3:] == [
        f"look further: penstock runs list --store '{url}'",
        f"look further: penstock runs show 3-1 --store '{url}'",
        "(*** stands for the password)",
    ]


@pytest.mark.parametrize(
    ("field", "missing"), [("events", "event"), ("firings", "firing"), ("completed", "completed run")]
)
def test_what_was_not_seen_is_said(field: str, missing: str) -> None:
    nothing = msgspec.structs.replace(SUMMARY, **{field: 0})
    assert nothing.missing == (missing,)
    assert list(lines(nothing, "penstock"))[-1] == f"NOT SEEN: {missing}"


def test_runs_that_did_not_end_well_are_counted() -> None:
    worse = msgspec.structs.replace(
        SUMMARY, runs=("3-1", "3-2", "3-3"), failed=1, recovered=1, interrupted=True, failed_firings=3
    )
    text = "\n".join(lines(worse, "penstock"))
    assert "3 incidents (1 completed, 1 failed, 1 not ended, 1 taken over)" in text
    assert "ended by Ctrl-C" in text
    assert "3 failed" in text


def test_without_runs_there_is_nothing_to_show() -> None:
    assert len(msgspec.structs.replace(SUMMARY, runs=()).commands("penstock")) == 1


def test_way_over_kafka_is_told_with_the_command_that_goes_on() -> None:
    passage = Passage(
        brokers="box:1,box:2",
        topic="t",
        produced=4,
        given_up=0,
        consumed=4,
        lag=0,
        resumed={},
        positions={"t-0": 3},
        error=None,
    )
    told = list(lines(msgspec.structs.replace(SUMMARY, kafka=passage, absent=(), reports=(), runs=()), "penstock"))
    assert told[3:] == [
        *passage.lines(),
        "look further: penstock runs list --store 'my demo.db'",
        "look further: penstock demo --kafka box:1,box:2 --topic t --store 'my demo.db'",
    ]
