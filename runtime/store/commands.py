"""Commands: what another process wants done. The owner of the target reads the rows, acts, and answers in them."""

from datetime import datetime
from typing import cast

from penstock.runtime.store.engine import Query
from penstock.runtime.store.kinds import Values
from penstock.runtime.store.rows import CommandRow, from_micros, maybe_micros, maybe_time, to_micros
from penstock.runtime.store.run_kinds import ADD_COMMAND, ANSWER_COMMAND
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit


def add_command(unit: Unit, row: CommandRow) -> None:
    """Store a command; its id is in ``unit.results`` after the commit."""
    unit.add(
        ADD_COMMAND,
        (
            *(row.verb, row.target, row.arguments, row.status, row.answer),
            *(to_micros(row.created_at), maybe_micros(row.answered_at)),
        ),
    )


def answer_command(unit: Unit, command_id: int, *, status: str, answer: str | None, answered_at: datetime) -> None:
    """Answer a command that waits; refuses the unit when it was answered already."""
    unit.add(ANSWER_COMMAND, (command_id, status, answer, to_micros(answered_at)))


async def list_waiting(store: Store) -> list[CommandRow]:
    """Return the commands without an answer, in the order in which they came."""
    return await store.read(WAITING)


async def load_command(store: Store, command_id: int) -> CommandRow | None:
    """Return a command, if there is one of this id."""
    found = await store.read(COMMAND, id=command_id)
    return found[0] if found else None


def decode_command(row: Values) -> CommandRow:
    """Return a command."""
    command_id, verb, target, arguments, status, answer, created_at, answered_at = cast(
        "tuple[int, str, str, str, str, str | None, int, int | None]", row
    )
    return CommandRow(
        id=command_id,
        verb=verb,
        target=target,
        arguments=arguments,
        status=status,
        answer=answer,
        created_at=from_micros(created_at),
        answered_at=maybe_time(answered_at),
    )


WAITING = Query("waiting commands", decode_command)
COMMAND = Query("command", decode_command)
