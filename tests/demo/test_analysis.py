from penstock.demo.analysis import analysis
from penstock.demo.evidence import Verdict
from penstock.demo.signals import Processes
from tests.demo.samples import START, process, samples, strange


def verdict(followed: list[float], processes: Processes | None = None, pid: int | None = None) -> Verdict:
    inputs = {"deviations": (strange(pid=pid),), "history": samples([5.0, 6.0, 55.0, 61.0, 58.0])}
    found = analysis.run_sync(**inputs, followed=samples(followed), processes=processes).outputs["verdict"]
    assert isinstance(found, Verdict)
    return found


def busy(*shares: float) -> Processes:
    several = (process([share], pid=index, name=f"p{index}") for index, share in enumerate(shares, 1))
    return Processes(at=START, total=9, busiest=tuple(several))


def test_analysis_is_wired() -> None:
    assert analysis.check() == []


def test_signal_that_came_down_is_over() -> None:
    assert verdict([64.0, 20.0, 6.0]).words == "CPU rose to 64.0 % and is normal again."


def test_signal_that_stays_up_is_not_over() -> None:
    assert verdict([64.0, 60.0]).words == "CPU rose to 64.0 % and is still at 60.0 %."


def test_signal_that_could_not_be_followed_is_judged_by_what_there_is() -> None:
    assert verdict([]).course.latest == 58.0


def test_busiest_process_is_the_probable_cause() -> None:
    assert verdict([60.0], busy(98.0, 40.0)).words.endswith("The probable cause is process p1 (1) with 98 % of a core.")


def test_process_that_is_not_normal_is_suspected_before_a_busier_one() -> None:
    culprit = verdict([60.0], busy(98.0, 40.0), pid=2).culprit
    assert culprit is not None
    assert culprit.pid == 2


def test_idle_processes_are_not_suspected() -> None:
    assert verdict([60.0], busy(9.0)).culprit is None
