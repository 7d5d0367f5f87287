"""Every error that Penstock raises on purpose.

The class answers two questions: whose mistake is it, and does trying again help (``retryable``).

    PenstockError
    ├─ DefinitionError
    ├─ ConfigError
    ├─ SourceError
    │  ├─ SourceUnavailable
    │  ├─ PositionLost
    │  ├─ ProcessFailed
    │  └─ DecodeError
    ├─ ChannelError
    │  └─ ChannelFull
    ├─ StoreError
    │  ├─ StoreUnavailable
    │  │  └─ CommitUnknown
    │  ├─ StoreFull
    │  ├─ StoreReadOnly
    │  ├─ StoreCorrupt
    │  ├─ StoreInUse
    │  ├─ StoreTakenOver
    │  ├─ SchemaVersionError
    │  ├─ StateIncompatible
    │  ├─ WriteConflict
    │  ├─ LetterNotFound
    │  └─ LeaseLost
    ├─ GraphError
    │  └─ NodeFailed
    │     └─ NodeTimedOut
    ├─ ExecutorError
    │  └─ ProcessDied
    ├─ TimedOut
    ├─ RunError
    │  ├─ InputError
    │  ├─ RunFailed
    │  ├─ TaskFailed
    │  ├─ RunParked
    │  └─ RunNotFound
    ├─ AppError
    │  ├─ CommandFailed
    │  ├─ CommandUnanswered
    │  ├─ FiringRefused
    │  ├─ ChangeRefused
    │  └─ PartFailed
    └─ InvariantError
"""

from typing import ClassVar, Literal

#: Why a reactor does not fire by hand.
Refusal = Literal["paused", "not_started", "full", "busy", "inside"]
#: Why the parts of an open app stay as they are.
Hindrance = Literal["loaded", "claimed", "contract", "merges", "in_use", "unknown", "stopping"]


class PenstockError(Exception):
    """The base of all errors that Penstock raises on purpose."""

    #: Whether the same call may succeed later without a change of code or configuration.
    retryable: ClassVar[bool] = False


# -- whose mistake: the one who declares ---------------------------------------------------------------------


class DefinitionError(PenstockError):
    """Declarations that cannot work; all problems found are reported together, each with its fix.

    Attributes:
        problems: One sentence per problem; each names the part and says what to write instead.
    """

    def __init__(self, *problems: str) -> None:
        if len(problems) == 1:
            super().__init__(problems[0])
        else:
            lines = "".join(f"\n  - {problem}" for problem in problems)
            super().__init__(f"{len(problems)} problems in the declarations:{lines}")

        self.problems: tuple[str, ...] = problems


class ConfigError(PenstockError):
    """Settings that cannot be used; all problems found are reported together.

    Attributes:
        problems: One sentence per problem; each names the setting, where its value came from, and what is accepted.
    """

    def __init__(self, *problems: str) -> None:
        if len(problems) == 1:
            super().__init__(problems[0])
        else:
            lines = "".join(f"\n  - {problem}" for problem in problems)
            super().__init__(f"{len(problems)} problems in the configuration:{lines}")

        self.problems: tuple[str, ...] = problems


# -- streams -----------------------------------------------------------------------------------------------


class SourceError(PenstockError):
    """A source of events does not do what it should."""


class SourceUnavailable(SourceError):
    """The system behind a source cannot be reached."""

    retryable = True

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"source {source!r} is unavailable: {reason}")
        self.source = source
        self.reason = reason


class PositionLost(SourceError):
    """What a source reads is not what it was: it does not have the position any more behind which reading goes on."""

    def __init__(self, source: str, position: int | str, reason: str) -> None:
        super().__init__(f"source {source!r} cannot go on behind position {position!r}: {reason}")
        self.source = source
        self.position = position
        self.reason = reason


class ProcessFailed(SourceError):
    """The process whose output is read ended with an error.

    Attributes:
        source: Name of the source.
        exit_code: What it returned; negative for the number of the signal that ended it.
        output: The end of what it wrote to its standard error.
    """

    def __init__(self, source: str, exit_code: int, output: str) -> None:
        how = f"exit code {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"
        super().__init__(f"the process of source {source!r} ended with {how}: {output or 'it wrote no error'}")
        self.source = source
        self.exit_code = exit_code
        self.output = output


class DecodeError(SourceError):
    """An event does not have the declared type."""

    def __init__(self, part: str, expected: str, reason: str) -> None:
        super().__init__(f"{part!r} expects {expected}: {reason}")
        self.part = part
        self.expected = expected
        self.reason = reason


class ChannelError(PenstockError):
    """A bounded channel cannot take or give an item."""


