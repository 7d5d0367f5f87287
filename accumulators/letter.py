"""What could not be processed, on its way into the store."""

import msgspec


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be processed, on its way into the next cut."""

    part: str
    #: ``decode``, ``process``, ``encode`` …
    reason: str
    error: str
    payload: object
    position: str | None = None
