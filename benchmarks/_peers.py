"""Other engines to compare with: each in an environment of its own, asked by lines of JSON while it runs.

An environment is made once, of pinned versions, in a cache folder: ``$XDG_CACHE_HOME/penstock-benchmarks`` or
``~/.cache/penstock-benchmarks``. It has the Python that runs the benchmark.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import msgspec

SCRIPTS = Path(__file__).resolve().parent / "peers"
#: What every script imports besides its peer: events are the same objects everywhere.
COMMON = ("msgspec==0.22.0",)
#: Seconds in which an answer must come, and in which an environment must be made.
ANSWER, MAKE = 180.0, 300.0


class Peer(msgspec.Struct, frozen=True):
    """Another engine: its script, and what that needs, the engine itself first."""

    name: str
    script: str
    needs: tuple[str, ...]
    #: It gets a tenth of the events, so that it does not take most of the time.
    slow: bool = False

    @property
    def folder(self) -> Path:
        """Where its environment is."""
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        version = self.needs[0].rpartition("==")[2]
        return Path(cache, "penstock-benchmarks", f"{self.name}-{version}-{sys.implementation.cache_tag}")


#: The same in both benchmarks, which share its environment.
BYTEWAX = ("bytewax==0.21.1", "confluent-kafka==2.16.1")
STREAM_PEERS = (
    Peer("streamz", "with_streamz.py", ("streamz==0.6.6",)),
    Peer("reactivex", "with_reactivex.py", ("reactivex==6.1.0",)),
    Peer("hamilton", "with_hamilton.py", ("sf-hamilton==1.90.0",)),
    Peer("bytewax", "with_bytewax.py", BYTEWAX),
    Peer("langgraph", "with_langgraph.py", ("langgraph==1.2.24", "langgraph-checkpoint-sqlite==3.1.2")),
)

FAUST = ("faust-streaming==0.15.3", "aiokafka==0.14.0", "uvloop==0.22.1")
KAFKA_PEERS = (
    Peer("confluent-kafka", "with_confluent.py", ("confluent-kafka==2.16.1",)),
    Peer("bytewax", "with_bytewax_topic.py", BYTEWAX),
    Peer("quixstreams", "with_quixstreams.py", ("quixstreams==3.28.1",)),
    Peer("faust-streaming", "with_faust.py", FAUST, slow=True),
)


class Unavailable(Exception):
    """A peer cannot be measured; the text says why, in one line."""


def add_peers(parser: argparse.ArgumentParser, peers: Sequence[Peer]) -> None:
    """Let the command line say which peers are measured."""
    names = {peer.name: peer for peer in peers}

    def chosen(text: str) -> list[Peer]:
        wanted = {"all": list(names), "none": []}.get(text, text.split(","))
        if unknown := [name for name in wanted if name not in names]:
            raise argparse.ArgumentTypeError(f"no peer is called {', '.join(unknown)}; there are {', '.join(names)}")

        return [names[name] for name in wanted]

    words = f"all, none, or some of: {','.join(names)}"
    parser.add_argument("--peers", type=chosen, default="all", metavar="NAMES", help=words)


# -- environments --------------------------------------------------------------------------------------------


def python_of(peer: Peer) -> Path:
    """Return the interpreter of a peer's environment, which is made first if it is not there.

    Raises:
        Unavailable: The peer cannot be installed here.
    """
    needs = "\n".join(peer.needs + COMMON)
    done = peer.folder / "needs.txt"  # written last, so an environment that has it is whole
    if not done.exists() or done.read_text() != needs:
        peer.folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=peer.folder.parent, ignore_cleanup_errors=True) as folder:
            made = Path(folder, "made")
            make(made, peer.needs + COMMON)
            (made / "needs.txt").write_text(needs)
            shutil.rmtree(peer.folder, ignore_errors=True)
            made.rename(peer.folder)

    return peer.folder / "bin" / "python"


def make(folder: Path, needs: Sequence[str]) -> None:
    """Make an environment; wheels only, as a benchmark should not need a compiler."""
    beside = Path(sys.executable).with_name("uv")
    python, wheels = str(folder / "bin" / "python"), ("--quiet", "--only-binary", ":all:", *needs)
    if uv := shutil.which("uv") or (str(beside) if beside.exists() else None):
        run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
        run(uv, "pip", "install", "--python", python, *wheels)
    else:
        run(sys.executable, "-m", "venv", str(folder))
        run(python, "-m", "pip", "install", "--disable-pip-version-check", *wheels)


def run(*command: str) -> None:
    """Run a step of making an environment."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=MAKE)
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"cannot be installed: {one_line(error.stderr)}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"cannot be installed: {one_line(str(error))}") from error


def one_line(text: str) -> str:
    """Return the end of a text, where the reason is, in one line."""
    return " ".join(text.split())[-300:] or "it says nothing"


# -- processes -----------------------------------------------------------------------------------------------


class Running:
    """A script that answers."""

    def __init__(self, process: "subprocess.Popen[str]", errors: IO[str]) -> None:
        self._process, self._errors = process, errors

    def ask(self, do: str, **words: object) -> dict[str, Any]:
        """Ask, and wait for the answer.

        Raises:
            Unavailable: It has ended, or is silent.
        """
        with suppress(BrokenPipeError):  # there is no answer then
            print(json.dumps({"do": do, **words}), file=self._process.stdin, flush=True)

        return self.answer(do)

    def answer(self, do: str) -> dict[str, Any]:
        """Wait for an answer to what was asked.

        Raises:
            Unavailable: It has ended, or is silent.
        """
        late = threading.Timer(ANSWER, self._process.kill)
        late.start()
        try:
            answer = self._process.stdout.readline()
        finally:
            late.cancel()

        if answer:
            return json.loads(answer)

        self._process.wait(ANSWER)
        self._errors.seek(0)
        last = [line for line in self._errors.read().splitlines() if line.strip()][-1:]
        raise Unavailable(f"ended at {do!r} with {self._process.returncode}: {one_line(''.join(last))}")


@contextmanager
def running(python: Path | str, script: Path) -> Generator[Running]:
    """Run a script; after the block it is over, and what it has left in the folder for temporary files is gone."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [python, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "TMPDIR": folder},
        )
        try:
            yield Running(process, errors)
        finally:
            process.stdin.close()
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

            process.stdout.close()
