"""Too much, and what fails: a bounded queue slows the producer down, and nothing that goes wrong is lost.

Run it:  python examples/06_backpressure_and_dead_letters.py
"""

import asyncio
import tempfile
from pathlib import Path

import msgspec

import penstock as ps

BOOKED: list[str] = []


class Payment(msgspec.Struct, frozen=True):
    number: int
    account: str
    amount: float


@ps.passthrough_accumulator(durable=True)
def payments(event: Payment) -> Payment:
    return event


# `sequential` fires once for each payment, in the order in which they came. What cannot be looked at yet waits in a
# queue, which is stored as it grows. When it is full, `push` waits: the producer is only as fast as the graph.
# A payment that fails is tried again while those behind it wait, and becomes a dead letter after the third try.
ledger = ps.Reactor(
    "ledger",
    [payments],
    strategy="sequential",
    queue_limit=4,
    criteria=ps.when(lambda payments: 1.0 / payments.amount > 0.0),  # raises for an amount of zero
    on_error=ps.Retry(attempts=3, backoff="20ms"),
)
booking = ps.ComputationGraph("booking", reactor=ledger)


@booking.node
async def book(payments: Payment) -> str:
    await asyncio.sleep(0.002)  # noqa: TID251 - a bank that takes its time
    if payments.account == "closed":
        raise LookupError("the account is closed")

    BOOKED.append(f"{payments.account} {payments.amount:g}")
    return payments.account


async def produce(app: ps.App) -> int:
    """Push as fast as that goes; return how many payments waited at most."""
    most = 0
    accounts = ["ada", "bob", "closed", "eve"]
    for number in range(20):
        amount = 0.0 if number == 9 else 10.0 + number
        await app.push(payments, Payment(number, accounts[number % 4], amount))
        most = max(most, app.state(ledger).queued)

    return most


async def main(store: str) -> None:
    async with ps.App(store, parts=[booking]) as app:
        most = await produce(app)
        print("the queue was never longer than its limit allows:", most <= 5)
        await app.wait_idle()
        print("booked:", len(BOOKED), "- first:", BOOKED[:3], "- in order:", sorted(BOOKED, key=amount_of) == BOOKED)

        # What an operator asks for is answered with a result, or refused with the reason.
        await app.pause(ledger)
        try:
            await app.fire(ledger)
        except ps.FiringRefused as refused:
            print("refused:", refused.reason)

        await app.resume(ledger)
        await app.fire_with(ledger, {"payments": Payment(100, "eve", 5.0)})
        await app.wait_idle()
        print("by hand:", BOOKED[-1])

    # Everything that failed is in the store, with the reason and the values.
    async with ps.App(store, parts=[booking]) as app:
        letters = [letter async for letter in app.dead_letters()]
        for reason in ("firing", "criteria"):
            of_reason = [letter for letter in letters if letter.reason == reason]
            error, _, _ = of_reason[0].error.partition("; it was called with")
            print(f"{reason} failed: {len(of_reason)} - {error}")


def amount_of(line: str) -> float:
    return float(line.split()[1])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(f"sqlite:///{Path(folder) / 'payments.db'}"))
