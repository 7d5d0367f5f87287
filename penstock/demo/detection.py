"""Watches the machine: five polls, one reactor, one graph that judges what they read.

    cpu, memory, disk, network, processes ──► reactor `machine` ──► graph `watch` ──► workflow `incident`

The nodes are pure but for one: whether an incident has been opened lately is remembered by the cool-down, which is
made anew for each demo. What else a node has to know arrives with the readings, as the samples before them.
"""

from datetime import datetime

import msgspec

import penstock as ps
from penstock.demo import readings
from penstock.demo.baseline import Deviation
from penstock.demo.evidence import Incident
from penstock.demo.incident import incident
from penstock.demo.judging import Snapshot, history, newcomers, saturated, snapshot, unusual, worst_first
from penstock.demo.sensors import OFTEN, SELDOM, Sensors
from penstock.demo.signals import Cpu, Disk, Memory, Network, Processes
from penstock.runtime.clock import Clock

#: Seconds within which no second incident is opened.
COOL_DOWN = 8.0


class Normal(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing to see here."""

    at: datetime


class Anomaly(msgspec.Struct, frozen=True, kw_only=True):
    """Something is not normal."""

    at: datetime
    #: The worst first; at least one.
    deviations: tuple[Deviation, ...]


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An anomaly that opens an incident."""

    anomaly: Anomaly


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An anomaly so soon after the last incident that it belongs to that."""

    anomaly: Anomaly


class CoolDown:
    """Lets one alarm pass, then none for a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last: datetime | None = None

    def admits(self, at: datetime) -> bool:
        """Tell whether an alarm passes; if so, it is the last one for a while."""
        if self._last is not None and (at - self._last).total_seconds() < self._seconds:
            return False

        self._last = at
        return True


def machine(clock: Clock) -> ps.Reactor:
    """Return a reactor that is fed by polls of this machine."""
    sensors = Sensors(clock)

    @ps.polling_accumulator(interval=OFTEN)
    def cpu() -> Cpu | None:
        return sensors.cpu()

    @ps.polling_accumulator(interval=SELDOM)
    def memory() -> Memory | None:
        return sensors.memory()

    @ps.polling_accumulator(interval=SELDOM)
    def disk() -> Disk | None:
        return sensors.disk()

    @ps.polling_accumulator(interval=SELDOM)
    def network() -> Network | None:
        return sensors.network()

    @ps.polling_accumulator(interval=SELDOM)
    def processes() -> Processes | None:
        return sensors.processes()

    return ps.Reactor("machine", [cpu, memory, disk, network, processes], criteria=ps.when_any())


def watch(reactor: ps.Reactor, *, directory: str, since: datetime, cool_down: float = COOL_DOWN) -> ps.ComputationGraph:
    """Return the graph that judges each snapshot of a machine, and opens incidents.

    Args:
        reactor: Fires with the readings of a machine.
        directory: Where the reports of incidents go.
        since: Readings that were taken earlier are not judged: the reactor remembers those of the demo before.
        cool_down: Seconds within which no second incident is opened.
    """
    graph = ps.ComputationGraph("watch", reactor=reactor)
    gate, host = CoolDown(cool_down), readings.host()

    @graph.node
    def current(
        cpu: Cpu | None, memory: Memory | None, disk: Disk | None, network: Network | None, processes: Processes | None
    ) -> Snapshot:
        return snapshot(cpu, memory, disk, network, processes, since=since)

    @graph.node
    def signals(current: Snapshot) -> tuple[Deviation, ...]:
        return unusual(current)

    @graph.node
    def load(current: Snapshot) -> tuple[Deviation, ...]:
        return saturated(current)

    @graph.node
    def arrivals(current: Snapshot) -> tuple[Deviation, ...]:
        return newcomers(current)

    @graph.node(terminals=(Normal,))
    def judge(
        current: Snapshot,
        signals: tuple[Deviation, ...],
        load: tuple[Deviation, ...],
        arrivals: tuple[Deviation, ...],
    ) -> Normal | Anomaly:
        found = worst_first((*signals, *load, *arrivals))
        return Anomaly(at=current.at, deviations=found) if found else Normal(at=current.at)

    @graph.node(terminals=(Held,))
    def alarm(judge: Anomaly) -> Alarm | Held:
        return Alarm(anomaly=judge) if gate.admits(judge.at) else Held(anomaly=judge)

    @graph.node(starts=incident)
    def escalate(alarm: Alarm, current: Snapshot) -> Incident:
        worst = alarm.anomaly.deviations
        return Incident(
            opened_at=alarm.anomaly.at,
            host=host,
            deviations=worst,
            history=history(worst[0], current),
            directory=directory,
        )

    return graph
