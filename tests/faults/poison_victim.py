"""The process that one of its events kills, wherever that is: ``python -m tests.faults.poison_victim URL FILE WHERE``.

It reads numbers from a file and starts a run for each, until all are done or kept aside.
"""

import asyncio
import sys
from pathlib import Path

import msgspec

import penstock as ps
from penstock.testing.faults import kill_own_process

POISON = 13


class Done(msgspec.Struct):
    numbers: list[int]


note = ps.Workflow("note", input=Done)


@note.task
def written(numbers: list[int]) -> dict[str, int]:
    return {"sum": sum(numbers)}


def strike(numbers: list[int], where: str, here: str) -> None:
    if where == here and POISON in numbers:
        kill_own_process()


def graph_of(file: Path, where: str) -> ps.ComputationGraph:
    """Declare the stream; it kills in the accumulator's function, in a plain node, or in the function of a batch."""
    lines = ps.Lines(file)
    if where == "batch":

        @ps.batch_accumulator(max_size=4, max_age="50ms", source=lines)
        def numbers(events: list[int]) -> list[int]:
            strike(events, where, "batch")
            return events

    else:

        @ps.stream_accumulator(lines)
        def numbers(event: int) -> list[int]:
            strike([event], where, "function")
            return [event]

    desk = ps.Reactor("desk", [numbers], strategy="sequential")
    graph = ps.ComputationGraph("book", reactor=desk)

    @graph.node(starts=note)
    def done(numbers: list[int]) -> Done:
        strike(numbers, where, "graph")
        return Done(numbers)

    return graph


async def live(url: str, graph: ps.ComputationGraph, last: int) -> None:
    """Serve until the last number came through."""
    async with ps.App(url, parts=[graph]) as app:
        while not came_through(app, last):
            await app.scheduler.sleep(0.02)

        await app.wait_idle()


def came_through(app: ps.App, number: int) -> bool:
    held = app.state("desk").values.get(None, {}).get("numbers")
    return isinstance(held, list) and number in held


def main() -> None:
    url, file, where = sys.argv[1:]
    path = Path(file)
    last = int(path.read_text().split()[-1])
    asyncio.run(live(url, graph_of(path, where), last))


if __name__ == "__main__":
    main()
