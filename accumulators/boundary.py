"""What leaves the accumulators: the only value that reactors know of them."""

import msgspec


class Boundary(msgspec.Struct, frozen=True, gc=False):
    """One value of one accumulator. Built once per event, hence positional and untracked by the garbage collector."""

    #: Name of the accumulator.
    source: str
    #: 1 for the accumulator's first boundary; goes on after a restart, with the gaps of what was not committed.
    sequence: int
    #: What the accumulator's function returned; never None.
    value: object
    #: Event time in seconds since 1970 (UTC), when the source tells one.
    at: float | None = None
