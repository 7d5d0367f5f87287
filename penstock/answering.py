"""Doing what other processes ask of an open app, through rows of its store.

A command is taken in a commit of its own and carried out at most once: its answer is in the commit that holds what was
done. What could not be done is answered with the error. A command that nobody waits for any more is left.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import anyio
import msgspec
from anyio.abc import TaskGroup, TaskStatus

from penstock.command import EXPIRED, Answer, Fault
from penstock.letters import Replayer
from penstock.reactors.firing import Key
from penstock.running import Running
from penstock.runtime.errors import AppError, LetterNotFound, PenstockError, StoreError
from penstock.runtime.foreign import error_text
from penstock.runtime.store import commands, letters
from penstock.runtime.store.rider import Rider
from penstock.runtime.store.rows import CommandRow
from penstock.runtime.store.unit import Unit

#: Makes the rider that answers with a result, for the commit that holds what was done.
Answering = Callable[[object], Rider]
#: Seconds until the store is asked again for commands that it could not tell.
PAUSE = 1.0


class FireArguments(msgspec.Struct, frozen=True):
    """What ``reactors.fire`` takes."""

    key: Key = None


class Answerer:
    """Carries out the commands of other processes for one session.

    Args:
        running: The app.
        replayer: Gives its dead letters back.
    """

    def __init__(self, running: Running, replayer: Replayer) -> None:
        self._running, self._replayer = running, replayer
        self._store = running.store
        self._tasks: TaskGroup | None = None
        self._ended = anyio.Event()
        #: Letters are given back in the order in which that was asked; what waits for room keeps no other verb waiting.
        self._one_letter = anyio.Lock()
        #: Commands that are looked at; what the store says of them may be old.
        self._busy: set[int] = set()
        self._verbs: Mapping[str, Callable[[CommandRow, Answering], Awaitable[None]]] = {
            "letters.replay": self._replay,
            "letters.discard": self._discard,
            "reactors.fire": self._fire,
            "reactors.pause": self._pause,
            "reactors.resume": self._resume,
        }

    # -- life ----------------------------------------------------------------------------------------------

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Carry out what is asked, until the end."""
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                task_status.started()
                self._store.listen(self._hear)
                await anyio.sleep_forever()
        finally:
            self._tasks = None
            self._ended.set()

    async def close(self) -> None:
        """Begin with nothing more; what is not done is done after the next start, unless it has expired by then."""
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
            await self._ended.wait()

    def _hear(self) -> None:
        """Look what is new; nothing any more after the end, when the store may still hear something."""
        if self._tasks is not None:
            self._tasks.start_soon(self._look, self._tasks)

    async def _look(self, tasks: TaskGroup) -> None:
        """Begin with all that is new, in the order in which it came."""
        for row in await self._open():
            if row.id not in self._busy and row.owner != self._store.node:
                self._busy.add(row.id)
                tasks.start_soon(self._serve, row)

    async def _open(self) -> list[CommandRow]:
        while True:
            try:
                return await commands.list_open(self._store)
            except StoreError:
                await self._store.scheduler.sleep(PAUSE)

    # -- one command ---------------------------------------------------------------------------------------

    async def _serve(self, row: CommandRow) -> None:
        try:
            await self._take(row)
            if row.expires_at is not None and row.expires_at <= self._store.scheduler.clock.now():
                await self._say(row, "expired", EXPIRED)
            else:
                await self._obey(row)
        except StoreError:
            return  # it was withdrawn; or the store has failed, and the app stops
        finally:
            self._busy.discard(row.id)

    async def _take(self, row: CommandRow) -> None:
        """Make a command ours.

        Raises:
            LeaseLost: It was withdrawn.
        """
        unit = self._store.unit("take command")
        commands.take_command(unit, row.id, self._store.node)
        await self._store.commit(unit)

    async def _obey(self, row: CommandRow) -> None:
        """Do it; whatever is done, the answer is in its commit, and what was not done is answered here.

        Raises:
            StoreError: What was done waits for the next commit, and the answer with it; or the store has failed.
        """
        try:
            await self._verb(row.verb)(row, lambda result: partial(self._answer, row, "done", Answer(result)))
        except LetterNotFound as error:
            await self._say(row, "failed", refusal(error))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - what is asked for runs user code; who asked is told
            await self._say(row, "failed", refusal(error))

    def _verb(self, name: str) -> Callable[[CommandRow, Answering], Awaitable[None]]:
        if name not in self._verbs:
            known = ", ".join(self._verbs)
            raise AppError(f"the app that serves the store does not know {name!r}, only {known}: its Penstock is older")

        return self._verbs[name]

    async def _say(self, row: CommandRow, status: str, answer: Answer) -> None:
        unit = self._store.unit("answer command")
        self._answer(row, status, answer, unit)
        await self._store.commit(unit)

    def _answer(self, row: CommandRow, status: str, answer: Answer, unit: Unit) -> None:
        text = msgspec.json.encode(answer).decode()
        commands.answer_command(unit, row.id, self._store.node, status=status, answer=text)

    # -- verbs ---------------------------------------------------------------------------------------------

    async def _replay(self, row: CommandRow, answering: Answering) -> None:
        async with self._one_letter:
            await self._replayer.replay(int(row.target), answering(None))

    async def _discard(self, row: CommandRow, answering: Answering) -> None:
        unit = self._store.unit("discard letter")
        letters.take_letter(unit, int(row.target))
        answering(None)(unit)
        await self._store.commit(unit)

    async def _fire(self, row: CommandRow, answering: Answering) -> None:
        arguments = msgspec.json.decode(row.arguments, type=FireArguments)
        reactor = self._running.reactor(row.target)
        self._ride(reactor.name, answering(reactor.fire(arguments.key)))

    async def _pause(self, row: CommandRow, answering: Answering) -> None:
        reactor = self._running.reactor(row.target)
        self._ride(reactor.name, answering(reactor.pause()))

    async def _resume(self, row: CommandRow, answering: Answering) -> None:
        reactor = self._running.reactor(row.target)
        self._ride(reactor.name, answering(reactor.resume()))

    def _ride(self, reactor: str, rider: Rider) -> None:
        """Answer with the cut that holds what a reactor did, in the step in which it did that."""
        self._running.domain_of(reactor).ledger.ride(rider)


def refusal(error: Exception) -> Answer:
    """Return the answer that says why something was not done."""
    text = str(error) if isinstance(error, PenstockError) else error_text(error)
    return Answer(fault=Fault(type(error).__name__, text))
