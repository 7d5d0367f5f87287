"""A Kafka broker to play with: one node, on this machine alone, in a temporary folder, until Ctrl-C.

    python -m scripts.kafka [--port 9092]

It is the broker of the tests: Java archives that Maven fetches once, and a JDK. Topics are made when they are used.
"""

import argparse
import signal
import sys
import threading

from tests.kafka_jars import missing_jars
from tests.kafka_server import KafkaServer


def main() -> str | None:
    """Start it, and wait; return what is missing."""
    parser = argparse.ArgumentParser(description="A Kafka broker to play with.")
    parser.add_argument("--port", type=int, default=9092)
    port = parser.parse_args().port
    if reason := missing_jars():
        return f"{reason}: install a JDK (17 or newer) and Maven, or use docker-compose.yml"

    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())

    print("starting; the first time the archives are fetched, which takes a while …", flush=True)
    with KafkaServer(port, auto_create_topics_enable="true", num_partitions="4") as server:
        print(
            f"Kafka at {server.brokers}; for Penstock: export PENSTOCK_VAR_KAFKA_BROKERS={server.brokers}", flush=True
        )
        over.wait()

    return None


if __name__ == "__main__":
    sys.exit(main())
