import pytest

from penstock.demo.judging import Reading
from penstock.demo.signals import Disk, Memory, Network, Processes
from penstock.demo.streams import ABSENT, Counts, course, normal, now, stream
from tests.demo.samples import START, cpu, process, track

COUNTS = Counts(events=24, rate=4.0)
MEMORY = Memory(used=track([40.0]), total_bytes=2**34, swap=None)
DISK = Disk(read=track([0.0, 2.0**21]), written=track([0.0, 2.0**21]))
NETWORK = Network(received=track([1536.0]), sent=track([0.0]))
PROCESSES = Processes(at=START, total=80, busiest=(process([98.0]), process([12.0], name="b"), process([1.0])))


@pytest.mark.parametrize(
    ("reading", "words"),
    [
        (cpu([61.2]), "61.2 % of 2 cores, load 0.5"),
        (MEMORY, "40.0 % of 16.0 GiB"),
        (DISK, "2.0 MiB/s read, 2.0 MiB/s written"),
        (NETWORK, "1.5 KiB/s in, 0 B/s out"),
        (PROCESSES, "burn 98 %, b 12 %"),
    ],
)
def test_every_reading_has_words(reading: Reading, words: str) -> None:
    assert now(reading) == words


@pytest.mark.parametrize(
    ("reading", "heights"),
    [(cpu([50.0]), (0.5,)), (MEMORY, (0.4,)), (DISK, (0.0, 1.0)), (NETWORK, (1536 / 2**20,)), (PROCESSES, (0.98,))],
)
def test_every_reading_has_a_course(reading: Reading, heights: tuple[float, ...]) -> None:
    assert course(reading) == heights


def test_what_is_normal_is_said_once_it_is_known() -> None:
    assert normal(cpu([5.0] * 8)) == ""
    assert normal(cpu([5.0] * 9)) == "up to 30.0 %"


def test_stream_is_strange_while_its_signal_is() -> None:
    assert stream("cpu", COUNTS, cpu([*[5.0] * 9, 60.0, 61.0, 62.0]), patient=False).strange
    assert not stream("cpu", COUNTS, cpu([5.0] * 12), patient=False).strange


@pytest.mark.parametrize("reading", [MEMORY, DISK, NETWORK, PROCESSES])
def test_few_samples_are_never_strange(reading: Reading) -> None:
    assert not stream("any", COUNTS, reading, patient=False).strange


def test_stream_without_a_reading_is_said_to_be_absent_after_a_while() -> None:
    assert stream("disk", COUNTS, None, patient=True).absent is None
    assert stream("disk", COUNTS, None, patient=False).absent == ABSENT
