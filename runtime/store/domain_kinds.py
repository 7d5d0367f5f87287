"""The kinds of rows about domains: owners, fences, and what a cut writes."""

from operator import itemgetter

from penstock.runtime.errors import LeaseLost, LetterNotFound, StoreError
from penstock.runtime.store.kinds import Kind, Role, Values, insert_kind


def domain_lost(row: Values) -> StoreError:
    """Say that a domain has another owner."""
    domain, shard, epoch = row
    return LeaseLost(f"domain {domain!r}" + (f", shard {shard}" if shard else ""), int(str(epoch)))


# Closes the race of a cut with a take-over: the epoch that the cut was made in must still be the domain's. Index:
# primary key of domains.
FENCE_DOMAIN = Kind(
    name="fence domain",
    rank=1,
    columns=("domain", "shard", "epoch"),
    role=Role.GUARD,
    slot="domain",
    key=itemgetter(0, 1),
    once=True,
    ordered=True,
    refusal=domain_lost,
)

# Runs behind FENCE_DOMAIN in the same transaction: only the owner gets here. Index: primary key of domains.
STOP_DOMAIN = Kind(
    name="stop domain",
    rank=5,
    columns=("domain", "shard", "stopped_at"),
    slot="domain",
    key=itemgetter(0, 1),
    last_wins=True,
    ordered=True,
)

# Closes the race of two owners: one statement compares and sets, the epoch that it returns belongs to one caller only.
# Index: primary key of domains.
TAKE_DOMAIN = Kind(
    name="take domain",
    rank=0,
    columns=("domain", "shard", "owner"),
    role=Role.RETURNS,
    alone=True,
)

# All four run in the transaction of TAKE_DOMAIN: nobody sees the rows under neither name. Index: the primary keys, and
# inbox_accumulator.
MOVE_STATE = Kind(name="move state", rank=0, columns=("domain", "shard", "component"), alone=True)
MOVE_LOG = Kind(name="move log", rank=0, columns=("domain", "shard", "component"), alone=True)
MOVE_INBOX = Kind(name="move inbox", rank=0, columns=("domain", "shard", "component"), alone=True)
MOVE_FIRINGS = Kind(name="move firings", rank=0, columns=("domain", "shard", "component"), alone=True)
MOVES = (MOVE_STATE, MOVE_LOG, MOVE_INBOX, MOVE_FIRINGS)

# No race of their own: each stands behind the fence of its cut. Index: the primary key of the table.
PUT_STATE = Kind(
    name="put state",
    rank=3,
    columns=("domain", "shard", "component", "key", "value"),
    slot="state",
    key=itemgetter(0, 1, 2, 3),
    last_wins=True,
)

DROP_STATE = Kind(
    name="drop state",
    rank=3,
    columns=("domain", "shard", "component", "key"),
    slot="state",
    key=itemgetter(0, 1, 2, 3),
    last_wins=True,
)

PUT_FIRING = Kind(
    name="put firing",
    rank=3,
    columns=(
        *("domain", "shard", "firing", "reactor", "key", "snapshot", "done", "attempts", "crashes", "started_at"),
    ),
    slot="firing",
    key=itemgetter(0, 1, 2),
    last_wins=True,
)

DROP_FIRING = Kind(
    name="drop firing",
    rank=3,
    columns=("domain", "shard", "firing"),
    slot="firing",
    key=itemgetter(0, 1, 2),
    last_wins=True,
)

# Deleting before appending, and a wave of its own when a unit deletes what an earlier one in the group has appended.
TRIM_LOG = Kind(
    name="trim log",
    rank=2,
    columns=("domain", "shard", "component", "key", "up_to"),
    slot="log",
    key=itemgetter(0, 1, 2, 3),
    once=True,
    ordered=True,
)

APPEND_LOG = Kind(
    name="append log",
    rank=3,
    columns=("domain", "shard", "component", "key", "seq", "value"),
    slot="log",
    key=itemgetter(0, 1, 2, 3),
    ordered=True,
)

CONSUME_INBOX = Kind(
    name="consume inbox",
    rank=2,
    columns=("domain", "shard", "accumulator", "up_to"),
    slot="inbox",
    key=itemgetter(0, 1, 2),
    once=True,
    ordered=True,
)

# The numbers come from AUTOINCREMENT: a deleted number is never given again, so a position in the inbox means one event
# for ever.
ADD_INBOX = Kind(
    name="add inbox",
    rank=3,
    columns=("domain", "shard", "accumulator", "payload"),
    role=Role.NUMBERED,
    slot="inbox",
    key=itemgetter(0, 1, 2),
    ordered=True,
)

ADD_LETTER = insert_kind(
    "dead_letters",
    ("domain", "shard", "part", "reason", "error", "payload", "position", "created_at"),
)


def letter_gone(row: Values) -> StoreError:
    """Say that a dead letter is not there any more."""
    return LetterNotFound(int(str(row[0])))


# Closes the race of two who want the same letter: it is deleted in the transaction that holds what became of it, and
# the other one's transaction is refused. Index: primary key of dead_letters.
TAKE_LETTER = Kind(
    name="take letter",
    rank=2,
    columns=("id",),
    role=Role.GUARD,
    slot="letter",
    key=itemgetter(0),
    ordered=True,
    refusal=letter_gone,
)

# For a cut, which must not be refused: the owner of the domain has looked for the letter before. Index: as above.
DROP_LETTER = Kind(name="drop letter", rank=2, columns=("id",), slot="letter", key=itemgetter(0), ordered=True)

# No race of their own: each stands behind the fence of a cut, and a reactor belongs to one domain. Deleting before
# appending, as with the log. Index: primary key of history.
TRIM_HISTORY = Kind(
    name="trim history",
    rank=2,
    columns=("reactor", "shard", "up_to"),
    slot="history",
    key=itemgetter(0, 1),
    once=True,
    ordered=True,
)

AGE_HISTORY = Kind(
    name="age history",
    rank=2,
    columns=("reactor", "shard", "started_at"),
    slot="history",
    key=itemgetter(0, 1),
    once=True,
    ordered=True,
)

APPEND_HISTORY = Kind(
    name="append history",
    rank=3,
    columns=("reactor", "shard", "number", "firing", "key", "snapshot", "results", "started_at", "nanos"),
    slot="history",
    key=itemgetter(0, 1),
    ordered=True,
)
