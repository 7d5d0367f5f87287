"""quixstreams: an application with one dataframe, at-least-once, with a commit every five seconds, its default.

The value stays bytes and is decoded by msgspec in the function, as everywhere; ``fetch.queue.backoff.ms`` is 5.
"""

import tempfile
import uuid

from quixstreams import Application
from topics import Seen, main


def read(brokers: str, topic: str, seen: Seen) -> None:
    take = seen.take
    application = Application(
        broker_address=brokers,
        consumer_group=str(uuid.uuid4()),
        auto_offset_reset="earliest",
        consumer_extra_config={"fetch.queue.backoff.ms": 5},
        state_dir=tempfile.mkdtemp(),
        loglevel="ERROR",
    )
    records = application.dataframe(application.topic(topic, value_deserializer="bytes"))
    records.update(take)
    application.run()


if __name__ == "__main__":
    main(["quixstreams", "confluent-kafka"], read)
