from datetime import timedelta

import pytest

import penstock as ps
from penstock.demo.detection import CoolDown, machine, watch
from penstock.demo.evidence import Incident
from penstock.demo.signals import Cpu, Track
from penstock.graphs.result import GraphResult
from penstock.testing.clock import VirtualClock
from tests.demo.samples import START, cpu, samples

QUIET = [5.0] * 10
BUSY = [*QUIET, 60.0, 61.0, 62.0]


@pytest.fixture
def graph() -> ps.ComputationGraph:
    return watch(machine(VirtualClock()), directory="reports", since=START, cool_down=8.0)


def later(seconds: float, values: list[float]) -> Cpu:
    return Cpu(busy=Track(samples=samples(values, start=START + timedelta(seconds=seconds))), cores=2, load=None)


def path(result: GraphResult) -> str:
    return next(iter(result.outputs))


def test_graph_is_wired(graph: ps.ComputationGraph) -> None:
    assert graph.check() == []


def test_what_is_normal_opens_nothing(graph: ps.ComputationGraph) -> None:
    result = graph.run_sync(cpu=cpu(QUIET))
    assert (path(result), list(result.effects)) == ("judge", [])


def test_anomaly_opens_an_incident_with_the_signal_before_it(graph: ps.ComputationGraph) -> None:
    result = graph.run_sync(cpu=cpu(BUSY))
    opened = result.outputs["escalate"]
    assert isinstance(opened, Incident)
    assert (opened.deviations[0].name, opened.deviations[0].value, opened.directory) == ("CPU", 61.0, "reports")
    assert [sample.value for sample in opened.history] == BUSY
    assert [effect.effect.workflow for effect in result.effects] == ["incident"]


def test_one_spike_opens_one_incident(graph: ps.ComputationGraph) -> None:
    paths = [path(graph.run_sync(cpu=later(0.25 * step, BUSY))) for step in range(20)]
    assert paths == ["escalate", *["alarm"] * 19]


def test_another_spike_after_the_cool_down_opens_another(graph: ps.ComputationGraph) -> None:
    assert [path(graph.run_sync(cpu=later(seconds, BUSY))) for seconds in (0, 7.9, 8.0)] == [
        "escalate",
        "alarm",
        "escalate",
    ]


def test_reading_that_an_earlier_demo_left_opens_nothing(graph: ps.ComputationGraph) -> None:
    assert path(graph.run_sync(cpu=later(-3.1, BUSY))) == "judge"


def test_cool_down_begins_with_the_alarm_that_passed() -> None:
    gate = CoolDown(5.0)
    passed = [gate.admits(START + timedelta(seconds=seconds)) for seconds in (0, 1, 4, 5, 6, 10)]
    assert passed == [True, False, False, True, False, True]
