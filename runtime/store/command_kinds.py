"""The kinds of rows about commands: what another process wants done, taken by one, and answered once."""

from operator import itemgetter

from penstock.runtime.errors import LeaseLost, StoreError
from penstock.runtime.store.kinds import Kind, Role, Values, insert_kind


def gone(row: Values) -> StoreError:
    """Say that a command was taken, withdrawn or answered already."""
    return LeaseLost(f"command {row[0]}", 0)


ADD_COMMAND = insert_kind(
    "commands", ("verb", "target", "arguments", "status", "created_at", "expires_at"), role=Role.NUMBERED
)

# Closes the race of the one who carries a command out with the one who withdraws it, and of two starts: from here on it
# is the owner's, until another start takes it. Index: primary key of commands.
TAKE_COMMAND = Kind(
    name="take command",
    rank=2,
    columns=("id", "owner"),
    role=Role.GUARD,
    slot="command",
    key=itemgetter(0),
    ordered=True,
    refusal=gone,
)

# The other side of that race: it is taken back as long as nobody has taken it. Index: as above.
WITHDRAW_COMMAND = Kind(
    name="withdraw command",
    rank=2,
    columns=("id", "answered_at"),
    role=Role.GUARD,
    slot="command",
    key=itemgetter(0),
    ordered=True,
    refusal=gone,
)

# For the commit that holds what was done, which must not be refused: it has its own fence. The first answer counts, and
# only that of the owner. Index: as above.
ANSWER_COMMAND = Kind(
    name="answer command",
    rank=5,
    columns=("id", "owner", "status", "answer", "answered_at"),
    slot="command",
    key=itemgetter(0),
    ordered=True,
)

# Only what is answered goes, which nobody changes any more. Index: as above.
FORGET_COMMANDS = Kind(name="forget commands", rank=1, columns=("up_to",), once=True)
