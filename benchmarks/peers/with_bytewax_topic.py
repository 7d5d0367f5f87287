"""bytewax: its own source for Kafka, in batches of 5000 records, and its operators; one worker, no recovery store.

Under it is the client of ``with_confluent.py``, with the same setting. It polls one partition after the other.
"""

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main
from topics import Seen, main


class Nowhere(DynamicSink, StatelessSinkPartition):
    def build(self, _step, _worker, _workers):
        return self

    def write_batch(self, items):
        pass


def read(brokers: str, topic: str, seen: Seen) -> None:
    take = seen.take
    flow = Dataflow("flow")
    source = KafkaSource([brokers], [topic], batch_size=5000, add_config={"fetch.queue.backoff.ms": "5"})
    records = op.input("in", flow, source)
    op.output("out", op.map("take", records, lambda record: take(record.value)), Nowhere())
    cluster_main(flow, [], 0)


if __name__ == "__main__":
    main(["bytewax", "confluent-kafka"], read)
