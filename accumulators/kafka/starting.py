"""Where reading begins: behind the stored positions, and where nothing is stored yet, at what the source says.

What is resolved here is stored at once, as a position without an event: a source that starts at the latest record
must not start at a later one after a restart. Partitions of a topic that is read already begin at their first record:
they were made after our start, so everything in them counts.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

from penstock.accumulators.kafka.client import Client
from penstock.accumulators.kafka.places import Place, place_name, topics_of
from penstock.accumulators.kafka.settings import Settings, Start
from penstock.accumulators.source import Intake
from penstock.runtime.errors import PositionLost, SourceUnavailable

#: Seconds after which a position that lies behind the end is looked at again: a broker that starts may lag behind.
CONFIRM = 1.0


async def look(settings: Settings, client: Client) -> set[Place]:
    """Return the partitions that there are.

    Raises:
        SourceUnavailable: A topic is not there, or no broker answers.
    """
    found = await client.partitions(None if settings.pattern is not None else settings.topics)
    places = {place for place in found if settings.takes(place[0])}
    if missing := sorted(set(settings.topics) - topics_of(places)):
        raise SourceUnavailable(settings.name, f"there is no topic {', '.join(map(repr, missing))}")

    if not places:
        raise SourceUnavailable(settings.name, f"there is no topic that matches {settings.pattern!r}")

    return places


class Places:
    """Finds the first offsets of one connection."""

    def __init__(self, settings: Settings, client: Client, intake: Intake) -> None:
        self._settings, self._client, self._intake = settings, client, intake

    async def offsets(self, known: Mapping[Place, int]) -> dict[Place, int]:
        """Return where each partition begins.

        Args:
            known: Where those begin of which something was taken.

        Raises:
            PositionLost: One of these is not there any more.
            SourceUnavailable: A topic is not there, or no broker answers.
        """
        places = await look(self._settings, self._client)
        kept = {place: known[place] for place in places if place in known}
        young = {place for place in places - kept.keys() if place[0] in topics_of(known)}
        new = places - kept.keys() - young
        return {
            **await self._kept(kept),
            **await self.begin(young, "earliest"),
            **await self.begin(new, self._settings.start),
        }

    async def begin(self, places: Collection[Place], start: Start) -> dict[Place, int]:
        """Return where partitions begin of which nothing was taken, and remember it.

        Raises:
            SourceUnavailable: No broker answers.
        """
        offsets = dict(await self._resolve(places, start)) if places else {}
        for place, offset in offsets.items():
            self._intake.skip(offset - 1, place_name(place))

        return offsets

    async def _resolve(self, places: Collection[Place], start: Start) -> Mapping[Place, int]:
        if start == "earliest":
            return await self._client.beginnings(places)

        ends = await self._client.ends(places)
        if not isinstance(start, datetime):
            return ends

        found = await self._client.at_time(places, int(start.timestamp() * 1000))
        return {place: ends[place] if (at := found.get(place)) is None else at.offset for place in places}

    # -- what is not there any more ------------------------------------------------------------------------

    async def _kept(self, kept: Mapping[Place, int]) -> dict[Place, int]:
        """Return the offsets of those of which something was taken, where they can be read."""
        if not kept:
            return {}

        first, last = await self._client.beginnings(kept), await self._client.ends(kept)
        if any(offset > last[place] for place, offset in kept.items()):
            await self._intake.scheduler.sleep(CONFIRM)
            last = await self._client.ends(kept)

        return {
            place: offset if first[place] <= offset <= last[place] else self._lost(place, offset, first, last)
            for place, offset in kept.items()
        }

    def _lost(self, place: Place, offset: int, first: Mapping[Place, int], last: Mapping[Place, int]) -> int:
        """Return where to go on instead, as the source says."""
        if self._settings.on_missing == "error":
            reason = (
                f"its log begins at {first[place]} and ends before {last[place]} (retention was faster, or the topic"
                " was made anew); on_missing='earliest' or 'latest' goes on there"
            )
            raise PositionLost(self._settings.name, f"{place_name(place)}:{offset - 1}", reason)

        instead = first[place] if self._settings.on_missing == "earliest" else last[place]
        if instead > offset:
            self._intake.dropped(instead - offset)

        self._intake.skip(instead - 1, place_name(place))
        return instead
