"""The app of the flow tests: two streams, a router with an async branch, a durable workflow that calls a graph."""

import msgspec

import penstock as ps


class Book(msgspec.Struct, frozen=True):
    symbol: str
    bid: float
    ask: float


class Rate(msgspec.Struct, frozen=True):
    mid: float


class Trade(msgspec.Struct, frozen=True):
    symbol: str
    price: float


class Hold(msgspec.Struct, frozen=True):
    reason: str


class Score(msgspec.Struct):
    price: float
    factor: float


class Market:
    """Fresh definitions for one test, and what its functions saw."""

    def __init__(self, *, rates: list[float] | None = None) -> None:
        self.rates = [1.0] if rates is None else rates
        self.audited: list[str] = []
        self.executed: list[str] = []
        self.settled: list[str] = []
        self.broken = False
        self._declare_streams()
        self._declare_workflow()
        self._declare_graph()

    def _declare_streams(self) -> None:
        @ps.passthrough_accumulator(durable=True)
        def orderbook(event: Book) -> Book | None:
            return event if event.ask >= event.bid else None

        @ps.polling_accumulator(interval=10.0)
        def reference() -> Rate | None:
            return Rate(self.rates.pop(0)) if self.rates else None

        self.orderbook, self.reference = orderbook, reference
        self.reactor = ps.Reactor("market", [orderbook, ps.broadcast(reference)], key="symbol")

    def _declare_workflow(self) -> None:
        scoring = ps.ComputationGraph("scoring", inputs=Score)

        @scoring.node
        def score(price: float, factor: float) -> float:
            return price * factor

        settle = ps.Workflow("settle", input=Trade)

        @settle.task(produces=("factor",))
        async def fetch(context: ps.Context) -> None:
            context["factor"] = 2.0

        @settle.task(dependencies=[fetch], invokes=scoring)
        def rate(context: ps.Context) -> None:
            if self.broken:
                raise RuntimeError("the exchange is closed")

        @settle.task(dependencies=[rate])
        def book(symbol: str, score: float) -> dict[str, object]:
            self.settled.append(symbol)
            return {"booked": score}

        self.settle = settle

    def _declare_graph(self) -> None:
        maker = ps.ComputationGraph("maker", reactor=self.reactor)

        @maker.node
        def decide(orderbook: Book, reference: Rate | None) -> Trade | Hold:
            if reference is None:
                return Hold("no rate yet")

            price = (orderbook.bid + orderbook.ask) / 2
            return Trade(orderbook.symbol, price) if price > reference.mid else Hold("too cheap")

        @maker.node
        async def execute(decide: Trade) -> Trade:
            self.executed.append(decide.symbol)
            return decide

        @maker.node(starts=self.settle)
        def escalate(execute: Trade) -> Trade:
            return execute

        @maker.node
        def audit(decide: Hold) -> str:
            self.audited.append(decide.reason)
            return decide.reason

        self.maker = maker

    @property
    def parts(self) -> list[ps.ComputationGraph]:
        return [self.maker]
