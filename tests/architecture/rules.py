"""The rules of the house as tables, and the checks that read them.

A check takes a file's path and its tree and yields one sentence per violation. An exception to a rule is a row with the
reason for it; a path that ends in "/" stands for all files below it.
"""

import ast
import sys
from collections.abc import Callable, Iterator

from tests.architecture.source import LAYERS, ROOT, calls, imports, module_name, uses

Check = Callable[[str, ast.Module], Iterator[str]]

#: Which layers each layer may import. Data flows down this table, imports point up it.
MAY_IMPORT = {
    "runtime": set[str](),
    "accumulators": {"runtime"},
    "reactors": {"runtime", "accumulators"},
    "graphs": {"runtime", "reactors"},
    "workflows": {"runtime", "reactors", "graphs"},
    "penstock": set(LAYERS),
}

#: Libraries that any file may import.
EVERYWHERE = {"anyio", "msgspec", "typing_extensions"}
#: The file or folder that alone imports a library: what we use of it can be seen, and exchanged, in one place.
ONE_IMPORTER = {
    "aiokafka": ("accumulators/kafka/client.py", "penstock/demo/topic.py"),
    "asyncpg": ("runtime/store/",),
    "cyclopts": ("penstock/cli/",),
    "prometheus_client": ("runtime/metrics.py",),
    "psutil": ("penstock/demo/readings.py",),
    "reactivex": ("runtime/rx.py",),
    "rich": ("penstock/cli/", "penstock/demo/"),
    "sqlalchemy": ("runtime/store/",),
    "sqlite3": ("runtime/store/",),
}

#: Names that read the time or wait for it.
TIME = {
    "anyio.current_time",
    "anyio.fail_after",
    "anyio.move_on_after",
    "anyio.sleep",
    "anyio.sleep_until",
    "asyncio.sleep",
    "asyncio.timeout",
    "asyncio.timeout_at",
    "asyncio.wait_for",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "time.monotonic",
    "time.monotonic_ns",
    "time.sleep",
    "time.time",
    "time.time_ns",
}
READS_TIME = {
    "runtime/clock.py": "it is the clock",
    "runtime/scheduler.py": "it waits for the clock, on behalf of everyone",
    "runtime/store/postgres_lease.py": "a lease is kept in real time, in a thread of its own, whatever the loop does",
}
#: Names that measure how long something took. A duration never decides anything.
STOPWATCHES = {"time.perf_counter", "time.perf_counter_ns", "time.process_time", "time.thread_time"}
MEASURES = READS_TIME | {
    "penstock/demo/burn.py": "the load spike ends when its time is up",
    "runtime/metrics.py": "durations of what is observed",
    "runtime/store/postgres_check.py": "durations of statements and commits, for people",
    "runtime/store/writer.py": "durations of commits",
}
#: Calls that, given a timeout, make a thread wait for real time.
THREAD_WAITS = {"acquire", "get", "join", "result", "wait"}
WAITS_IN_THREADS = READS_TIME | {
    "runtime/store/sqlite_watch.py": "a file tells nobody that it was written: a thread looks at it from time to time",
    "runtime/store/writer.py": "stopping waits a bounded time for the writer thread",
}

STARTS_TASKS = {"runtime/": "tasks have an owner: the supervisor, or a task group"}

