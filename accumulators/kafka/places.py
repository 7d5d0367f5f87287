"""Places: the partitions that a source reads, and where in each of them it goes on."""

from collections.abc import Iterable, Mapping

from penstock.accumulators.source import Position

#: A partition of a topic.
Place = tuple[str, int]


def place_name(place: Place) -> str:
    """Return the name of a partition, as the store and dead letters have it: ``trades-3``."""
    return f"{place[0]}-{place[1]}"


def next_offsets(positions: Mapping[str, Position]) -> dict[Place, int]:
    """Return where reading goes on, from the last offsets that were taken."""
    found: dict[Place, int] = {}
    for name, position in positions.items():
        topic, _, number = name.rpartition("-")
        if number.isdecimal() and isinstance(position, int):
            found[topic, int(number)] = position + 1

    return found


def topics_of(places: Iterable[Place]) -> set[str]:
    """Return the topics of partitions."""
    return {topic for topic, _ in places}
