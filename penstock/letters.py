"""Giving dead letters back to the parts of an open app.

That is done once, whatever fails: the letter is deleted in the commit that holds what became of it. An event
goes through its accumulator again, a graph runs again for the inputs of its firing. What fails again becomes a new
letter.
"""

from collections.abc import Callable, Mapping

import msgspec

from penstock.accumulators.accumulator import AnyAccumulator
from penstock.accumulators.record import converter
from penstock.graphs.graph import ComputationGraph
from penstock.reactors.domain import Domain
from penstock.runtime.codec import Codec
from penstock.runtime.errors import AppError, DecodeError
from penstock.runtime.store import letters
from penstock.runtime.store.rider import Rider
from penstock.runtime.store.rows import LetterRow
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit

#: Reads what no input wants any more.
JSON: Codec[object] = Codec(object, part="dead letter")

#: Why a letter of a reason cannot be given back.
FOR_GOOD: Mapping[str, str] = {
    "encode": "it is state that could not be stored, not an event",
    "key": "it does not say which input of the reactor the value came by: push it into its accumulator",
    "criteria": "its values are still in the reactor's cache, whose criteria are asked again with the next one",
}


class Replayer:
    """Gives dead letters back to the parts of one session.

    Args:
        store: Where the letters are.
        domains: The live domains.
        graphs: The graphs by name.
    """

    def __init__(
        self,
        store: Store,
        domains: Callable[[], tuple[Domain, ...]],
        graphs: Callable[[], Mapping[str, ComputationGraph]],
    ) -> None:
        self._store, self._domains, self._graphs = store, domains, graphs
        #: Letters that are being given back.
        self._busy: set[int] = set()

    async def replay(self, letter_id: int, also: Rider | None = None) -> None:
        """Give a letter back; returns when it was processed again and is deleted.

        Args:
            letter_id: Its number.
            also: Puts further rows into the commit that deletes it.

        Raises:
            LetterNotFound: There is none of this number, or somebody else has taken it.
            DecodeError: It is still not of the declared type; it stays.
            AppError: It cannot be given back, or not now (``FiringRefused``); it stays.
            StoreError: It could not be committed; it stays.
        """
        if letter_id in self._busy:
            raise AppError(f"dead letter {letter_id} is being given back already")

        self._busy.add(letter_id)
        try:
            letter = await letters.load_letter(self._store, letter_id)
            domain = await self._give_back(letter, also)
            if domain is not None:
                await domain.flush()
        finally:
            self._busy.discard(letter_id)

    async def _give_back(self, letter: LetterRow, also: Rider | None) -> Domain | None:
        """Give a letter back; return the domain whose next cut deletes it, unless it is deleted already."""
        if letter.reason in {"decode", "process"}:
            await self._push(letter, also)
            return None

        if letter.reason not in {"firing", "overflow"}:
            why = FOR_GOOD.get(letter.reason, "nobody knows how")
            raise AppError(f"dead letter {letter.id} of {letter.part!r} cannot be given back: {why}; discard it")

        domain = self._refire(letter) if letter.reason == "firing" else self._retake(letter)
        if also is not None:
            domain.ledger.ride(also)

        return domain

    async def _push(self, letter: LetterRow, also: Rider | None) -> None:
        def ride(unit: Unit) -> None:
            letters.take_letter(unit, letter.id)
            if also is not None:
                also(unit)

        for domain in self._domains():
            accumulator = domain.accumulators.get(letter.part)
            if accumulator is not None:
                definition = accumulator.definition
                event = event_of(definition, letter.payload)
                data = definition.input_codec.encode(event)
                await domain.inbox.journal(accumulator, data, event, rider=ride)
                return

        raise gone(letter, "accumulator")

    def _refire(self, letter: LetterRow) -> Domain:
        graph = self._graphs().get(letter.part)
        for domain in self._domains():
            if graph is not None and graph.reactor is not None and graph.reactor.name in domain.reactors:
                domain.reactors[graph.reactor.name].refire(graph.name, mapping_of(letter, domain), letter.id)
                return domain

        raise gone(letter, "graph")

    def _retake(self, letter: LetterRow) -> Domain:
        for domain in self._domains():
            reactor = domain.reactors.get(letter.part)
            if reactor is not None:
                for name, value in mapping_of(letter, domain).items():
                    if name not in domain.accumulators:
                        raise gone(letter, "input", name)

                    reactor.retake(name, value, letter.id)

                return domain

        raise gone(letter, "reactor")


def event_of(accumulator: AnyAccumulator, payload: bytes) -> object:
    """Return the event that a letter keeps: as it came, or as the JSON that was made of it.

    Raises:
        DecodeError: It is neither.
        AppError: The accumulator needs more than the event.
    """
    if accumulator.extras is not None:
        raise AppError(
            f"accumulator {accumulator.name!r} asks for {', '.join(accumulator.extras.names)}, which a dead letter does"
            " not keep: push a ps.Record with them, and discard the letter"
        )

    codec = accumulator.input_codec
    as_it_came = converter(accumulator.source, codec, None, accumulator.decode)
    try:
        return as_it_came(payload)
    except DecodeError as error:
        try:
            return codec.from_json(payload)
        except DecodeError:
            raise error from None


def mapping_of(letter: LetterRow, domain: Domain) -> dict[str, object]:
    """Return the values by input that a letter keeps; those of inputs that are gone as JSON has them.

    Raises:
        DecodeError: One does not have the type of its input any more.
    """
    values: dict[str, object] = {}
    for name, raw in msgspec.json.decode(letter.payload, type=dict[str, msgspec.Raw]).items():
        accumulator = domain.accumulators.get(name)
        codec = JSON if accumulator is None else accumulator.definition.output_codec
        values[name] = codec.from_json(bytes(raw))

    return values


def gone(letter: LetterRow, kind: str, name: str | None = None) -> AppError:
    """Say that there is no longer anybody to give a letter to."""
    part = name or letter.part
    return AppError(f"dead letter {letter.id}: the {kind} {part!r} is not part of this app any more; discard it")
