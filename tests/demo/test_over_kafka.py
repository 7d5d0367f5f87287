"""The demo over a real broker, as a command; and what it says to brokers that there are not."""

import json
import subprocess
import sys
from pathlib import Path

import anyio.to_thread
import pytest

from penstock.cli.main import main
from tests.kafka_broker import broker
from tests.kafka_client import new_topic_name, offsets
from tests.services import need

DEMO = [sys.executable, "-W", "error", "-m", "penstock", "demo"]


def killed(folder: Path, *words: str) -> None:
    """Run a demo, and kill it when its readings come."""
    command = [*DEMO, "--seconds", "60", "--plain", *words]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        assert demo.stdout is not None
        next(line for line in demo.stdout if " firings, " in line and ", live" in line and "kafka: 0 " not in line)
        demo.kill()


def watched(folder: Path, *words: str) -> dict[str, object]:
    done = subprocess.run(
        [*DEMO, "--seconds", "5", "--json", *words], check=False, cwd=folder, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.xdist_group("kafka")
async def test_demo_that_was_killed_goes_on_behind_the_stored_position_of_its_topic(tmp_path: Path) -> None:
    need("kafka")
    brokers, topic = broker().brokers, new_topic_name()
    words = ("--kafka", brokers, "--topic", topic)
    await anyio.to_thread.run_sync(killed, tmp_path, *words)
    (left,) = await offsets(brokers, topic)

    seen = await anyio.to_thread.run_sync(watched, tmp_path, *words)
    (end,) = await offsets(brokers, topic)
    kafka = seen["kafka"]
    assert isinstance(kafka, dict)
    # a kill before the first cut leaves no position: then it goes on at the first record
    before = kafka["resumed"].get(f"{topic}-0", -1)
    assert -1 <= before < left < end
    assert kafka == {
        "brokers": brokers,
        "topic": topic,
        "produced": end - left,
        "given_up": 0,
        "consumed": end - 1 - before,
        "lag": 0,
        "resumed": kafka["resumed"],
        "positions": {f"{topic}-0": end - 1},
        "error": None,
    }
    assert seen["events"] == kafka["consumed"]
    assert seen["missing"] == []


def test_broker_that_is_not_there_is_a_sentence_and_makes_no_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--json", "--kafka", "127.0.0.1:1", "--topic", "t"]) == 1
    sentence = "no broker can be reached at 127.0.0.1:1: is it running, and is that its address?"
    assert capsys.readouterr() == ("", f"penstock: source 'kafka t' is unavailable: {sentence}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--topic", "t"], "--topic t is of no use without --kafka"),
        (["--kafka", "box"], "--kafka box: 'box' is no broker: write host:port"),
        (["--kafka", "box:1,{{ X }}:2"], "'{{ X }}:2' is no broker"),
        (["--kafka", "box:1", "--topic", "a b"], "--topic a b: a topic has letters"),
        (["--kafka", "box:1", "--topic", ".."], "--topic ..: a topic has letters"),
    ],
)
def test_what_cannot_be_meant_is_a_misuse(words: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *words]) == 2
    assert problem in capsys.readouterr().err
