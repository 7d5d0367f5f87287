"""Lines that a program writes. A program needs real time: what is waited for are its lines, and its end."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from penstock.accumulators.sources import Process
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import DefinitionError, ProcessFailed
from penstock.testing.bench import workbench
from tests.databases import sqlite_only
from tests.reactors.world import Graph, World


def program(*lines: str) -> list[str]:
    """Return the command of a small program."""
    return [sys.executable, "-u", "-c", "\n".join(("import os, signal, sys, time", *lines))]


def reading(source: Process) -> Reactor:
    @stream_accumulator(source)
    def words(event: str) -> str:
        return event

    return Reactor("r", [words])


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens outside of the loop."""
    while not condition():
        await anyio.lowlevel.checkpoint()


async def test_each_line_is_an_event_and_the_end_of_the_program_is_the_end_of_the_source(store_url: str) -> None:
    graph = Graph()
    source = Process(program("print('one'); print(); print('two'); sys.stdout.write('three')"))
    async with World(store_url, [reading(source)], [graph]) as world:
        words = world.accumulator("words")
        await until(lambda: words.health == "ended")
        assert words.positions == {}

    assert [inputs["words"] for inputs in graph.inputs] == ["one", "two", "three"]


async def test_a_program_that_fails_is_told_with_its_last_words_and_started_again(store_url: str) -> None:
    graph = Graph()
    source = Process(program("print('one'); print('no such table', file=sys.stderr); sys.exit(3)"), name="query")
    async with World(store_url, [reading(source)], [graph]) as world:
        words = world.accumulator("words")
        await until(lambda: words.health == "disconnected")
        assert words.error == ("ProcessFailed: the process of source 'query' ended with exit code 3: no such table")
        await world.advance(2.0)
        await until(lambda: words.events == 2)

    assert [inputs["words"] for inputs in graph.inputs] == ["one", "one"]


async def test_a_program_that_is_killed_is_told_with_the_signal() -> None:
    async with workbench(10.0) as bench:
        source = Process(program("os.kill(os.getpid(), signal.SIGKILL)"))
        with pytest.raises(ProcessFailed) as caught:
            await bench.read_all(source, bench.intake(), {})

    assert caught.value.exit_code == -signal.SIGKILL
    assert "ended with signal 9: it wrote no error" in str(caught.value)


@sqlite_only
async def test_a_program_ends_with_the_app_in_order(store_url: str) -> None:
    source = Process(program("print(os.getpid())", "time.sleep(60)"))
    graph = Graph()
    async with World(store_url, [reading(source)], [graph]):
        await until(lambda: bool(graph.inputs))
        number = int(str(graph.inputs[0]["words"]))
        os.kill(number, 0)  # it runs

    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


async def test_a_program_that_does_not_leave_is_killed_after_the_grace() -> None:
    source = Process(
        program("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "print(os.getpid())", "time.sleep(60)"), grace=0.05
    )
    async with workbench(10.0) as bench:
        intake = bench.intake()
        await bench.read(source, intake, {}, events=1)

    with pytest.raises(ProcessLookupError):
        os.kill(int(str(intake.payloads[0], "ascii")), 0)  # type: ignore[call-overload]


async def test_a_program_has_its_own_folder_and_environment(tmp_path: Path) -> None:
    source = Process(program("print(os.getcwd()); print(os.environ['WORD'])"), cwd=tmp_path, env={"WORD": "hello"})
    async with workbench(10.0) as bench:
        intake = bench.intake()
        await bench.read_all(source, intake, {})

    assert intake.payloads == [str(tmp_path).encode(), b"hello"]


@pytest.mark.parametrize("command", ["tail -F x", [], ["tail", 5]])
def test_a_command_that_is_no_list_of_texts_is_refused(command: object) -> None:
    with pytest.raises(DefinitionError, match="the program and its arguments"):
        Process(command)  # type: ignore[arg-type]
