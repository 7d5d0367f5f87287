"""Readings for the tests, made of bare numbers."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from penstock.demo.baseline import Deviation
from penstock.demo.evidence import Course, Findings, Incident, Verdict
from penstock.demo.readings import Host
from penstock.demo.signals import Cpu, Process, Sample, Track

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def samples(values: Sequence[float], apart: float = 0.25, start: datetime = START) -> tuple[Sample, ...]:
    return tuple(Sample(at=start + timedelta(seconds=apart * index), value=value) for index, value in enumerate(values))


def track(values: Sequence[float], **options: float) -> Track:
    return Track(samples=samples(values, **options))


def cpu(values: Sequence[float]) -> Cpu:
    return Cpu(busy=track(values), cores=2, load=0.5)


def process(shares: Sequence[float], pid: int = 7, name: str = "burn", role: str | None = None) -> Process:
    return Process(pid=pid, name=name, use=track(shares, apart=0.5), memory_bytes=2**20, role=role)


def strange(value: float = 61.0, pid: int | None = None) -> Deviation:
    return Deviation(subject="cpu", name="CPU", pid=pid, unit="%", value=value, centre=6.0, limit=31.0)


def incident(directory: str, history: Sequence[float] = (5.0, 6.0, 7.0, 55.0, 61.0)) -> Incident:
    host = Host(name="box", system="Linux x86_64", cores=2)
    return Incident(opened_at=START, host=host, deviations=(strange(),), history=samples(history), directory=directory)


def findings(directory: str) -> Findings:
    return Findings(
        incident=incident(directory),
        verdict=Verdict(words="It rose.", course=Course(peak=61.0, latest=6.0, over=True), culprit=None),
        followed=(),
        processes=None,
        memory=None,
        filesystems=(),
        connections=None,
    )
