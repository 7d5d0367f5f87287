"""The example that needs a broker runs as it is, and prints what it says."""

import csv
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.timeout(120)]


def run(**variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_VAR_")}
    command = [sys.executable, "-W", "error", ROOT / "examples" / "08_kafka_market.py"]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment | variables)


def shocks() -> list[str]:
    """Work out by a plain loop what the example must find."""
    rows = list(csv.DictReader((ROOT / "examples" / "data" / "money_market.csv").read_text().splitlines()))
    found: list[str] = []
    for series, limit in {"tbilrate": 1.5, "infl": 4.0, "unemp": 0.75}.items():
        for before, row in pairwise(rows):
            change = float(row[series]) - float(before[series])
            if abs(change) > limit:
                found.append(f"{row['period']} {series} {change:+.2f}")

    return sorted(found)


def test_the_market_of_money_is_read_once(real_brokers: str) -> None:
    ran = run(PENSTOCK_VAR_KAFKA_BROKERS=real_brokers)
    notes = shocks()
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "produced: 609",
        f"read: 609 - runs: {len(notes)}",
        f"first: {', '.join(notes[:3])}",
        f"the end of 2008: {', '.join(note for note in notes if note.startswith('2008q4'))}",
        f"after a restart: read: 0 - runs: {len(notes)}",
    ]
    assert "2008q4 infl -5.63" in notes


def test_without_a_broker_it_says_how_to_start_one() -> None:
    ran = run()
    assert ran.returncode == 1
    assert ran.stderr == ("no broker: start one (`make kafka`), and export PENSTOCK_VAR_KAFKA_BROKERS=127.0.0.1:9092\n")