CATCHES_ALL = {
    "accumulators/awaiting.py": "an accumulator's function is user code: its event becomes a dead letter",
    "accumulators/batching.py": "an accumulator's function is user code: its events become dead letters",
    "accumulators/buffer.py": "comparing and encoding values runs user code: what cannot be written is left out",
    "accumulators/feeding.py": "a poll is user code: what it raises becomes health, then the supervisor's",
    "accumulators/inbox.py": "whatever one event of a batch raises, the others are applied; raised again afterwards",
    "accumulators/kafka/reading.py": "whatever ends one of two tasks ends the other, and is raised as it is",
    "accumulators/piping.py": "operators are user code: what they raise makes the event a dead letter",
    "accumulators/decoding.py": "a decode= is user code: what it raises says that the event is wrong",
    "accumulators/live.py": "an accumulator's function is user code: its event becomes a dead letter",
    "accumulators/standing.py": "comparing and encoding a state runs user code: the last one that could be stays",
    "accumulators/streaming.py": "an accumulator's function is user code: its event becomes a dead letter",
    "accumulators/window.py": "converting runs user code: what cannot be read becomes a dead letter",
    "penstock/answering.py": "what another process asks for runs user code: who asked is told what it raised",
    "penstock/changes.py": "whatever keeps parts from being loaded, what had begun is undone; raised again",
    "penstock/process.py": "whatever keeps an app from opening, the coroutine it should run is closed; raised again",
    "penstock/session.py": "what keeps an app from opening is raised again; an observer is user code",
    "penstock/testing/bench.py": "whatever a source under test raises, the test looks at it",
    "penstock/testing/app.py": "an error of the test's body goes its own way, not wrapped into a group",
    "reactors/cut.py": "encoding and printing values runs user code: what cannot be written is left out",
    "reactors/keeping.py": "encoding the inputs of a firing runs user code: its row is written without them",
    "reactors/cuts.py": "whatever keeps a cut from being written, its entries are put back, and the app is told",
    "reactors/deciding.py": "graphs are user code: one that raises must not keep the others from running",
    "reactors/judging.py": "a predicate is user code: one bad value must not stop the next",
    "reactors/flights.py": "graphs are user code: one that raises must not keep the others from running",
    "reactors/lane.py": "a graph is user code: what it raises is the outcome of its firing",
    "reactors/takers.py": "key functions are user code: one bad value must not stop the next",
    "penstock/cli/loading.py": "importing the module of an app runs user code",
    "runtime/foreign.py": "printing what user code raised runs user code",
    "runtime/rx.py": "operators call user code, and not all of them catch what it raises",
    "runtime/processes.py": "a process is a bridge: whatever a function raises, or its pickling, goes to who waits",
    "runtime/scheduler.py": "a callback that raises must not stop the timers of others",
    "runtime/store/sqlite_driver.py": "whatever a step raises goes into the program, which knows what it means",
    "runtime/store/postgres_lease.py": "whatever keeps the thread from connecting, the one who opens must be told",
    "runtime/store/postgres.py": "whatever ends a job must be reported: somebody waits for it",
    "runtime/store/postgres_driver.py": "whatever a step raises goes into the program, which knows what it means",
    "runtime/store/sqlite.py": "whatever ends a job in a thread must reach the loop, where somebody waits for it",
    "runtime/supervise.py": "what it supervises is user code",
    "runtime/threads.py": "a thread is a bridge: whatever a function raises goes to who waits for it",
    "workflows/execution.py": "a task body is user code",
    "workflows/owner.py": "an output that cannot be brought together fails its run, which would never end otherwise",
    "workflows/slots.py": "a context that cannot be brought together fails its run alone, and gives its slot back",
}

#: Exceptions that are not in the tree of runtime/errors.py.
OWN_EXCEPTIONS = {
    "penstock/testing/": "a scripted crash must look like nobody's error",
}

#: Files that decide and never act: what they must not even import.
PURE = {
    "graphs/checks.py",
    "graphs/conditions.py",
    "graphs/data.py",
    "graphs/explain.py",
    "graphs/layout.py",
    "graphs/picture.py",
    "graphs/plan.py",
    "graphs/ranks.py",
    "graphs/routes.py",
    "graphs/sections.py",
    "graphs/sources.py",
    "graphs/svg.py",
    "graphs/topology.py",
    "graphs/types.py",
    "graphs/ways.py",
    "reactors/checks.py",
    "reactors/criteria.py",
    "reactors/predicate.py",
    "workflows/delta.py",
    "workflows/merging.py",
    "workflows/plan.py",
    "workflows/planner.py",
    "workflows/states.py",
}
IMPURE = {"anyio", "asyncio", "os", "socket", "sqlite3", "subprocess", "threading", "time"}


def listed(file: str, table: dict[str, str] | tuple[str, ...]) -> bool:
    """Tell whether the table has the file, or a folder that it is in."""
    return any(file == row or (row.endswith("/") and file.startswith(row)) for row in table)


def names_module(path: list[str]) -> bool:
    """Tell whether an import names a module of ours, or something in one that is not a package."""
    files = [ROOT.joinpath(*part).with_suffix(".py") for part in (path, path[:-1]) if part]
    return ROOT.joinpath(*path).is_dir() or any(file.exists() for file in files)


def layers(file: str, module: ast.Module) -> Iterator[str]:
    """Imports point up the layers, and name the module, not the layer that re-exports from it."""
    own = file.partition("/")[0]
    for line, name in imports(module):
        if name.partition(".")[0] != "penstock":
            continue

        path = name.split(".")[1:]
        layer = path[0] if path and path[0] in LAYERS else "penstock"
        if layer != own and layer not in MAY_IMPORT[own]:
            yield f"{file}:{line}: {own} may not import {name}"
        elif own != "penstock" and not names_module(path):
            yield f"{file}:{line}: import {name} from the module that defines it"


