"""Whether the brokers answer: a fact of every request that the consumer makes, noted when it fails.

The consumer asks for records all the time, and tries again by itself, for as long as it takes, without a word to us.
"""

from collections.abc import Awaitable, Callable
from typing import cast

from penstock.accumulators.signal import Signal

Send = Callable[..., Awaitable[object]]


class Pulse:
    """What became of the last request of one connection.

    Attributes:
        error: Why the last one failed; None when it was answered.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self._changed = Signal()

    def follow(self, client: object, trouble: tuple[type[Exception], ...]) -> None:
        """Note what becomes of the requests of a client of the library, from now on.

        Args:
            client: Sends the requests; one that does so by another name is left as it is.
            trouble: What it raises.
        """
        send: object = getattr(client, "send", None)
        if callable(send):
            setattr(client, "send", self._noting(cast("Send", send), trouble))  # noqa: B010 - it is not ours

    def _noting(self, send: Send, trouble: tuple[type[Exception], ...]) -> Send:
        async def noted(*words: object, **named: object) -> object:
            try:
                answer = await send(*words, **named)
            except trouble as error:
                self.error = error
                self.tell()
                raise

            self.error = None
            return answer

        return noted

    async def changed(self) -> None:
        """Wait until a request fails, or somebody else tells."""
        await self._changed.wait()

    def tell(self) -> None:
        """Let those look who wait."""
        self._changed.tell()
