"""Commands: what another process wants done. The one who serves takes the row, acts, and answers in it.

A command is carried out at most once, and who asked knows when it will not be:

* it is *taken* in a commit of its own; until then who asked can *withdraw* it, from then on not any more;
* its answer is part of the commit that holds what was done. A process that dies between the two has done nothing that
  the store knows of, so the next one takes the command again, unless it has expired.
"""

from typing import cast

from penstock.runtime.store.command_kinds import (
    ADD_COMMAND,
    ANSWER_COMMAND,
    FORGET_COMMANDS,
    TAKE_COMMAND,
    WITHDRAW_COMMAND,
)
from penstock.runtime.store.engine import Query
from penstock.runtime.store.kinds import Values
from penstock.runtime.store.rows import CommandRow, from_micros, maybe_micros, maybe_time, to_micros
from penstock.runtime.store.store import Store
from penstock.runtime.store.unit import Unit

#: Answered commands that are kept for people to look at.
KEPT = 1000


def add_command(unit: Unit, row: CommandRow) -> None:
    """Store a command; its id is in ``unit.results`` after the commit."""
    times = to_micros(row.created_at), maybe_micros(row.expires_at)
    unit.add(ADD_COMMAND, (row.verb, row.target, row.arguments, row.status, *times))


def take_command(unit: Unit, command_id: int, owner: int) -> None:
    """Take a command; refuses the unit (LeaseLost) when it is the start's already, withdrawn or answered."""
    unit.add(TAKE_COMMAND, (command_id, owner))
    if command_id > KEPT:
        unit.add(FORGET_COMMANDS, (command_id - KEPT,))


def withdraw_command(unit: Unit, command_id: int) -> None:
    """Take a command back; refuses the unit (LeaseLost) when somebody has taken it."""
    unit.add(WITHDRAW_COMMAND, (command_id, to_micros(unit.clock.now())))


def answer_command(unit: Unit, command_id: int, owner: int, *, status: str, answer: str) -> None:
    """Answer a command that this start has taken; does nothing when it is answered, or another start has it."""
    unit.add(ANSWER_COMMAND, (command_id, owner, status, answer, to_micros(unit.clock.now())))


async def list_open(store: Store) -> list[CommandRow]:
    """Return the commands without an answer, in the order in which they came."""
    return await store.read(OPEN)


async def load_command(store: Store, command_id: int) -> CommandRow | None:
    """Return a command, if there is one of this id."""
    found = await store.read(COMMAND, id=command_id)
    return found[0] if found else None


def decode_command(row: Values) -> CommandRow:
    """Return a command."""
    command_id, verb, target, arguments, status, answer, created_at, answered_at, owner, expires_at = cast(
        "tuple[int, str, str, str, str, str | None, int, int | None, int | None, int | None]", row
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
        owner=owner,
        expires_at=maybe_time(expires_at),
    )


OPEN = Query("open commands", decode_command)
COMMAND = Query("command", decode_command)
