"""A pooler: gives its clients sessions that it has with the server, for a transaction at a time or for good."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Set as AbstractSet

from typing_extensions import override

from tests.faults import frames
from tests.faults.door import Door
from tests.faults.frames import GONE, Ends, message_of, send

#: What a server says when it waits for a statement outside of a transaction.
READY = message_of(b"Z", b"I")
#: What it says to a client that it lets in.
TRUSTED = message_of(b"R", bytes(4))
FAREWELL = b"X"
CHANCE = random.Random(1)
#: Which of some free sessions a client gets; the last one is that which was used last.
CHOICES: dict[str, Callable[[int], int]] = {
    "last used": lambda free: free - 1,
    "in turn": lambda _: 0,
    "at random": CHANCE.randrange,
}


class Pooler(Door):
    """Opens two sessions as the first client comes, and more as they are needed.

    Args:
        url: The store behind it.
        choice: A key of ``CHOICES``, for each transaction anew; None: a client has one session for itself.
        known: The settings that clients may ask for; None: all.
        ignored: Those that they may ask for, and do not get.
    """

    def __init__(
        self,
        url: str,
        choice: str | None = "last used",
        *,
        known: AbstractSet[str] | None = None,
        ignored: AbstractSet[str] = frozenset(),
    ) -> None:
        super().__init__(url)
        self._choice = choice
        self._known, self._ignored = known, ignored
        self._free: list[Ends] = []
        self._opening = asyncio.Lock()
        #: All that a client is told first.
        self._greeting = b""

    @override
    async def serve(self, client: Ends, startup: bytes) -> None:
        given = frames.settings(startup)
        who = {name: given.pop(name) for name in ("user", "database")}
        if self._known is not None and (unknown := sorted(set(given) - self._known)):
            await send(client, refusal(f"unsupported startup parameter: {unknown[0]}"))
            return

        async with self._opening:
            if not self._greeting:
                self._free = [await self._open(who) for _ in range(2)]

        await send(client, self._greeting)
        # some come in quotes
        settings = {name: value.strip("'") for name, value in given.items() if name not in self._ignored}
        if self._choice is not None:
            while (message := await frames.read_message(client))[:1] != FAREWELL:
                session = await self._take(who, settings)
                await transact(client, session, message)
                self._free.append(session)

            return

        session = await self._take(who, settings)
        try:
            while (message := await frames.read_message(client))[:1] != FAREWELL:
                await transact(client, session, message)
        finally:
            session[1].close()

    async def _take(self, who: dict[str, str], settings: dict[str, str]) -> Ends:
        """Return a session, with a client's settings."""
        choose = CHOICES[self._choice or "last used"]
        session = self._free.pop(choose(len(self._free))) if self._free else await self._open(who)
        sets = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())
        await send(session, message_of(b"Q", f"SELECT {sets or 1}\0".encode()))
        while await frames.read_message(session) != READY:
            pass

        return session

    async def _open(self, who: dict[str, str]) -> Ends:
        session = await frames.connect(self.behind)
        await send(session, frames.startup_with(who))
        self._greeting = b""
        while not self._greeting.endswith(READY):
            message = await frames.read_message(session)
            if message[:1] == b"R" and message != TRUSTED:
                raise PermissionError("the server asks for a password, and this pooler knows none")

            self._greeting += message

        return session

    @override
    async def close(self) -> None:
        await super().close()
        for _, writer in self._free:
            writer.close()


async def transact(client: Ends, session: Ends, first: bytes) -> None:
    """Let a client have a session until the end of the transaction that a message of it begins."""
    await send(session, first)
    requests = asyncio.create_task(pass_on(client, session))
    try:
        while (answer := await frames.read_message(session)) != READY:
            await send(client, answer)
    finally:
        # the client waits for the answer, so that none of its messages is cut in two
        requests.cancel()
        await asyncio.wait([requests])

    await send(client, answer)


async def pass_on(client: Ends, session: Ends) -> None:
    """Give the server what a client sends."""
    with contextlib.suppress(*GONE):
        while True:
            await send(session, await frames.read_message(client))


def refusal(text: str) -> bytes:
    """Return what a client is told that is not let in."""
    fields = {"S": "FATAL", "V": "FATAL", "C": "08P01", "M": text}
    return message_of(b"E", b"".join(f"{key}{value}\0".encode() for key, value in fields.items()) + b"\0")