class ChannelFull(ChannelError):
    """The channel is at its capacity and its policy is to reject; nothing was accepted."""

    retryable = True

    def __init__(self, channel: str, capacity: int) -> None:
        super().__init__(f"{channel!r} is full ({capacity} items wait); slow down, or choose another overflow policy")
        self.channel = channel
        self.capacity = capacity


# -- state store -------------------------------------------------------------------------------------------


class StoreError(PenstockError):
    """The state store cannot do what was asked; nothing of the failed write unit is stored."""


class StoreUnavailable(StoreError):
    """The store cannot be reached, or stayed busy, beyond the bounded retries."""

    retryable = True

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"store {store} is unavailable: {reason}")
        self.store = store
        self.reason = reason


class CommitUnknown(StoreUnavailable):
    """The connection was lost before a commit was answered: it may have happened, and the store finds out."""


class StoreFull(StoreError):
    """The disk (or the quota) behind the store is full."""

    retryable = True

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"store {store} has no room left: {reason}; free space and try again")
        self.store = store
        self.reason = reason


class StoreReadOnly(StoreError):
    """The store can be read but not written."""

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"store {store} cannot be written: {reason}; check the permissions")
        self.store = store
        self.reason = reason


class StoreCorrupt(StoreError):
    """The store's file is damaged, or is no database."""

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(f"store {store} is damaged or is not a database: {reason}; restore it from a backup")
        self.store = store
        self.reason = reason


class StoreInUse(StoreError):
    """Another process serves this store."""

    retryable = True

    def __init__(self, store: str, holder: str) -> None:
        super().__init__(
            f"store {store} is already served by {holder}; one process at a time serves a store: stop the other one"
        )
        self.store = store
        self.holder = holder


class StoreTakenOver(StoreError):
    """Another process serves the store now, because this one did not renew its lease; nothing more is written."""

    def __init__(self, store: str) -> None:
        super().__init__(
            f"store {store} was taken over by another process, while this one was paused or could not reach it; "
            "nothing of what it writes from then on is stored"
        )
        self.store = store


class SchemaVersionError(StoreError):
    """The store was written by a newer Penstock than this one."""

    def __init__(self, store: str, found: int, known: int) -> None:
        super().__init__(
            f"store {store} has schema version {found}, this Penstock knows up to {known}: install a newer Penstock"
        )
        self.store = store
        self.found = found
        self.known = known


class StateIncompatible(StoreError):
    """Stored state does not fit the type that the code declares now."""

    def __init__(self, part: str, expected: str, reason: str) -> None:
        super().__init__(f"the stored state of {part!r} does not fit {expected}: {reason}")
        self.part = part
        self.expected = expected
        self.reason = reason


class WriteConflict(StoreError):
    """A write unit breaks a rule of the store; the unit was rolled back, its neighbours were not."""

    def __init__(self, unit: str, reason: str) -> None:
        super().__init__(f"write unit {unit!r} was rolled back: {reason}")
        self.unit = unit
        self.reason = reason


class LetterNotFound(StoreError, LookupError):
    """The store holds no such dead letter: it was replayed or discarded, or never was."""

    def __init__(self, letter_id: int) -> None:
        super().__init__(
            f"there is no dead letter {letter_id}: it was replayed or discarded, or never was;"
            " `penstock letters list` shows what is there"
        )
        self.letter_id = letter_id


class LeaseLost(StoreError):
    """Somebody else owns the domain or the run now; nothing of the write unit is stored."""

    def __init__(self, what: str, epoch: int) -> None:
        super().__init__(f"{what} is no longer owned in epoch {epoch}: another owner took over; nothing was written")
        self.what = what
        self.epoch = epoch


# -- graphs and runs -----------------------------------------------------------------------------------------


class GraphError(PenstockError):
    """A computation graph could not be traversed."""


class NodeFailed(GraphError):
    """A node raised, or returned what it may not return; the cause is chained.

    Attributes:
        graph: Name of the computation graph.
        node: Name of the node.
        reason: The class of the error and its sentence.
        inputs: The arguments the node was called with, by parameter name.
    """

    def __init__(self, graph: str, node: str, reason: str, inputs: dict[str, object], shown: str = "") -> None:
        called = f"; it was called with {shown}" if shown else ""
        super().__init__(f"node {node!r} of graph {graph!r} failed: {reason}{called}")
        self.graph = graph
        self.node = node
        self.reason = reason
        self.inputs = inputs


class NodeTimedOut(NodeFailed):
    """A node took longer than its ``timeout=``."""

    retryable = True


class ExecutorError(PenstockError):
    """A function could not be carried out in another process: what it takes or gives cannot be sent."""


class ProcessDied(ExecutorError):
    """The process that carried out a function ended before it answered."""

    retryable = True

    def __init__(self, pool: str, code: int | None) -> None:
        super().__init__(f"a process of pool {pool!r} ended with exit code {code} before it answered")
        self.pool = pool
        self.code = code


