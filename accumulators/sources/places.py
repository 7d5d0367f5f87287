"""Positions as the ready-made sources read them: what is stored must be what this kind of source wrote."""

from collections.abc import Mapping

from penstock.accumulators.source import Position, is_number
from penstock.runtime.errors import PositionLost

ADVICE = "it was written by another kind of source; give the accumulator another name, or its old source back"


def number_behind(source: str, positions: Mapping[str, Position]) -> int | None:
    """Return the last position of a source that numbers its events and has no partitions; None for none yet.

    Raises:
        PositionLost: Another kind of source wrote the positions.
    """
    position = single(source, positions)
    if position is None:
        return None

    if not is_number(position) or int(position) < 0:
        raise PositionLost(source, position, ADVICE)

    return int(position)


def single(source: str, positions: Mapping[str, Position]) -> Position | None:
    """Return the last position of a source that has no partitions.

    Raises:
        PositionLost: The positions are of several partitions.
    """
    for partition, position in positions.items():
        if partition:
            raise PositionLost(source, f"{partition}:{position}", ADVICE)

    return positions.get("")
