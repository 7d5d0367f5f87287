"""Asking the process that serves a store, through its rows: commands go in, answers come out."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from penstock.command import Answer, Command
from penstock.runtime.errors import CommandUnanswered, InvariantError, LeaseLost
from penstock.runtime.store import commands
from penstock.runtime.store.rows import CommandRow
from penstock.runtime.store.store import Store

#: Seconds between two looks for an answer: at first, and at most.
FIRST_LOOK, LONGEST_LOOK = 0.02, 0.2


class Asker:
    """Asks for as long as somebody waits.

    Args:
        store: Beside the process that serves it.
        seconds: How long to wait for an answer.
    """

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._clock = store.scheduler.clock
        self._seconds = seconds

    async def ask(self, command: Command) -> object:
        """Return what came of a command.

        Raises:
            LetterNotFound: It was about a dead letter that is not there.
            CommandFailed: It could not be done.
            CommandUnanswered: Nobody answered in time.
            StoreError: The store cannot be used.
        """
        [sent] = await self.send([command])
        return await sent.answer()

    async def send(self, given: Sequence[Command]) -> list["Sent"]:
        """Store commands, in one commit; they are begun one after the other."""
        now = self._clock.now()
        unit = self._store.unit("command")
        for command in given:
            row = CommandRow(
                verb=command.verb,
                target=command.target,
                arguments=msgspec.json.encode(command.arguments).decode(),
                created_at=now,
                expires_at=now + timedelta(seconds=self._seconds),
            )
            commands.add_command(unit, row)

        deadline = self._clock.monotonic() + self._seconds
        await self._store.commit(unit)
        return [
            Sent(self._store, command, number, seconds=self._seconds, deadline=deadline)
            for command, number in zip(given, unit.results, strict=True)
        ]


class Sent:
    """A command that is in the store."""

    def __init__(self, store: Store, command: Command, number: int, *, seconds: float, deadline: float) -> None:
        self.command: Command = command
        self._store, self._number, self._seconds, self._deadline = store, number, seconds, deadline

    async def answer(self) -> object:
        """Wait for the answer, and return the result; raises as ``Asker.ask``."""
        scheduler, delay = self._store.scheduler, FIRST_LOOK
        while (answer := await self._look()) is None:
            left = self._deadline - scheduler.clock.monotonic()
            if left <= 0:
                answer = await self._withdraw()
                break

            await scheduler.sleep(min(delay, left))
            delay = min(delay * 1.5, LONGEST_LOOK)

        return answer.take(self.command)

    async def _look(self) -> Answer | None:
        row = await commands.load_command(self._store, self._number)
        if row is None:
            raise InvariantError(f"command {self._number} is not in the store any more")

        return None if row.answer is None else msgspec.json.decode(row.answer, type=Answer)

    async def _withdraw(self) -> Answer:
        """Take the command back, unless it was answered meanwhile.

        Raises:
            CommandUnanswered: It was not.
        """
        unit = self._store.unit("withdraw command")
        commands.withdraw_command(unit, self._number)
        try:
            await self._store.commit(unit)
        except LeaseLost:  # somebody has taken it, and may be done by now
            if (answer := await self._look()) is not None:
                return answer

            raise CommandUnanswered(self.command.words, self._seconds, taken=True) from None

        raise CommandUnanswered(self.command.words, self._seconds, taken=False)
