"""Riders: rows that travel in somebody else's write unit, because they have to be in the same commit."""

from collections.abc import Callable

from penstock.runtime.store.unit import Unit

#: Puts its rows into the unit; once for each try to commit it, so it changes nothing else.
Rider = Callable[[Unit], None]
