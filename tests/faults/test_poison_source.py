"""An event of a source that kills its process does not do so for ever, wherever it kills; the others are done once."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import rows
from tests.faults.kills import PATIENCE
from tests.faults.poison_victim import POISON

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = range(10, 30)


def lives(url: str, file: Path, where: str) -> bool:
    """Start the victim; tell whether it came to its end."""
    command = [sys.executable, "-m", "tests.faults.poison_victim", url, str(file), where]
    victim = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert victim.returncode in {0, -signal.SIGKILL}, victim.stderr
    return victim.returncode == 0


@pytest.mark.chaos
@pytest.mark.timeout(120)
@pytest.mark.parametrize("where", ["function", "graph", "batch"])
def test_an_event_that_kills_becomes_a_dead_letter_and_the_others_have_their_effect_once(
    tmp_path: Path, store_url: str, where: str
) -> None:
    file = tmp_path / "numbers"
    file.write_text("".join(f"{number}\n" for number in NUMBERS))
    deaths = 0
    while not lives(store_url, file, where):
        deaths += 1
        assert deaths < 12, "it goes on killing"

    kept = [int(bytes(payload)) for (payload,) in rows(store_url, "SELECT payload FROM dead_letters")]  # type: ignore[arg-type]
    inputs = rows(store_url, "SELECT input FROM runs WHERE status = 'completed'")
    done = [number for (given,) in inputs for number in json.loads(str(given))["numbers"]]
    assert deaths >= 3
    assert POISON in kept
    assert sorted([*kept, *done]) == list(NUMBERS)
    if where != "batch":
        assert kept == [POISON]