class TimedOut(PenstockError, TimeoutError):
    """Something took longer than it may."""

    retryable = True


class RunError(PenstockError):
    """A workflow run did not end as wished."""


class InputError(RunError):
    """The input does not have the type that the workflow declares; no run was started."""

    def __init__(self, workflow: str, reason: str) -> None:
        super().__init__(f"the input of workflow {workflow!r} is not accepted: {reason}")
        self.workflow = workflow
        self.reason = reason


class RunFailed(RunError):
    """The run ended in failure; the first failed task's own error is chained when it happened in this process.

    Attributes:
        run_id: The run.
        failures: Error text by name of the failed task.
    """

    def __init__(self, workflow: str, run_id: str, failures: dict[str, str]) -> None:
        tasks = "; ".join(f"{task}: {reason}" for task, reason in failures.items()) or "no task could run"
        super().__init__(f"run {run_id} of workflow {workflow!r} failed: {tasks}")
        self.workflow = workflow
        self.run_id = run_id
        self.failures = failures


class TaskFailed(RunError):
    """A task did what it may not do (a return value of a wrong type, a context that cannot be stored)."""

    def __init__(self, workflow: str, task: str, reason: str) -> None:
        super().__init__(f"task {task!r} of workflow {workflow!r}: {reason}")
        self.workflow = workflow
        self.task = task
        self.reason = reason


class RunParked(RunError):
    """The run waits, untouched, for code that fits it."""

    def __init__(self, workflow: str, run_id: str, reason: str) -> None:
        super().__init__(f"run {run_id} of workflow {workflow!r} is parked: {reason}")
        self.workflow: str = workflow
        self.run_id: str = run_id
        self.reason: str = reason


class RunNotFound(RunError, LookupError):
    """The store holds no such run."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"no run {run_id!r} in the store; `penstock runs list` shows what is there")
        self.run_id = run_id


# -- the application -----------------------------------------------------------------------------------------


class AppError(PenstockError):
    """The app is not in a state in which the call makes sense, or does not know the part."""


class CommandFailed(AppError):
    """The process that serves the store could not do what another one asked of it; it told why.

    Attributes:
        verb: What was asked.
        kind: Name of the error that it met there, such as ``FiringRefused``.
    """

    def __init__(self, verb: str, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.verb = verb
        self.kind = kind


class CommandUnanswered(AppError):
    """Nobody has answered in time: no process serves the store, or the one that does is busy, or hangs.

    Attributes:
        verb: What was asked.
        taken: Whether it had begun: then it will be done once, or not at all. Else it is withdrawn, and never done.
    """

    retryable = True

    def __init__(self, verb: str, seconds: float, *, taken: bool) -> None:
        fate = (
            "the process that serves the store has begun with it and has not said what came of it: look before you ask"
            " again"
            if taken
            else "no process serves the store, or it hangs; it is withdrawn, and will not be done: ask again while an"
            " app runs (`penstock run`)"
        )
        super().__init__(f"{verb} was not answered within {seconds:g} s: {fate}")
        self.verb = verb
        self.taken = taken


class FiringRefused(AppError):
    """A reactor that somebody wanted to fire by hand does not; nothing of it has changed.

    Attributes:
        reactor: Its name.
        reason: ``paused``, ``not_started`` (its sources are not ready, or the app stops), ``full`` (of effects that are
            not committed), ``busy`` (with a firing of the key, or of all keys that may be in flight together), or
            ``inside`` (a graph asked for it).
    """

    retryable = True

    def __init__(self, reactor: str, reason: Refusal, why: str) -> None:
        super().__init__(f"reactor {reactor!r} {why}")
        self.reactor = reactor
        self.reason = reason


class ChangeRefused(AppError):
    """A part of an open app is not loaded, unloaded or replaced; nothing has changed.

    Attributes:
        part: Its name.
        reason: ``loaded`` (a graph of this name is: replace it), ``claimed`` (another part has the name), ``contract``
            (it is not what its running reactor was declared as), ``merges`` (parts that run apart would become one),
            ``in_use`` (other parts need it), ``unknown`` (there is none to replace), or ``stopping``.
    """

    def __init__(self, part: str, reason: Hindrance, why: str) -> None:
        super().__init__(why)
        self.part = part
        self.reason = reason


class PartFailed(AppError):
    """A part that must not end ended; the app stops loudly."""

    def __init__(self, part: str, reason: str) -> None:
        super().__init__(f"{part} failed: {reason}")
        self.part = part
        self.reason = reason


class InvariantError(PenstockError):
    """A mistake of ours; never caught. Please report it."""
