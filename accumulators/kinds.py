"""Which class brings which kind of accumulator to life."""

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.awaiting import AwaitingAccumulator
from penstock.accumulators.batch import BatchAccumulator
from penstock.accumulators.batching import AwaitingBatch, BatchingAccumulator
from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.state import StateAccumulator
from penstock.accumulators.streaming import StreamingAccumulator
from penstock.accumulators.window import WindowAccumulator


def live_class(definition: AnyAccumulator) -> type[LiveAccumulator]:
    """Return what brings a definition to life."""
    waits = definition.function.is_async
    if definition.pipe is not None:
        from penstock.accumulators.piping import (  # noqa: PLC0415 - loaded where the pipe was declared
            PipedAccumulator,
            PipedAwaiting,
        )

        return PipedAwaiting if waits and definition.kind != "polling" else PipedAccumulator

    if isinstance(definition, StateAccumulator):
        return WindowAccumulator

    if isinstance(definition, BatchAccumulator):
        return AwaitingBatch if waits else BatchingAccumulator

    if waits and definition.kind != "polling":
        return AwaitingAccumulator

    return LiveAccumulator if definition.source is None else StreamingAccumulator
