"""The first layer: events come in, boundaries go out.

An accumulator is a function from an event to a boundary. ``passthrough`` ones are fed by pushes, ``polling`` ones ask
a function, ``stream`` ones read a source that knows its positions. Each processes one event at a time, in order;
position, state and boundary change in one step after the function returned, and on an error the old state stays. What
cannot be decoded or processed becomes a dead letter, and the next event is processed.
"""

from penstock.accumulators.accumulator import Accumulator as Accumulator, Overflow as Overflow
from penstock.accumulators.batch import (
    BatchAccumulator as BatchAccumulator,
    batch_accumulator as batch_accumulator,
)
from penstock.accumulators.boundary import Boundary as Boundary
from penstock.accumulators.passthrough import (
    PassthroughAccumulator as PassthroughAccumulator,
    passthrough_accumulator as passthrough_accumulator,
)
from penstock.accumulators.polling import (
    PollingAccumulator as PollingAccumulator,
    polling_accumulator as polling_accumulator,
)
from penstock.accumulators.source import Intake as Intake, Position as Position, Source as Source
from penstock.accumulators.state import (
    StateAccumulator as StateAccumulator,
    state_accumulator as state_accumulator,
)
from penstock.accumulators.stream import (
    StreamAccumulator as StreamAccumulator,
    stream_accumulator as stream_accumulator,
)

__all__ = [
    "Accumulator",
    "BatchAccumulator",
    "Boundary",
    "Intake",
    "Overflow",
    "PassthroughAccumulator",
    "PollingAccumulator",
    "Position",
    "Source",
    "StateAccumulator",
    "StreamAccumulator",
    "batch_accumulator",
    "passthrough_accumulator",
    "polling_accumulator",
    "state_accumulator",
    "stream_accumulator",
]
