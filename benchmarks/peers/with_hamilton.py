"""Hamilton: functions whose parameters name other functions; a driver executes the graph for each event.

It has no sources: what is crossed is dropped before the driver, and pairs, queues and keys are the caller's. Branches
are chosen when a driver is built, not by a value. The result is asked for as a dict, without pandas, and no extension
is loaded.
"""

from hamilton import ad_hoc_utils, driver, registry
from turns import Line, main, side_by_side
from work import Work, first, middle, uncrossed

registry.disable_autoload()


def execute_of(functions, last: str):
    module = ad_hoc_utils.create_temporary_module(*functions)
    execute = driver.Builder().with_modules(module).build().execute
    wanted = [last]
    return lambda inputs: execute(wanted, inputs=inputs)


def two_nodes(work: Work) -> Line:
    execute = execute_of([middle, work.signal], "signal")

    def push(event):
        book = uncrossed(event)
        if book is not None:
            execute({"orderbook": book})

    return Line([push])


def two(work: Work) -> Line:
    execute = execute_of([first, work.second], "second")
    return Line([lambda x: execute({"x": x})])


def chain(length: int):
    def build(work: Work) -> Line:
        execute = execute_of(work.chain(length), f"n{length}")
        return Line([lambda x: execute({"n0": x})])

    return build


def fan(work: Work) -> Line:
    execute = execute_of([first, *work.middles(), work.last], "last")
    return Line([lambda x: execute({"x": x})])


SHAPES = {
    "two nodes, every event": two_nodes,
    "two nodes, sequential": two_nodes,
    "10 reactors": side_by_side(two_nodes, 10),
    "100 reactors": side_by_side(two_nodes, 100),
    "1000 reactors": side_by_side(two_nodes, 1000),
    "two nodes": two,
    "chain of 10": chain(10),
    "chain of 100": chain(100),
    "fan 1-10-1": fan,
}

WITHOUT = {
    "two nodes, latest under load": "no sources",
    "two nodes, 1000 keys": "no state",
    "two sources, when_all, two nodes": "no sources",
    "routing to one of two": "branches are chosen when a driver is built",
    "two nodes, state kept on disk": "nothing is kept",
    "two nodes, each event on disk first": "nothing is kept",
}

if __name__ == "__main__":
    main(["sf-hamilton"], SHAPES, WITHOUT)
