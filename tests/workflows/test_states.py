"""The states of runs are the texts that people write."""

from typing import get_args

from penstock.workflows.states import RunState, RunStatus


def test_type_checkers_know_every_state_of_a_run() -> None:
    assert get_args(RunStatus) == tuple(RunState)
