"""Burns one core for a bounded time, then ends by itself: the load spike of the demo.

A program of its own that needs the standard library alone: it starts at once, and killing it hurts nobody. It also ends
when the process that started it is gone, so that a demo that was killed leaves nothing behind.
"""

import os
import sys
from time import perf_counter

#: Turns between two looks at the clock.
TURNS = 20_000


def burn(seconds: float, parent: int) -> None:
    """Keep one core busy until the time is up, or the parent is gone."""
    started = perf_counter()
    while perf_counter() - started < seconds and os.getppid() == parent:
        for _ in range(TURNS):
            pass


if __name__ == "__main__":
    burn(float(sys.argv[1]), int(sys.argv[2]))
