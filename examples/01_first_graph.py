"""A computation graph: plain functions, joined by the names of their parameters.

Run it:  python examples/01_first_graph.py
"""

import msgspec

import penstock as ps


class Book(msgspec.Struct, frozen=True):
    symbol: str
    bid: float
    ask: float


class Trade(msgspec.Struct, frozen=True):
    symbol: str
    price: float


class Hold(msgspec.Struct, frozen=True):
    reason: str


# The graph takes one input, called `book`.
maker = ps.ComputationGraph("market_maker", inputs={"book": Book})


# A parameter's name is an edge: `spread` and `middle` both read the input.
@maker.node
def spread(book: Book) -> float:
    return book.ask - book.bid


@maker.node
def middle(book: Book) -> float:
    return (book.bid + book.ask) / 2


# This one reads the input and two other nodes. It returns one of two types, and that decides which way it goes on.
@maker.node
def decide(book: Book, spread: float, middle: float) -> Trade | Hold:
    return Trade(book.symbol, middle) if spread < 0.5 else Hold(f"the spread is {spread:g}")


# A parameter's type is a contract: `order` runs only for a Trade …
@maker.node
def order(decide: Trade) -> str:
    return f"buy {decide.symbol} at {decide.price:g}"


# … and `wait` only for a Hold.
@maker.node
def wait(decide: Hold) -> str:
    return f"wait: {decide.reason}"


def main() -> None:
    # Wrong wiring cannot start: a misspelt name or a type that does not fit would be listed here.
    print("problems:", maker.check())

    narrow = maker.run_sync(book=Book("ACME", 99.9, 100.1))
    print("outputs:", narrow.outputs)
    print("ran:", ", ".join(narrow.ran), "- skipped:", ", ".join(narrow.skipped))

    # Inputs are converted at the edge: a mapping becomes a Book.
    wide = maker.run_sync(book={"symbol": "ACME", "bid": 98.0, "ask": 102.0})
    print("outputs:", wide.outputs)

    # The nodes are still the functions they were.
    print("spread:", spread(Book("ACME", 1.0, 3.0)))


if __name__ == "__main__":
    main()
