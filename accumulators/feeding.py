"""What brings events into accumulators by itself: polls and sources. Bodies for the supervisor, which restarts them."""

import inspect
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from typing import cast

from penstock.accumulators.awaiting import AwaitingAccumulator
from penstock.accumulators.batching import BatchingAccumulator
from penstock.accumulators.careful import CarefulFeed
from penstock.accumulators.feed import Feed
from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.polling import PollingAccumulator
from penstock.accumulators.source import Source
from penstock.runtime.foreign import error_text, is_failure
from penstock.runtime.scheduler import Scheduler
from penstock.runtime.supervise import RestartPolicy
from penstock.runtime.threads import Threads

Body = Callable[[], Awaitable[None]]


def feeder(accumulator: LiveAccumulator, scheduler: Scheduler, threads: Threads) -> Body | None:
    """Return what feeds an accumulator; None for one that is fed by pushes alone."""
    if isinstance(accumulator.definition, PollingAccumulator):
        return lambda: poll(accumulator, scheduler, threads)

    source = accumulator.definition.source
    return None if source is None else lambda: stream(accumulator, source, scheduler, threads)


def restart(accumulator: LiveAccumulator) -> RestartPolicy | None:
    """Return when what feeds an accumulator is started again after an error, if its source says so."""
    policy: object = getattr(accumulator.definition.source, "restart", None)
    return policy if isinstance(policy, RestartPolicy) else None


def processor(accumulator: LiveAccumulator) -> Body | None:
    """Return what processes the events of an accumulator; None for one that does so when they come."""
    if isinstance(accumulator, AwaitingAccumulator):
        return accumulator.process

    return accumulator.process if isinstance(accumulator, BatchingAccumulator) and accumulator.queues else None


async def poll(accumulator: LiveAccumulator, scheduler: Scheduler, threads: Threads) -> None:
    """Ask at once and then at every tick; a poll that takes longer than an interval skips ticks."""
    definition = cast("PollingAccumulator[object]", accumulator.definition)
    if accumulator.health == "starting":
        accumulator.health = "connecting"

    async for _missed in scheduler.ticks(definition.interval, immediately=True):
        if accumulator.gate.full:
            accumulator.refused += 1
            continue

        try:
            await accumulator.answer(await ask(definition, threads))
        except (Exception, CancelledError) as error:
            note_failure(accumulator, error)
            raise

        accumulator.health, accumulator.error = "live", None


async def ask(definition: PollingAccumulator[object], threads: Threads) -> object:
    """Call the user's function: on the loop when it waits, else in a thread."""
    fn = definition.function.fn
    if not definition.function.is_async:
        return await threads.run(fn)

    returned = fn()
    return await returned if inspect.isawaitable(returned) else returned


async def stream(accumulator: LiveAccumulator, source: Source, scheduler: Scheduler, threads: Threads) -> None:
    """Let the source bring events until it ends."""
    feed = (CarefulFeed if accumulator.trials.wary else Feed)(accumulator, scheduler, threads)
    feed.live()  # a source that has to connect first says so before anybody can look
    try:
        await source.run(feed, accumulator.newest_positions())
        await feed.finish()
    except (Exception, CancelledError) as error:
        note_failure(accumulator, error)
        raise

    accumulator.health, accumulator.error = "ended", None


def note_failure(accumulator: LiveAccumulator, error: BaseException) -> None:
    """Note why what feeds an accumulator does not; nothing when it was cancelled in order."""
    if is_failure(error):
        accumulator.health, accumulator.error = "disconnected", error_text(error)
