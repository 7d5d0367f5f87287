"""faust-streaming: an agent over a topic of raw values, at-least-once with its default commits, over aiokafka.

The web server and leader election are off, and its loop is uvloop, as its documentation advises; the value is decoded
by msgspec in the agent, as everywhere.
"""

import tempfile
import uuid

import faust
import mode.loop
from topics import Seen, main


def read(brokers: str, topic: str, seen: Seen) -> None:
    mode.loop.use("uvloop")
    take = seen.take
    app = faust.App(
        f"penstock-bench-{uuid.uuid4()}",
        broker=f"kafka://{brokers}",
        store="memory://",
        datadir=tempfile.mkdtemp(),
        consumer_auto_offset_reset="earliest",
        topic_disable_leader=True,
        web_enabled=False,
    )

    async def handle(stream):
        async for value in stream:
            take(value)

    app.agent(app.topic(topic, value_type=bytes, value_serializer="raw"))(handle)
    faust.Worker(app, loglevel="ERROR").execute_from_commandline()


if __name__ == "__main__":
    main(["faust-streaming", "aiokafka"], read)
