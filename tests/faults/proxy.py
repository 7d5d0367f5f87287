"""A door that cuts a connection in the worst moment, lets packets vanish, or changes what the server says."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from enum import Enum, auto

from anyio.lowlevel import checkpoint
from typing_extensions import override

from tests.faults import frames
from tests.faults.door import Door
from tests.faults.frames import GONE, Ends, send

#: In the text of a statement that is a whole transaction: the proof of its commit.
WHOLE = re.compile(r"nodes SET commits ?=")
#: By this a store ends what the server still has of a lost connection.
TERMINATE = b"pg_terminate_backend"


class Cut(Enum):
    """When a connection is cut, of which the server may or may not hear."""

    #: The COMMIT does not reach the server, which sees the client go; or does not, so that its transaction stays.
    BEFORE = auto()
    BEFORE_UNHEARD = auto()
    #: The COMMIT is on its way, and the client goes at once.
    AT_ONCE = auto()
    #: The COMMIT comes so late that the client is back already, and about to end the session that is to commit.
    LATE = auto()
    #: The server has committed, and its answer does not arrive; the server sees the client go, or does not.
    AFTER = auto()
    AFTER_UNHEARD = auto()
    #: Nobody hears of anything: the COMMIT vanishes with all that comes after it; or its answer does.
    SWALLOWED = auto()
    UNANSWERED = auto()


UNHEARD = {Cut.BEFORE_UNHEARD, Cut.AFTER_UNHEARD, Cut.LATE}


class Proxy(Door):
    """Passes everything on, until it is told to do something else."""

    def __init__(self, url: str, rewrite: Callable[[bytes], bytes] = bytes) -> None:
        super().__init__(url)
        #: What becomes of each message of the server.
        self.rewrite = rewrite
        #: Set when a store is about to end a session that it has lost.
        self.ending = asyncio.Event()
        #: The cuts that were made.
        self.made: list[Cut] = []
        self._armed: list[Cut] = []
        self._sessions: set[Session] = set()
        self._silent = False

    def cut(self, *cuts: Cut) -> None:
        """Cut the connections of the next commits."""
        self._armed.extend(cuts)

    def silence(self, role: str = "") -> None:
        """Let the packets of all connections, or those of a role, vanish, for ever; and those of new ones."""
        self._silent = not role
        for session in tuple(self._sessions):
            session.silent |= session.name.startswith(f"penstock {role}")

    def heal(self) -> None:
        """Let new connections through."""
        self._silent = False

    def sessions(self, role: str) -> int:
        """Return how many connections of a role there are on the side of the store."""
        return sum(session.name.startswith(f"penstock {role}") and not session.lost for session in self._sessions)

    def take_cut(self) -> Cut | None:
        """Return what is to be done with a commit that is about to reach the server."""
        if not self._armed:
            return None

        self.ending.clear()
        self.made.append(self._armed.pop(0))
        return self.made[-1]

    @override
    async def serve(self, client: Ends, startup: bytes) -> None:
        if self._silent:
            await vanish(client)
            return

        server = await frames.connect(self.behind)
        session = Session(self, client, server, startup)
        self._sessions.add(session)
        try:
            await send(server, startup)
            await session.run()
        finally:
            self._sessions.discard(session)
            server[1].close()


class Session:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: Ends, server: Ends, startup: bytes) -> None:
        self.name = frames.settings(startup).get("application_name", "")
        #: Packets vanish on both sides.
        self.silent = False
        #: The client is gone.
        self.lost = False
        self._proxy = proxy
        self._client, self._server = client, server
        self._cut: Cut | None = None
        #: Statements that commit themselves, and the messages of a commit, which go together.
        self._wholes: set[str] = set()
        self._commit = b""

    async def run(self) -> None:
        """Pass messages on in both directions, until a side goes and the other one has heard of it."""
        to_server, to_client = pumps = [
            asyncio.create_task(self._pump(self._client, self._from_client)),
            asyncio.create_task(self._pump(self._server, self._from_server)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            self.lost |= to_server.done()
            if self.silent:
                await asyncio.wait(pumps)
            elif self._cut in UNHEARD:
                await asyncio.wait([to_client])
        finally:
            for pump in pumps:
                pump.cancel()

            await asyncio.wait(pumps)

    async def _pump(self, ends: Ends, take: Callable[[bytes], Awaitable[None]]) -> None:
        with contextlib.suppress(*GONE):
            while True:
                message = await frames.read_message(ends)
                if not self.silent:
                    await take(message)

    async def _from_client(self, message: bytes) -> None:
        if TERMINATE in message:
            self._proxy.ending.set()
            await checkpoint()  # the COMMIT that waits for this goes first, by nothing

        if self._commit or self._commits(message):
            self._commit += message
            if message[:1] in {b"Q", b"S"}:
                self._cut = self._proxy.take_cut()
                await self._pass_commit()
                self._commit = b""
        else:
            await send(self._server, message)

    def _commits(self, message: bytes) -> bool:
        """Tell whether a message is a COMMIT, or begins a statement that commits itself."""
        letter, words = message[:1], frames.words_of(message)
        if letter == b"P":
            (self._wholes.add if WHOLE.search(words[1]) else self._wholes.discard)(words[0])

        return (letter == b"Q" and words[0] == "COMMIT") or (letter == b"B" and words[1] in self._wholes)

    async def _pass_commit(self) -> None:
        if self._cut is Cut.SWALLOWED:
            self.silent = True
        elif self._cut in {Cut.BEFORE, Cut.BEFORE_UNHEARD, Cut.LATE}:
            self._lose_client()

        if self._cut is Cut.LATE:
            await self._proxy.ending.wait()

        if self._cut not in {Cut.BEFORE, Cut.BEFORE_UNHEARD, Cut.SWALLOWED}:
            await send(self._server, self._commit)

        if self._cut is Cut.AT_ONCE:
            self._lose_client()

    async def _from_server(self, message: bytes) -> None:
        if self._cut is None:
            await send(self._client, self._proxy.rewrite(message))
        elif message[:1] == b"Z" and self._cut is Cut.UNANSWERED:
            self.silent = True
        elif message[:1] == b"Z" and not self.lost:
            self._lose_client()

    def _lose_client(self) -> None:
        self.lost = True
        self._client[1].transport.abort()


async def vanish(client: Ends) -> None:
    """Let all that a client sends vanish, until it goes."""
    while await client[0].read(65536):
        pass
