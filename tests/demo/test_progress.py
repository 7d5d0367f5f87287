from penstock.demo.frame import Task
from penstock.demo.progress import Incidents
from penstock.runtime.observe import CutCommitted, Fact, RunFinished, RunLeft, RunStarted, TaskFinished
from penstock.testing.clock import VirtualClock

OPENED = RunStarted(workflow="incident", run_id="1-1", origin="watch")
FOLLOWED = TaskFinished(workflow="incident", run_id="1-1", task="follow", status="completed", seconds=1.5)
ENDED = RunFinished(workflow="incident", run_id="1-1", status="completed", seconds=2.0)


def followed(*facts: Fact) -> tuple[Incidents, list[str]]:
    said: list[str] = []
    incidents = Incidents("incident", ["follow", "report"], VirtualClock(), said.append)
    for fact in facts:
        incidents(fact)

    return incidents, said


def test_run_shows_which_tasks_have_ended() -> None:
    incidents, _ = followed(OPENED, FOLLOWED)
    assert incidents.lines()[0].tasks == (
        Task(name="follow", status="completed", seconds=1.5),
        Task(name="report", status="waiting"),
    )
    assert incidents.running


def test_what_happens_is_said() -> None:
    assert followed(OPENED, FOLLOWED, ENDED)[1] == [
        "incident 1-1 opened",
        "incident 1-1: follow completed in 1.5 s",
        "incident 1-1 completed after 2.0 s",
    ]


def test_error_of_a_task_is_said() -> None:
    failed = TaskFinished(
        workflow="incident", run_id="1-1", task="report", status="failed", seconds=0.1, error="OSError: disk full"
    )
    assert followed(OPENED, failed)[1][-1] == "incident 1-1: report failed: OSError: disk full"


def test_run_that_was_not_started_here_was_recovered() -> None:
    incidents, _ = followed(FOLLOWED, ENDED)
    assert [(run.id, run.recovered, run.status, run.seconds) for run in incidents.lines()] == [
        ("1-1", True, "completed", 2.0)
    ]
    assert not incidents.running


def test_run_that_an_earlier_demo_left_keeps_what_has_ended() -> None:
    incidents, said = followed()
    incidents.take_over("1-1", {"follow": "completed", "report": "running"})
    assert [task.status for task in incidents.lines()[0].tasks] == ["completed", "waiting"]
    assert incidents.recovered == 1
    assert said == ["incident 1-1 taken over from an earlier demo, which did not end it"]


def test_run_has_a_title_once_it_is_known() -> None:
    incidents, said = followed(OPENED)
    assert incidents.untitled == ("1-1",)
    incidents.entitle("1-1", "CPU at 61.0 %")
    assert (incidents.lines()[0].title, incidents.untitled, said[-1]) == (
        "CPU at 61.0 %",
        (),
        "incident 1-1: CPU at 61.0 %",
    )


def test_run_that_goes_on_elsewhere_is_not_waited_for() -> None:
    left = RunLeft(workflow="incident", run_id="1-1", why="lost", reason="another owner")
    incidents, _ = followed(OPENED, left)
    assert (incidents.lines()[0].status, incidents.running) == ("lost", False)


def test_facts_about_other_things_are_ignored() -> None:
    other = RunStarted(workflow="settle", run_id="1-9", origin="call")
    assert followed(other, CutCommitted(domain="machine", rows=1, effects=0, seconds=0.1))[0].lines() == ()


async def test_run_that_goes_on_grows_older() -> None:
    clock = VirtualClock()
    incidents = Incidents("incident", [], clock, lambda _words: None)
    incidents(OPENED)
    await clock.advance(3.0)
    assert incidents.lines()[0].seconds == 3.0
