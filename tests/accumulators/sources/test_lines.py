"""Lines of a file, which others write, cut and exchange."""

from pathlib import Path

import anyio
import msgspec
import pytest

from penstock.accumulators.sources import Lines
from penstock.accumulators.stream import stream_accumulator
from penstock.reactors.reactor import Reactor
from penstock.runtime.errors import DefinitionError
from tests.reactors.world import Graph, World


class Quote(msgspec.Struct, frozen=True):
    price: float


def reading(source: Lines) -> Reactor:
    @stream_accumulator(source)
    def words(event: str) -> str:
        return event

    return Reactor("r", [words])


def words(graph: Graph) -> list[object]:
    return [inputs["words"] for inputs in graph.inputs]


@pytest.fixture
def path(tmp_path: Path) -> anyio.Path:
    return anyio.Path(tmp_path / "words.txt")


async def append(path: anyio.Path, text: str) -> None:
    async with await path.open("a", newline="") as file:
        await file.write(text)


async def test_lines_are_json_for_a_type_and_a_bad_one_is_kept_aside(store_url: str, path: anyio.Path) -> None:
    await path.write_text('{"price": 1.5}\n\n{broken\r\n{"price": 2.5}')

    @stream_accumulator(Lines(path))
    def quotes(event: Quote) -> float:
        return event.price

    graph = Graph()
    async with World(store_url, [Reactor("r", [quotes])], [graph]) as world:
        await world.advance(2.0)
        letters = await world.letters()
        statistics = world.accumulator("quotes").statistics()

    assert graph.inputs == [{"quotes": 1.5}, {"quotes": 2.5}]
    assert [(letter.reason, letter.payload) for letter in letters] == [("decode", b"{broken")]
    assert letters[0].position is not None
    assert letters[0].position.startswith("25-")
    assert (statistics.health, statistics.events, statistics.undecodable) == ("ended", 3, 1)


async def test_a_followed_file_is_looked_at_again_and_half_a_line_waits(store_url: str, path: anyio.Path) -> None:
    await path.write_text("one\ntw")
    graph = Graph()
    async with World(store_url, [reading(Lines(path, follow=True, interval=1.0))], [graph]) as world:
        await world.advance(1.5)
        assert words(graph) == ["one"]
        await append(path, "o\nthree\n")
        await world.advance(1.0)
        assert words(graph) == ["one", "two", "three"]
        assert world.accumulator("words").statistics().health == "live"


async def test_a_restart_goes_on_behind_the_last_line_with_what_was_added(store_url: str, path: anyio.Path) -> None:
    await path.write_text("one\ntwo\n")
    graph = Graph()
    async with World(store_url, [reading(Lines(path))], [graph]) as world:
        await world.advance(2.0)
        await append(path, "three\n")
        await world.restart()
        await world.advance(2.0)

    assert words(graph) == ["one", "two", "three"]


@pytest.mark.parametrize("how", ["rotated", "truncated", "written anew"])
async def test_a_followed_file_that_is_exchanged_is_an_error(store_url: str, path: anyio.Path, how: str) -> None:
    await path.write_text("one\ntwo\n")
    graph = Graph()
    async with World(store_url, [reading(Lines(path, follow=True, interval=1.0))], [graph]) as world:
        await world.advance(0.5)
        await exchange(path, how)
        for _ in range(3):  # it is no less wrong when it is tried again
            await world.advance(2.0)
            statistics = world.accumulator("words").statistics()
            assert statistics.health == "disconnected"
            assert statistics.error is not None
            assert "it is another file now" in statistics.error

    assert words(graph) == ["one", "two"]


@pytest.mark.parametrize("how", ["rotated", "truncated", "written anew"])
async def test_a_followed_file_that_is_exchanged_may_be_followed(store_url: str, path: anyio.Path, how: str) -> None:
    await path.write_text("one\ntwo\n")
    graph = Graph()
    source = Lines(path, follow=True, interval=1.0, on_rotate="follow")
    async with World(store_url, [reading(source)], [graph]) as world:
        await world.advance(0.5)
        new = await exchange(path, how)
        await world.advance(2.0)
        statistics = world.accumulator("words").statistics()
        assert (statistics.health, statistics.error) == ("live", None)

    assert words(graph) == ["one", "two", *new]


