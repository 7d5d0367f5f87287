"""Pictures of graphs."""

from penstock.graphs.graph import ComputationGraph
from tests.graphs.streams import Book, Hold, Rate, Trade, market
from tests.graphs.test_subscriber import Settle


def test_mermaid_shows_inputs_nodes_variants_and_starts() -> None:
    graph = ComputationGraph("maker", reactor=market)

    @graph.node
    def decide(orderbook: Book, reference: Rate | None) -> Trade | Hold: ...

    @graph.node(starts=Settle())
    async def escalate(decide: Trade) -> Trade: ...

    @graph.node
    def audit(decide: Hold) -> str: ...

    assert graph.draw("mermaid").splitlines() == [
        "flowchart LR",
        '    in_orderbook(["orderbook"])',
        '    in_reference(["reference"])',
        '    node_decide["decide"]',
        '    node_escalate["escalate ⏳"]',
        '    run_escalate>"settle"]',
        "    node_escalate -. starts .-> run_escalate",
        '    node_audit["audit"]',
        "    in_orderbook --> node_decide",
        "    in_reference -.-> node_decide",
        '    node_decide -->|"Trade"| node_escalate',
        '    node_decide -->|"Hold"| node_audit',
    ]


def test_graph_with_problems_is_drawn_as_far_as_it_goes() -> None:
    graph = ComputationGraph("maker", reactor=market)
    graph.node(name="end")(lambda nowhere, orderbook: (nowhere, orderbook))
    assert graph.draw().splitlines()[-1] == "    in_orderbook --> node_end"
