"""An accumulator with operators behind its function, at work.

An operator that gives something at once gives it while the event is being processed: it belongs to the event, and if
anything raises, nothing of it goes out, and the event becomes a dead letter. What an operator gives later, because it
waited for time, goes out by itself.
"""

from collections.abc import Awaitable, Callable
from typing import cast

from typing_extensions import override

from penstock.accumulators.awaiting import AwaitingAccumulator
from penstock.accumulators.letter import Letter
from penstock.accumulators.live import LiveAccumulator
from penstock.accumulators.pipe import Pipe
from penstock.accumulators.ports import Taker
from penstock.runtime.foreign import error_text, is_failure
from penstock.runtime.rx import Stages
from penstock.runtime.scheduler import Scheduler

Values = tuple[object, ...]


class Flow:
    """The operators of one live accumulator; built when the first value comes, and anew after one raised.

    Args:
        pipe: The operators.
        conform: Converts what comes out.
        scheduler: The app's.
        late: Takes what comes out later.
        failed: Told what was raised later, with the value that went in last.
    """

    def __init__(
        self,
        pipe: Pipe,
        conform: Callable[[object], object],
        scheduler: Scheduler,
        *,
        late: Callable[[object], None],
        failed: Callable[[BaseException, object], None],
    ) -> None:
        self._pipe, self._conform, self._scheduler = pipe, conform, scheduler
        self._late, self._failed = late, failed
        self._stages: Stages | None = None
        #: What came out of the value that goes in at this moment; None while none does.
        self._out: list[object] | None = None
        self._error: BaseException | None = None
        self._last: object = None

    def run(self, value: object) -> Values | None:
        """Put a value of the function in; return what comes out of it at once, None for nothing.

        Raises:
            Exception: What an operator raised, or what came out is not of the declared type; nothing goes out.
        """
        self._last = value = self._pipe.codec.convert(value)
        self._out = out = list[object]()
        self._error = None
        try:
            self._open().push(value)
        except BaseException:
            self.close()
            raise
        finally:
            self._out = None

        self._raise()
        return tuple(out) or None

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            self.close()
            raise error

    def close(self) -> None:
        """Forget what the operators hold."""
        stages, self._stages = self._stages, None
        if stages is not None:
            stages.close()

    def _open(self) -> Stages:
        if self._stages is None:
            self._stages = Stages(self._pipe.operators, scheduler=self._scheduler, emit=self._emit, fail=self._fail)

        return self._stages

    def _emit(self, value: object) -> None:
        if value is None:
            return

        try:
            conformed = self._conform(value)
        except Exception as error:  # noqa: BLE001 (converting runs user code, and an operator would swallow it)
            self._fail(error)
            return

        if self._out is not None:
            self._out.append(conformed)
        else:
            self._late(conformed)

    def _fail(self, error: BaseException) -> None:
        if self._out is not None:
            self._error = self._error or error
        else:
            self.close()
            self._failed(error, self._last)


class Piped(LiveAccumulator):
    """What live accumulators with operators behind their functions have in common."""

    failed: int
    sequence: int

    @override
    def _blank(self) -> None:
        super()._blank()
        pipe = cast("Pipe", self.definition.pipe)
        convert = self.definition.output_codec.convert
        self._flow: Flow = Flow(pipe, convert, self._scheduler, late=self._emit_late, failed=self._fail_late)
        self._call = self._through(self._caller())
        # what the operators gave is converted already: ``accept`` passes it untouched
        self._value_class = tuple
        self._conform = pipe.codec.convert

    def _through(self, call: Callable[[object], object]) -> Callable[[object], object]:
        """Return the function with the operators behind it."""
        raise NotImplementedError

    @override
    def _give_to(self, takers: tuple[Taker, ...]) -> None:
        super()._give_to(takers)
        self._give_one: Taker = self._give
        self._give = self._give_each

    def _give_each(self, values: object) -> None:
        """Hand over what came of an event, for which the number went up by one."""
        self.sequence -= 1
        for each in cast("Values", values):
            self._emit_one(each)

    def _emit_one(self, value: object) -> None:
        self.sequence += 1
        self._give_one(value)

    def _emit_late(self, value: object) -> None:
        """Hand over what an operator gave by itself."""
        if self.gate.gone is None:
            self._note()
            self._emit_one(value)

    def _fail_late(self, error: BaseException, last: object) -> None:
        """Keep aside the value that went in last: what else the operators held is not known."""
        if not is_failure(error):
            raise error

        self.failed += 1
        self.keeper.bury(Letter(part=self.name, reason="process", error=error_text(error), payload=last))

    @override
    def rest(self) -> None:
        self._flow.close()
        super().rest()


class PipedAccumulator(Piped):
    """A live accumulator with operators behind its function."""

    @override
    def _through(self, call: Callable[[object], object]) -> Callable[[object], object]:
        def run(event: object) -> object:
            state = self.state
            value = call(event)
            try:
                return None if value is None else self._flow.run(value)
            except BaseException:
                self.state = state  # state and value go together: the operators have refused the value
                raise

        return run


class PipedAwaiting(Piped, AwaitingAccumulator):
    """A live accumulator with operators behind a function that waits."""

    @override
    def _blank(self) -> None:
        super()._blank()
        self._conform = as_it_is

    @override
    def _through(self, call: Callable[[object], object]) -> Callable[[object], object]:
        async def run(event: object) -> object:
            value = await cast("Awaitable[object]", call(event))
            return None if value is None else self._flow.run(value)

        return run


def as_it_is(value: object) -> object:
    """Return what the operators gave: it is converted already."""
    return value
