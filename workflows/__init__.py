"""The fourth layer: firings, graph results, schedules and calls start durable runs.

A workflow is a checked DAG of tasks, a run one execution of it. The owner of a run holds its state in memory, decides
the next step at once when a task ends, and writes it through to the store before anybody sees it.
"""

from penstock.workflows.context import Context as Context
from penstock.workflows.run import Run as Run, TaskRun as TaskRun
from penstock.workflows.states import RunState as RunState, RunStatus as RunStatus, TaskState as TaskState
from penstock.workflows.tally import WorkerStatistics as WorkerStatistics
from penstock.workflows.task import Task as Task
from penstock.workflows.worker import Worker as Worker
from penstock.workflows.workflow import Workflow as Workflow, task as task

__all__ = [
    "Context",
    "Run",
    "RunState",
    "RunStatus",
    "Task",
    "TaskRun",
    "TaskState",
    "Worker",
    "WorkerStatistics",
    "Workflow",
    "task",
]
