"""The statements about commands. See ``statements``."""

from collections.abc import Mapping

from sqlalchemy import CTE, Text, and_, delete, literal_column, select, update
from sqlalchemy.sql.expression import ClauseElement

from penstock.runtime.store import command_kinds
from penstock.runtime.store.kinds import Kind
from penstock.runtime.store.schema import COMMANDS
from penstock.runtime.store.statements import Build, write

#: By the primary key, or by the index commands_open.
OPEN = COMMANDS.c.answered_at.is_(None)
WAITING = COMMANDS.c.status == literal_column("'waiting'")
TAKEN, WITHDRAWN = literal_column("'taken'", Text()), literal_column("'withdrawn'", Text())


def take_command(given: CTE) -> ClauseElement:
    """Take commands that wait, or that another start has taken and not answered."""
    changes = {"owner": given.c.owner, "status": TAKEN}
    others = COMMANDS.c.owner.is_distinct_from(given.c.owner)
    return update(COMMANDS).where(COMMANDS.c.id == given.c.id, OPEN, others).values(changes)


def withdraw_command(given: CTE) -> ClauseElement:
    """Close commands that nobody has taken."""
    changes = {"status": WITHDRAWN, "answered_at": given.c.answered_at}
    return update(COMMANDS).where(COMMANDS.c.id == given.c.id, WAITING).values(changes)


def answer_command(given: CTE) -> ClauseElement:
    """Answer commands that this start has taken."""
    changes = {name: given.c[name] for name in ("status", "answer", "answered_at")}
    own = and_(COMMANDS.c.id == given.c.id, COMMANDS.c.owner == given.c.owner)
    return update(COMMANDS).where(own, OPEN).values(changes)


def forget_commands(given: CTE) -> ClauseElement:
    """Delete answered commands up to a number."""
    old = select(COMMANDS.c.id).select_from(given).join(COMMANDS, and_(COMMANDS.c.id <= given.c.up_to, ~OPEN))
    return delete(COMMANDS).where(COMMANDS.c.id.in_(old))


STATEMENTS: Mapping[Kind, Build] = {
    command_kinds.ADD_COMMAND: lambda given: write(COMMANDS, given),
    command_kinds.TAKE_COMMAND: take_command,
    command_kinds.WITHDRAW_COMMAND: withdraw_command,
    command_kinds.ANSWER_COMMAND: answer_command,
    command_kinds.FORGET_COMMANDS: forget_commands,
}
