"""A firing that kills its process does not do so for ever, and takes nothing else with it."""

import json
from pathlib import Path
from typing import cast

import pytest

from tests.faults.kills import Scene


@pytest.mark.timeout(120)
def test_a_firing_that_kills_becomes_one_dead_letter_and_the_others_have_their_effect_once(
    tmp_path: Path, store_url: str
) -> None:
    scene = Scene(tmp_path, store_url)
    wreck = scene.load(count=40, only="push", lethal="push")
    deaths = 1
    while not scene.lives():
        deaths += 1
        assert deaths < 8, "it goes on killing"

    error = "the process died each of the 3 times that this firing was run again"
    [(payload,)] = scene.query("SELECT payload FROM dead_letters")
    assert wreck.busy
    assert deaths == 4
    assert scene.query("SELECT part, reason, error FROM dead_letters") == [("desk", "firing", error)]
    assert json.loads(cast("bytes | str", payload))["orders"]["id"] == 10_020
    assert scene.check(letters=1) > 0
