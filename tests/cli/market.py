"""The text of a module with a small app, and of one with mistakes."""

MARKET = """
import msgspec
import penstock as ps


class Order(msgspec.Struct, frozen=True):
    amount: float


class Large(msgspec.Struct, frozen=True):
    amount: float


@ps.passthrough_accumulator(durable=True)
def orders(event: Order) -> Order:
    return event


market = ps.Reactor("market", [orders])
sizes = ps.ComputationGraph("sizes", reactor=market)
settle = ps.Workflow("settle", input=Large)


@sizes.node(terminals=(Order,))
def judge(orders: Order) -> Large | Order:
    return Large(orders.amount) if orders.amount > 100 else orders


@sizes.node(starts=settle)
def escalate(judge: Large) -> Large:
    return judge


@settle.task
def book(amount: float) -> dict[str, object]:
    return {"booked": amount}


app = ps.App("sqlite:///market.db", parts=[sizes])
"""

#: Two mistakes: a node and a task each name something that does not exist.
WRONG = MARKET.replace("judge: Large", "jugde: Large").replace("book(amount", "book(amuont")
