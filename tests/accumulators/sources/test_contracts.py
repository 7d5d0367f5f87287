"""Our own sources keep the contract that we ask of others."""

import sys
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import pytest
import reactivex
from reactivex import Observable, abc
from reactivex.disposable import Disposable

from penstock.accumulators.source import Position, Source
from penstock.accumulators.sources import FromIterator, FromObservable, Lines, Memory, Process
from penstock.testing.contract import ReplayableSourceContract, SourceContract, UnreachableSourceContract


class TestMemory(ReplayableSourceContract):
    async def prepare(self, events: Sequence[str]) -> Source:
        return Memory(events)


class TestMemoryThatIsFollowed(ReplayableSourceContract):
    ends = False

    async def prepare(self, events: Sequence[str]) -> Source:
        source = Memory(events[: len(events) // 2], follow=True)
        source.append(*events[len(events) // 2 :])
        return source


class TestFunctionOfNothing(SourceContract):
    async def prepare(self, events: Sequence[str]) -> Source:
        async def ticks() -> AsyncIterator[str]:
            for event in events:
                yield event

        return FromIterator(ticks)


class TestFunctionOfPosition(ReplayableSourceContract):
    async def prepare(self, events: Sequence[str]) -> Source:
        async def ticks(position: Position | None) -> AsyncIterator[tuple[Position, str]]:
            begin = 0 if position is None else int(position) + 1
            for index in range(begin, len(events)):
                yield index, events[index]

        return FromIterator(ticks)


class TestLines(ReplayableSourceContract, UnreachableSourceContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "lines"

    async def prepare(self, events: Sequence[str]) -> Source:
        await write(self.path, "".join(f"{event}\n" for event in events))
        return Lines(self.path)

    async def prepare_unreachable(self) -> Source:
        return Lines(self.path.with_name("missing"))


class TestLinesWithoutAnEnd(TestLines):
    async def prepare(self, events: Sequence[str]) -> Source:
        await write(self.path, "\n".join(events))
        return Lines(self.path)


class TestLinesThatAreFollowed(TestLines):
    ends = False

    async def prepare(self, events: Sequence[str]) -> Source:
        await write(self.path, "".join(f"{event}\r\n" for event in events))
        return Lines(self.path, follow=True, interval=0.01)


class TestProcess(SourceContract, UnreachableSourceContract):
    async def prepare(self, events: Sequence[str]) -> Source:
        return Process([sys.executable, "-c", "import sys; print(*sys.argv[1:], sep='\\n')", *events])

    async def prepare_unreachable(self) -> Source:
        return Process(["/nowhere/program"])


class TestObservable(SourceContract):
    async def prepare(self, events: Sequence[str]) -> Source:
        return FromObservable(reactivex.from_iterable(events))


class TestObservableOfAnotherThread(SourceContract):
    async def prepare(self, events: Sequence[str]) -> Source:
        return FromObservable(on_a_thread(events))


async def write(path: Path, text: str) -> None:
    await anyio.Path(path).write_bytes(text.encode())


def on_a_thread(events: Sequence[str]) -> Observable[str]:
    """Emit on a thread of its own."""

    def subscribe(observer: abc.ObserverBase[str], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        def emit() -> None:
            for event in events:
                observer.on_next(event)

            observer.on_completed()

        threading.Thread(target=emit).start()
        return Disposable()

    return reactivex.create(subscribe)
