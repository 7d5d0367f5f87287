"""How a command lets the app do something that serves the store."""

from collections.abc import Sequence
from typing import Annotated

import anyio
from cyclopts import Parameter, validators

from penstock.client import Client
from penstock.command import Command
from penstock.runtime.errors import PenstockError

Wait = Annotated[
    float,
    Parameter(
        name="--wait",
        help="Seconds to wait for the answer of a running app.",
        validator=validators.Number(gt=0, lte=86_400),
    ),
]
#: Seconds, unless the option says otherwise.
WAIT = 10.0


def ask_all(url: str, commands: Sequence[Command], seconds: float) -> list[object]:
    """Let commands be done one after the other; return the result of each, or the error that it met.

    Raises:
        StoreError: The store is not there, or cannot be used.
    """

    async def ask() -> list[object]:
        async with Client(url, timeout=seconds) as client:
            outcomes: list[object] = []
            for sent in await client.asker.send(commands):
                try:
                    outcomes.append(await sent.answer())
                except PenstockError as error:
                    outcomes.append(error)

            return outcomes

    return anyio.run(ask)
