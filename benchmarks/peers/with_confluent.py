"""confluent-kafka: the client over librdkafka, whose threads fetch ahead; ``consume`` takes many records at a time.

``fetch.queue.backoff.ms`` is 5: with the second that is its default, a consumer that is faster than the broker pauses
for that long. ``consume`` waits until it has as many records as it may take, or for its timeout: a short one, so that
single records are not late. No commits.
"""

import uuid

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from topics import Seen, main

PARTITIONS = 4


def read(brokers: str, topic: str, seen: Seen) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": str(uuid.uuid4()),
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    take, many = seen.take, 1
    while True:
        # one by one while they trickle in, as it would wait for more
        messages = consumer.consume(many, 0.1 if many == 1 else 0.005)
        for message in messages:
            take(message.value())

        many = 5000 if messages and len(messages) == many else 1


if __name__ == "__main__":
    main(["confluent-kafka"], read)
