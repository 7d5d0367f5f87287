"""Penstock: reactive streams, computation graphs and durable workflows on one clock and one state store.

    source ──Event──► accumulator ──Boundary──► reactor ──Firing──► graph ──GraphResult──► workflow ──Run──► state store

What stands here is the public face. Declare parts with the decorators and classes, hand the roots to an ``App``, and
open it. ``penstock.testing`` has what tests need; the layers (``penstock.accumulators`` …) explain themselves.
"""

from pathlib import Path

# From the root of a clone `import penstock` finds this folder although nothing is installed, but the layers stand
# beside it, not in it. An installed wheel has them inside, an editable install maps them: both are left alone.
if not (Path(__file__).parent / "graphs").exists():  # pragma: no branch - the other one is an installed wheel
    __path__.append(str(Path(__file__).parent.parent))

from penstock.accumulators.accumulator import Accumulator as Accumulator
from penstock.accumulators.batch import batch_accumulator as batch_accumulator
from penstock.accumulators.boundary import Boundary as Boundary
from penstock.accumulators.kafka.security import KafkaSecurity as KafkaSecurity
from penstock.accumulators.kafka.source import Kafka as Kafka
from penstock.accumulators.passthrough import passthrough_accumulator as passthrough_accumulator
from penstock.accumulators.polling import polling_accumulator as polling_accumulator
from penstock.accumulators.record import Headers as Headers, Record as Record
from penstock.accumulators.source import (
    Intake as Intake,
    Position as Position,
    Source as Source,
)
from penstock.accumulators.sources.iterator import FromIterator as FromIterator
from penstock.accumulators.sources.lines import Lines as Lines
from penstock.accumulators.sources.memory import Memory as Memory
from penstock.accumulators.sources.observable import FromObservable as FromObservable
from penstock.accumulators.sources.process import Process as Process
from penstock.accumulators.state import state_accumulator as state_accumulator
from penstock.accumulators.stream import stream_accumulator as stream_accumulator
from penstock.app import App as App
from penstock.client import Client as Client
from penstock.dead_letter import DeadLetter as DeadLetter
from penstock.graphs.graph import ComputationGraph as ComputationGraph
from penstock.graphs.result import FiringResult as FiringResult, GraphResult as GraphResult
from penstock.graphs.routes import Route as Route
from penstock.graphs.sources import From as From, first_of as first_of, optional as optional, route as route
from penstock.health import Health as Health, PartHealth as PartHealth
from penstock.portal import Portal as Portal
from penstock.reactors.criteria import (
    Criterion as Criterion,
    when as when,
    when_all as when_all,
    when_any as when_any,
)
from penstock.reactors.firing import Firing as Firing
from penstock.reactors.past import PastFiring as PastFiring
from penstock.reactors.policies import Retry as Retry
from penstock.reactors.reactor import Reactor as Reactor, broadcast as broadcast
from penstock.reactors.view import KeyState as KeyState, ReactorState as ReactorState
from penstock.runtime.clock import Clock as Clock, SystemClock as SystemClock
from penstock.runtime.config import Config as Config
from penstock.runtime.errors import (
    AppError as AppError,
    ChangeRefused as ChangeRefused,
    ChannelError as ChannelError,
    ChannelFull as ChannelFull,
    CommandFailed as CommandFailed,
    CommandUnanswered as CommandUnanswered,
    CommitUnknown as CommitUnknown,
    ConfigError as ConfigError,
    DecodeError as DecodeError,
    DefinitionError as DefinitionError,
    ExecutorError as ExecutorError,
    FiringRefused as FiringRefused,
    GraphError as GraphError,
    InputError as InputError,
    InvariantError as InvariantError,
    LeaseLost as LeaseLost,
    LetterNotFound as LetterNotFound,
    NodeFailed as NodeFailed,
    NodeTimedOut as NodeTimedOut,
    PartFailed as PartFailed,
    PenstockError as PenstockError,
    PositionLost as PositionLost,
    ProcessDied as ProcessDied,
    ProcessFailed as ProcessFailed,
    RunError as RunError,
    RunFailed as RunFailed,
    RunNotFound as RunNotFound,
    RunParked as RunParked,
    SchemaVersionError as SchemaVersionError,
    SourceError as SourceError,
    SourceUnavailable as SourceUnavailable,
    StateIncompatible as StateIncompatible,
    StoreCorrupt as StoreCorrupt,
    StoreError as StoreError,
    StoreFull as StoreFull,
    StoreInUse as StoreInUse,
    StoreReadOnly as StoreReadOnly,
    StoreTakenOver as StoreTakenOver,
    StoreUnavailable as StoreUnavailable,
    TaskFailed as TaskFailed,
    TimedOut as TimedOut,
    WriteConflict as WriteConflict,
)
from penstock.runtime.observe import Fact as Fact, Observer as Observer
from penstock.runtime.subscription import Subscription as Subscription
from penstock.runtime.variables import (
    resolve_template as resolve_template,
    var as var,
    var_or as var_or,
)
from penstock.wiring import Part as Part
from penstock.workflows.context import Context as Context
from penstock.workflows.run import Run as Run, TaskRun as TaskRun
from penstock.workflows.states import RunStatus as RunStatus
from penstock.workflows.workflow import Workflow as Workflow, task as task

__all__ = [
    "Accumulator",
    "App",
    "AppError",
    "Boundary",
    "ChangeRefused",
    "ChannelError",
    "ChannelFull",
    "Client",
    "Clock",
    "CommandFailed",
    "CommandUnanswered",
    "CommitUnknown",
    "ComputationGraph",
    "Config",
    "ConfigError",
    "Context",
    "Criterion",
    "DeadLetter",
    "DecodeError",
    "DefinitionError",
    "ExecutorError",
    "Fact",
    "Firing",
    "FiringRefused",
    "FiringResult",
    "From",
    "FromIterator",
    "FromObservable",
    "GraphError",
    "GraphResult",
    "Headers",
    "Health",
    "InputError",
    "Intake",
    "InvariantError",
    "Kafka",
    "KafkaSecurity",
    "KeyState",
    "LeaseLost",
    "LetterNotFound",
    "Lines",
    "Memory",
    "NodeFailed",
    "NodeTimedOut",
    "Observer",
    "Part",
    "PartFailed",
    "PartHealth",
    "PastFiring",
    "PenstockError",
    "Portal",
    "Position",
    "PositionLost",
    "Process",
    "ProcessDied",
    "ProcessFailed",
    "Reactor",
    "ReactorState",
    "Record",
    "Retry",
    "Route",
    "Run",
    "RunError",
    "RunFailed",
    "RunNotFound",
    "RunParked",
    "RunStatus",
    "SchemaVersionError",
    "Source",
    "SourceError",
    "SourceUnavailable",
    "StateIncompatible",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreInUse",
    "StoreReadOnly",
    "StoreTakenOver",
    "StoreUnavailable",
    "Subscription",
    "SystemClock",
    "TaskFailed",
    "TaskRun",
    "TimedOut",
    "Workflow",
    "WriteConflict",
    "batch_accumulator",
    "broadcast",
    "first_of",
    "optional",
    "passthrough_accumulator",
    "polling_accumulator",
    "resolve_template",
    "route",
    "state_accumulator",
    "stream_accumulator",
    "task",
    "var",
    "var_or",
    "when",
    "when_all",
    "when_any",
]
