"""``penstock runs …``: the runs in a state store."""

import json as json_text
from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter, validators

from penstock.cli.options import Json, StoreUrl, settings
from penstock.cli.output import Table, clock_time, duration, iso, print_fields, print_json, print_table
from penstock.cli.stores import read
from penstock.runtime.store.rows import EventsRow, RunRow, TaskRow, run_name, run_number
from penstock.runtime.store.runs import list_runs, load_events, load_run
from penstock.runtime.store.store import Store
from penstock.runtime.urls import masked

#: Characters of an input or output that are shown to people.
LONGEST = 400
#: What is known about an event, by name.
Event = dict[str, object]

app: App = App(name="runs", help="Look at the runs in a state store.")

#: Parked is not among them: whether code fits a run is known to the app that would run it.
StoredState = Literal["running", "completed", "failed", "quarantined"]
WorkflowName = Annotated[str | None, Parameter(name="--workflow", help="Only runs of this workflow.")]
Status = Annotated[StoredState | None, Parameter(name="--status", help="Only runs with this status.")]
Limit = Annotated[
    int, Parameter(name="--limit", help="At most so many runs.", validator=validators.Number(gte=1, lte=100_000))
]
RunId = Annotated[str, Parameter(help="The run's id, as `penstock runs list` shows it.")]


@app.command(name="list")
def list_(
    *,
    workflow: WorkflowName = None,
    status: Status = None,
    limit: Limit = 20,
    store: StoreUrl = None,
    json: Json = False,
) -> int:
    """List runs, newest first."""
    url = settings(store).config.store
    found = read(url, lambda opened: list_runs(opened, workflow=workflow, status=status, limit=limit))
    if json:
        print_json({"store": masked(url), "runs": [summary(run) for run in found]})
    else:
        print_table(
            Table(
                columns=("run", "workflow", "status", "created", "took", "origin"),
                rows=tuple(line(run) for run in found),
                empty=f"no such runs in {masked(url)}",
            )
        )

    return 0


@app.command
def show(run_id: RunId, /, *, store: StoreUrl = None, json: Json = False) -> int:
    """Show one run: input, output, tasks, events, error."""
    number = run_number(run_id)

    async def ask(opened: Store) -> tuple[RunRow, list[EventsRow]]:
        return await load_run(opened, number), await load_events(opened, number)

    run, packed = read(settings(store).config.store, ask)
    events = [event for row in packed for event in unpack(row)]
    if json:
        print_json(details(run, events))
    else:
        print_run(run, events)

    return 0


def unpack(row: EventsRow) -> list[Event]:
    """Return the events of one decision, each with its time."""
    return [{"at": iso(row.at), **event} for event in msgspec.json.decode(row.events, type=list[Event])]


def summary(run: RunRow) -> dict[str, object]:
    """Return what --json prints about a run in a list."""
    return {
        "id": run_name(run.id),
        "workflow": run.workflow,
        "status": run.status,
        "origin": run.origin,
        "key": run.key,
        "error": run.error,
        "owner": run.owner,
        "recoveries": run.recoveries,
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "finished_at": iso(run.finished_at),
        "seconds": seconds(run),
    }


def details(run: RunRow, events: list[Event]) -> dict[str, object]:
    """Return what --json prints about one run."""
    return {
        **summary(run),
        "structure_version": run.structure_version,
        "code_version": run.code_version,
        "input": parsed(run.input),
        "output": parsed(run.output),
        "tasks": [task_details(task) for task in run.tasks],
        "events": events,
    }


def task_details(task: TaskRow) -> dict[str, object]:
    """Return what --json prints about a task of a run."""
    return {
        "task": task.task,
        "status": task.status,
        "attempts": task.attempts,
        "delta": parsed(task.delta),
        "error": task.error,
        "started_at": iso(task.started_at),
        "finished_at": iso(task.finished_at),
        "seconds": seconds(task),
    }


def line(run: RunRow) -> tuple[str, ...]:
    """Return a run's line in the list."""
    return (
        run_name(run.id),
        run.workflow,
        run.status,
        clock_time(run.created_at),
        duration(seconds(run)),
        run.origin,
    )


def print_run(run: RunRow, events: list[Event]) -> None:
    """Print one run for people."""
    print_fields(
        [
            ("run", run_name(run.id)),
            ("workflow", run.workflow),
            ("status", run.status),
            ("origin", run.origin),
            ("key", run.key or ""),
            ("created", clock_time(run.created_at)),
            ("finished", clock_time(run.finished_at)),
            ("took", duration(seconds(run))),
            ("recoveries", str(run.recoveries or "")),
            ("input", shortened(run.input)),
            ("output", shortened(run.output or "")),
            ("error", run.error or ""),
        ]
    )
    print("\ntasks")
    print_table(
        Table(
            columns=("task", "status", "attempts", "started", "took", "error"),
            rows=tuple(task_line(task) for task in run.tasks),
            empty="none of them is stored yet",
        )
    )
    print("\nevents")
    # one decision holds the events of several tasks; people read them by time
    by_time = sorted(events, key=lambda event: str(event["at"]))
    print_table(Table(columns=("at", "event"), rows=tuple(event_line(event) for event in by_time), empty="none"))


def task_line(task: TaskRow) -> tuple[str, ...]:
    """Return a task's line in the table of a run."""
    started = clock_time(task.started_at)
    return (task.task, task.status, str(task.attempts), started, duration(seconds(task)), task.error or "")


def event_line(event: Event) -> tuple[str, str]:
    """Return an event's line in the table of a run: its time, then what else is known."""
    words = " ".join(f"{name}={value}" for name, value in event.items() if name != "at" and value is not None)
    return str(event["at"]), words


def shortened(text: str) -> str:
    """Return a text that people can take in; ``--json`` has all of it."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters; --json shows all)"


def seconds(row: RunRow | TaskRow) -> float | None:
    """Return the seconds between start and end, when both have happened."""
    started = row.started_at or (row.created_at if isinstance(row, RunRow) else None)
    return (row.finished_at - started).total_seconds() if row.finished_at and started else None


def parsed(text: str | None) -> object:
    """Return what JSON text holds; nothing when there is none."""
    return None if text is None else json_text.loads(text)
