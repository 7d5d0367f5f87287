"""LangGraph: a compiled graph of nodes over a shared state, invoked for each event.

It has no sources: what is crossed is dropped before. Without a checkpointer nothing is kept, which is its fastest way;
keys are its threads, kept in memory, and written when an invocation ends. On disk is SQLite: written when an
invocation ends, or before each step goes on ("sync"). Nodes beside each other run in its thread pool. Tracing is off.
"""

import os

os.environ["LANGSMITH_TRACING"] = os.environ["LANGCHAIN_TRACING_V2"] = "false"

import sqlite3
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import msgspec
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from turns import Line, main, side_by_side
from work import Book, Up, Work, decide, first, middle, uncrossed


class Books(TypedDict, total=False):
    orderbook: dict
    middle: float
    signal: float


def books(work: Work, checkpointer=None):
    """Return a compiled graph of two nodes; its state holds what its checkpointers can write."""
    signal = work.signal
    graph = StateGraph(Books)
    graph.add_node("to middle", lambda state: {"middle": middle(msgspec.convert(state["orderbook"], Book))})
    graph.add_node("to signal", lambda state: {"signal": signal(state["middle"])})
    graph.add_edge(START, "to middle")
    graph.add_edge("to middle", "to signal")
    graph.add_edge("to signal", END)
    return graph.compile(checkpointer=checkpointer)


def two_nodes(work: Work) -> Line:
    invoke = books(work).invoke

    def push(event):
        book = uncrossed(event)
        if book is not None:
            invoke({"orderbook": msgspec.structs.asdict(book)})

    return Line([push])


def keys(work: Work) -> Line:
    invoke = books(work, InMemorySaver()).invoke

    def push(event):
        book = uncrossed(event)
        if book is not None:
            thread = {"configurable": {"thread_id": book.symbol}}
            invoke({"orderbook": msgspec.structs.asdict(book)}, thread, durability="exit")

    return Line([push])


def on_disk(durability: str):
    def build(work: Work) -> Line:
        folder = tempfile.TemporaryDirectory()
        connection = sqlite3.connect(Path(folder.name, "events.db"), check_same_thread=False)
        invoke = books(work, SqliteSaver(connection)).invoke
        thread = {"configurable": {"thread_id": "all"}}

        def push(event):
            book = uncrossed(event)
            if book is not None:
                invoke({"orderbook": msgspec.structs.asdict(book)}, thread, durability=durability)

        def close() -> None:
            connection.close()
            folder.cleanup()

        return Line([push], close=close)

    return build


def calling(name: str, function, *inputs: str):
    """Return a node that calls with these parts of the state."""
    return lambda state: {name: function(*[state[each] for each in inputs])}


def joined(state: dict[str, type], nodes: dict[str, object], edges: list[tuple[object, str]]):
    graph = StateGraph(TypedDict("State", state, total=False))
    for name, node in nodes.items():
        graph.add_node(f"to {name}", node)

    for begin, end in edges:
        graph.add_edge(begin, end)

    return graph


def two(work: Work) -> Line:
    return in_a_row(["x", "first", "second"], [first, work.second])


def chain(length: int):
    def build(work: Work) -> Line:
        return in_a_row([f"n{i}" for i in range(length + 1)], work.chain(length))

    return build


def in_a_row(names: list[str], functions: list) -> Line:
    nodes = {
        name: calling(name, function, before)
        for (before, name), function in zip(pairwise(names), functions, strict=True)
    }
    ends = [START, *(f"to {name}" for name in names[1:]), END]
    graph = joined(dict.fromkeys(names, float), nodes, list(pairwise(ends)))
    invoke, begin, limit = graph.compile().invoke, names[0], {"recursion_limit": len(names) + 5}
    return Line([lambda x: invoke({begin: x}, limit)])


def fan(work: Work) -> Line:
    names = [f"m{i}" for i in range(10)]
    nodes = {"first": calling("first", first, "x")}
    nodes |= {name: calling(name, each, "first") for name, each in zip(names, work.middles(), strict=True)}
    nodes["last"] = calling("last", work.last, *names)
    edges = [(START, "to first"), *(("to first", f"to {name}") for name in names)]
    edges += [([f"to {name}" for name in names], "to last"), ("to last", END)]
    graph = joined(dict.fromkeys(["x", *nodes], float), nodes, edges)
    invoke = graph.compile().invoke
    return Line([lambda x: invoke({"x": x})])


def routing(work: Work) -> Line:
    nodes = {
        "decided": calling("decided", decide, "x"),
        "up": calling("up", work.up, "decided"),
        "down": calling("down", work.down, "decided"),
    }
    state = {"x": float, "decided": object, "up": float, "down": float}
    graph = joined(state, nodes, [(START, "to decided"), ("to up", END), ("to down", END)])
    graph.add_conditional_edges(
        "to decided", lambda found: "to up" if isinstance(found["decided"], Up) else "to down", ["to up", "to down"]
    )
    invoke = graph.compile().invoke
    return Line([lambda x: invoke({"x": x})])


SHAPES = {
    "two nodes, every event": two_nodes,
    "two nodes, sequential": two_nodes,
    "two nodes, 1000 keys": keys,
    "10 reactors": side_by_side(two_nodes, 10),
    "100 reactors": side_by_side(two_nodes, 100),
    "1000 reactors": side_by_side(two_nodes, 1000),
    "two nodes, state kept on disk": on_disk("exit"),
    "two nodes, each event on disk first": on_disk("sync"),
    "two nodes": two,
    "chain of 10": chain(10),
    "chain of 100": chain(100),
    "fan 1-10-1": fan,
    "routing to one of two": routing,
}

WITHOUT = {
    "two nodes, latest under load": "no sources",
    "two sources, when_all, two nodes": "no sources",
}

if __name__ == "__main__":
    main(["langgraph", "langgraph-checkpoint-sqlite"], SHAPES, WITHOUT)
