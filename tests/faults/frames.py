"""Just enough of PostgreSQL's protocol to see what passes between a client and a server."""

import asyncio
import struct
from collections.abc import Mapping

from sqlalchemy.engine import make_url

#: Requests that stand in the place of a protocol version in the first message of a client.
CANCEL, SSL, GSS = 80877102, 80877103, 80877104
#: What ends the connection for either side.
GONE = (OSError, asyncio.IncompleteReadError)

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(url: str) -> Ends:
    """Connect to the server of a store's URL, by TCP or by the socket in its folder."""
    parts = make_url(url)
    port = int(str(parts.query.get("port", parts.port or 5432)))
    host = str(parts.query.get("host", parts.host or "127.0.0.1"))
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")

    return await asyncio.open_connection(host, port)


def by_way_of(url: str, port: int) -> str:
    """Return the URL of the same store by another port of this machine."""
    parts = make_url(url).difference_update_query(["host", "port"])
    return parts.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)


async def send(ends: Ends, message: bytes) -> None:
    """Send messages to one side."""
    ends[1].write(message)
    await ends[1].drain()


async def read_startup(client: Ends) -> bytes:
    """Return the first message of a client that is not about encryption, which there is none of."""
    while True:
        size = await client[0].readexactly(4)
        message = size + await client[0].readexactly(number(size) - 4)
        if request(message) not in {SSL, GSS}:
            return message

        await send(client, b"N")


def request(startup: bytes) -> int:
    """Return the protocol version, or the request, of a first message."""
    return number(startup[4:8])


def settings(startup: bytes) -> dict[str, str]:
    """Return what a client asks for in its first message: user, database, and settings of the session."""
    words = startup[8:-2].decode().split("\0")
    return dict(zip(words[::2], words[1::2], strict=True))


def startup_with(given: Mapping[str, str]) -> bytes:
    """Build a first message of version 3.0."""
    body = struct.pack("!i", 3 << 16) + b"".join(f"{name}\0{value}\0".encode() for name, value in given.items()) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


async def read_message(ends: Ends) -> bytes:
    """Return one later message: a letter, its length, what is in it."""
    head = await ends[0].readexactly(5)
    return head + await ends[0].readexactly(number(head[1:]) - 4)


def message_of(letter: bytes, body: bytes) -> bytes:
    """Build a later message."""
    return letter + struct.pack("!i", len(body) + 4) + body


def words_of(message: bytes) -> list[str]:
    """Return the texts of a later message that consists of texts, or begins with some."""
    return [word.decode(errors="replace") for word in message[5:].split(b"\0")]


def number(four: bytes) -> int:
    """Return what four bytes stand for."""
    return int.from_bytes(four, "big", signed=True)
