"""From a spike to a report, in virtual time: the readings are a script, everything else is what the demo runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import penstock as ps
from penstock.demo import readings
from penstock.demo.detection import machine, watch
from penstock.demo.incident import incident
from penstock.demo.readings import CpuTimes
from penstock.runtime.config import Config
from penstock.testing import VirtualClock

#: Samples of the processors: quiet but for three seconds after four.
SCRIPT = [5.0] * 16 + [60.0] * 12 + [5.0] * 400


def scripted() -> Iterator[CpuTimes]:
    busy = 0.0
    for tick, percent in enumerate(SCRIPT):
        busy += percent / 100.0
        yield CpuTimes(busy=busy, total=float(tick))


@pytest.fixture(autouse=True)
def script(monkeypatch: pytest.MonkeyPatch) -> None:
    times = scripted()
    monkeypatch.setattr(readings, "cpu_times", lambda: next(times))
    for hidden in ("memory", "disk", "network", "cpu_percent"):
        monkeypatch.setattr(readings, hidden, lambda *_seconds: None)

    monkeypatch.setattr(readings, "processes", list)


def reports(directory: Path) -> list[str]:
    return sorted(path.suffix for path in directory.glob("incident-*"))


async def watched(seconds: float, folder: Path) -> list[str]:
    clock = VirtualClock()
    graph = watch(machine(clock), directory=str(folder / "reports"), since=clock.now())
    store = f"sqlite:///{folder / 'test.db'}"
    async with ps.App(store, [graph], config=Config(), clock=clock) as app:
        await clock.advance(seconds)
        return [run.status async for run in app.runs(incident)]


async def test_quiet_machine_opens_nothing(tmp_path: Path) -> None:
    assert await watched(4.0, tmp_path) == []
    assert reports(tmp_path / "reports") == []


async def test_spike_opens_one_incident_that_ends_with_a_report(tmp_path: Path) -> None:
    assert await watched(30.0, tmp_path) == ["completed"]
    assert reports(tmp_path / "reports") == [".md", ".svg"]