async def exchange(path: anyio.Path, how: str) -> list[str]:
    """Exchange the file; return the lines of the new one."""
    if how == "rotated":
        await path.rename(path.with_suffix(".1"))

    lines = ["new", "and longer than before"] if how == "written anew" else ["new"]
    await path.write_text("".join(f"{line}\n" for line in lines))
    return lines


async def test_what_was_written_before_a_rotation_is_read_first(store_url: str, path: anyio.Path) -> None:
    await path.write_text("one\n")
    graph = Graph()
    source = Lines(path, follow=True, interval=1.0, on_rotate="follow")
    async with World(store_url, [reading(source)], [graph]) as world:
        await world.advance(0.5)
        await append(path, "two\nthree without an end")
        await path.rename(path.with_suffix(".1"))
        await world.advance(1.0)
        assert words(graph) == ["one", "two"]  # the new file is not there yet
        await path.write_text("four\n")
        await world.advance(2.0)
        assert words(graph) == ["one", "two", "three without an end", "four"]


@pytest.mark.parametrize(("on_rotate", "found"), [("error", ["one", "two"]), ("follow", ["one", "two", "uno", "dos"])])
async def test_a_file_that_was_exchanged_while_the_app_was_down_is_noticed(
    store_url: str, path: anyio.Path, on_rotate: str, found: list[str]
) -> None:
    await path.write_text("one\ntwo\n")
    graph = Graph()
    source = Lines(path, on_rotate=on_rotate)  # type: ignore[arg-type]
    async with World(store_url, [reading(source)], [graph]) as world:
        await world.advance(2.0)
        await world.stop()
        await path.write_text("uno\ndos\n")  # as long as before
        await world.start()
        await world.advance(2.0)
        statistics = world.accumulator("words").statistics()

    assert words(graph) == found
    assert statistics.health == ("disconnected" if on_rotate == "error" else "ended")


async def test_a_copy_of_the_file_is_the_same_file(store_url: str, path: anyio.Path) -> None:
    await path.write_text("one\ntwo\n")
    graph = Graph()
    async with World(store_url, [reading(Lines(path))], [graph]) as world:
        await world.advance(2.0)
        await world.stop()
        text = await path.read_text()
        await path.unlink()
        await path.write_text(text + "three\n")
        await world.start()
        await world.advance(2.0)

    assert words(graph) == ["one", "two", "three"]


async def test_a_file_that_is_missing_is_tried_again(store_url: str, path: anyio.Path) -> None:
    graph = Graph()
    async with World(store_url, [reading(Lines(path))], [graph]) as world:
        await world.advance(0.1)
        statistics = world.accumulator("words").statistics()
        assert statistics.health == "disconnected"
        assert statistics.error is not None
        assert f"is unavailable: No such file or directory: {path}" in statistics.error
        await path.write_text("one\n")
        await world.advance(2.0)

    assert words(graph) == ["one"]


async def test_a_line_that_is_too_long_is_an_error_that_names_the_place(store_url: str, path: anyio.Path) -> None:
    await path.write_text("one\n" + "x" * 11 + "\n")
    graph = Graph()
    async with World(store_url, [reading(Lines(path, longest=10))], [graph]) as world:
        await world.advance(0.1)
        error = world.accumulator("words").statistics().error

    assert words(graph) == ["one"]
    assert error is not None
    assert "the line at byte 4 is longer than 10 bytes" in error


async def test_lines_longer_than_what_is_read_at_once_come_whole(store_url: str, path: anyio.Path) -> None:
    long = "x" * 600_000
    await path.write_text(f"{long}\nshort\n{long}")
    graph = Graph()
    async with World(store_url, [reading(Lines(path))], [graph]) as world:
        await world.advance(0.1)

    assert words(graph) == [long, "short", long]


@pytest.mark.parametrize("options", [{"on_rotate": "maybe"}, {"longest": 0}, {"interval": "soon"}, {"interval": 0}])
def test_options_that_cannot_be_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(DefinitionError, match="Lines"):
        Lines("words.txt", **options)  # type: ignore[arg-type]


def test_the_name_is_the_path_unless_it_is_given() -> None:
    assert Lines(Path("data") / "x.jsonl").name == str(Path("data") / "x.jsonl")
    assert Lines("x.jsonl", name="quotes").name == "quotes"
