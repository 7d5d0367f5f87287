"""The kernel: what every layer stands on. It imports no other layer and knows no event, graph or workflow.

Errors (``errors``), time (``clock``: read in one file; ``durations``, ``scheduler``: waited for in one file), user
functions (``calls``, ``threads``), values and bytes (``codec`` with ``forms`` and ``compare``), bounded hand-over
(``channel``), parts that live long (``supervise``), settings and variables (``config`` with ``settings`` and ``urls``,
``variables``), what a firing causes (``effects``), what is told and measured (``observe``, ``histogram``, ``samples``,
``tally``), and the state store (``store``).

``metrics`` is not among the names below: it loads the library of Prometheus, which an app without it does not need.
"""

from penstock.runtime.calls import (
    EMPTY as EMPTY,
    Function as Function,
    Parameter as Parameter,
    caller_locals as caller_locals,
    describe_type as describe_type,
)
from penstock.runtime.channel import (
    Channel as Channel,
    ChannelStatistics as ChannelStatistics,
    Overflow as Overflow,
)
from penstock.runtime.clock import (
    Activity as Activity,
    Alarm as Alarm,
    Clock as Clock,
    SystemClock as SystemClock,
)
from penstock.runtime.codec import (
    Codec as Codec,
    plain as plain,
)
from penstock.runtime.config import (
    Config as Config,
    Settings as Settings,
    load as load,
)
from penstock.runtime.durations import (
    Duration as Duration,
    seconds as seconds,
    written as written,
)
from penstock.runtime.effects import (
    Effect as Effect,
    Recorded as Recorded,
    Start as Start,
    Startable as Startable,
)
from penstock.runtime.errors import (
    AppError as AppError,
    ChannelClosed as ChannelClosed,
    ChannelError as ChannelError,
    ChannelFull as ChannelFull,
    CommitUnknown as CommitUnknown,
    ConfigError as ConfigError,
    DecodeError as DecodeError,
    DefinitionError as DefinitionError,
    GraphError as GraphError,
    InputError as InputError,
    InvariantError as InvariantError,
    LeaseLost as LeaseLost,
    NodeFailed as NodeFailed,
    PartFailed as PartFailed,
    PenstockError as PenstockError,
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
    WriteConflict as WriteConflict,
)
from penstock.runtime.histogram import (
    Histogram as Histogram,
)
from penstock.runtime.observe import (
    CircuitChanged as CircuitChanged,
    CutCommitted as CutCommitted,
    CutFailed as CutFailed,
    DomainLost as DomainLost,
    EventDropped as EventDropped,
    Fact as Fact,
    FiringFailed as FiringFailed,
    FunctionsLeft as FunctionsLeft,
    Observer as Observer,
    PartRestarted as PartRestarted,
    RunFinished as RunFinished,
    RunLeft as RunLeft,
    RunStarted as RunStarted,
    StateIgnored as StateIgnored,
    StoreRetried as StoreRetried,
    TaskFinished as TaskFinished,
    silent as silent,
)
from penstock.runtime.samples import (
    Collect as Collect,
    Sample as Sample,
)
from penstock.runtime.scheduler import (
    Scheduler as Scheduler,
    SchedulerStatistics as SchedulerStatistics,
    Timer as Timer,
)
from penstock.runtime.supervise import (
    Part as Part,
    PartFacts as PartFacts,
    RestartPolicy as RestartPolicy,
    Supervisor as Supervisor,
)
from penstock.runtime.threads import (
    Threads as Threads,
    ThreadsStatistics as ThreadsStatistics,
)
from penstock.runtime.urls import (
    masked as masked,
)
from penstock.runtime.variables import (
    resolve_template as resolve_template,
    var as var,
    var_or as var_or,
)

__all__ = [
    "EMPTY",
    "Activity",
    "Alarm",
    "AppError",
    "Channel",
    "ChannelClosed",
    "ChannelError",
    "ChannelFull",
    "ChannelStatistics",
    "CircuitChanged",
    "Clock",
    "Codec",
    "Collect",
    "CommitUnknown",
    "Config",
    "ConfigError",
    "CutCommitted",
    "CutFailed",
    "DecodeError",
    "DefinitionError",
    "DomainLost",
    "Duration",
    "Effect",
    "EventDropped",
    "Fact",
    "FiringFailed",
    "Function",
    "FunctionsLeft",
    "GraphError",
    "Histogram",
    "InputError",
    "InvariantError",
    "LeaseLost",
    "NodeFailed",
    "Observer",
    "Overflow",
    "Parameter",
    "Part",
    "PartFacts",
    "PartFailed",
    "PartRestarted",
    "PenstockError",
    "Recorded",
    "RestartPolicy",
    "RunError",
    "RunFailed",
    "RunFinished",
    "RunLeft",
    "RunNotFound",
    "RunParked",
    "RunStarted",
    "Sample",
    "Scheduler",
    "SchedulerStatistics",
    "SchemaVersionError",
    "Settings",
    "SourceError",
    "SourceUnavailable",
    "Start",
    "Startable",
    "StateIgnored",
    "StateIncompatible",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreInUse",
    "StoreReadOnly",
    "StoreRetried",
    "StoreTakenOver",
    "StoreUnavailable",
    "Supervisor",
    "SystemClock",
    "TaskFailed",
    "TaskFinished",
    "Threads",
    "ThreadsStatistics",
    "Timer",
    "WriteConflict",
    "caller_locals",
    "describe_type",
    "load",
    "masked",
    "plain",
    "resolve_template",
    "seconds",
    "silent",
    "var",
    "var_or",
    "written",
]