def one_importer(file: str, module: ast.Module) -> Iterator[str]:
    """A library is imported in one place only."""
    for line, name in imports(module):
        top = name.partition(".")[0]
        if top in ONE_IMPORTER:
            if not listed(file, ONE_IMPORTER[top]):
                yield f"{file}:{line}: only {' and '.join(ONE_IMPORTER[top])} may import {top}"
        elif top and top not in sys.stdlib_module_names | EVERYWHERE | {"penstock", *LAYERS}:
            yield f"{file}:{line}: {top} is in no table of libraries"


def absolute(file: str, module: ast.Module) -> Iterator[str]:
    """Imports are absolute and begin with ``penstock``: the bare folder name makes a second copy of every class."""
    for line, name in imports(module):
        top = name.partition(".")[0]
        if not top:
            yield f"{file}:{line}: relative import {name}"
        elif top != "penstock" and top in LAYERS:
            yield f"{file}:{line}: import penstock.{name}, not {name}"


def time(file: str, module: ast.Module) -> Iterator[str]:
    """Time is an argument: only the clock reads it, only the scheduler waits for it."""
    for line, name in uses(module):
        if name in TIME and not listed(file, READS_TIME):
            yield f"{file}:{line}: {name}: take a clock, or ask the scheduler"
        elif name in STOPWATCHES and not listed(file, MEASURES):
            yield f"{file}:{line}: {name}: this file is not listed as one that measures"

    modules = {line for line, name in uses(module) if name in {"asyncio.wait", "time.time"}}
    for call, attribute in calls(module):
        where = f"{file}:{call.lineno}"
        receiver = ast.unparse(call.func).removesuffix(f".{attribute}")
        if (attribute in {"call_later", "call_at"}) and not listed(file, READS_TIME):
            yield f"{where}: {attribute}: ask the scheduler"
        elif attribute == "time" and receiver.rstrip("()").endswith("loop") and not listed(file, READS_TIME):
            yield f"{where}: loop.time: take a clock"
        elif attribute in THREAD_WAITS and call.lineno not in modules and not listed(file, WAITS_IN_THREADS):
            timeouts = [keyword for keyword in call.keywords if keyword.arg == "timeout"]
            if timeouts or (attribute == "wait" and call.args):
                yield f"{where}: {attribute} with a timeout waits for real time"


def tasks(file: str, module: ast.Module) -> Iterator[str]:
    """Outside runtime/ tasks are started in task groups, which own them."""
    if listed(file, STARTS_TASKS):
        return

    for line, name in uses(module):
        if name in {"asyncio.create_task", "asyncio.ensure_future"}:
            yield f"{file}:{line}: {name}: start tasks in a task group"

    for call, attribute in calls(module):
        if attribute == "create_task" and ast.unparse(call.func) != "asyncio.create_task":
            yield f"{file}:{call.lineno}: {ast.unparse(call.func)}: start tasks in a task group"


def broad(node: ast.expr | None) -> bool:
    """Tell whether an ``except`` clause catches everything."""
    names = node.elts if isinstance(node, ast.Tuple) else [node]
    return any(name is None or ast.unparse(name) in {"Exception", "BaseException"} for name in names)


def catch_all(file: str, module: ast.Module) -> Iterator[str]:
    """Only where user code ends is everything caught."""
    if listed(file, CATCHES_ALL):
        return

    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler) and broad(node.type):
            yield f"{file}:{node.lineno}: except is as wide as can be, and this file is not listed"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress") and any(map(broad, node.args)):
            yield f"{file}:{node.lineno}: suppress is as wide as can be, and this file is not listed"


def error_classes(file: str, module: ast.Module) -> Iterator[str]:
    """Every error is in the one tree."""
    if file == "runtime/errors.py" or listed(file, OWN_EXCEPTIONS):
        return

    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            if any(base.endswith(("Error", "Exception")) or base in ERRORS for base in bases):
                yield f"{file}:{node.lineno}: {node.name} belongs into the tree of runtime/errors.py"


def pure(file: str, module: ast.Module) -> Iterator[str]:
    """What decides does no I/O."""
    if file in PURE:
        for line, name in imports(module):
            if name.partition(".")[0] in IMPURE or name.startswith(
                ("penstock.runtime.store", "penstock.runtime.clock")
            ):
                yield f"{file}:{line}: {module_name(file)} decides only; {name} acts"


def class_names(file: str) -> set[str]:
    """Return the classes of a file."""
    text = (ROOT / file).read_text() if (ROOT / file).exists() else ""
    return {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)}


ERRORS = class_names("runtime/errors.py")

#: What each file of the code must obey.
CODE_RULES: list[Check] = [layers, one_importer, absolute, time, tasks, catch_all, error_classes, pure]
