"""Events from Kafka, with their positions in our own store: see ``source`` for what is promised."""

from penstock.accumulators.kafka.security import KafkaSecurity as KafkaSecurity
from penstock.accumulators.kafka.source import Kafka as Kafka

__all__ = ["Kafka", "KafkaSecurity"]
