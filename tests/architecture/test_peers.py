"""Other engines of the benchmarks are used by scripts that know nothing of ours, at exact versions."""

import re
import sys
from pathlib import Path

import pytest

from benchmarks._peers import COMMON, KAFKA_PEERS, SCRIPTS, STREAM_PEERS, Peer, Unavailable, running
from tests.architecture.source import LAYERS, imports, python_files, tree

PEERS = STREAM_PEERS + KAFKA_PEERS


@pytest.mark.parametrize("file", python_files("benchmarks/peers"))
def test_script_imports_nothing_of_ours(file: str) -> None:
    assert not {name.partition(".")[0] for _, name in imports(tree(file))} & {"penstock", *LAYERS}


def test_every_script_belongs_to_a_peer_or_to_the_direct_calls() -> None:
    assert {path.name for path in SCRIPTS.glob("with_*.py")} == {peer.script for peer in PEERS} | {"with_calls.py"}


@pytest.mark.parametrize("needed", sorted({need for peer in PEERS for need in (*peer.needs, *COMMON)}))
def test_versions_are_exact(needed: str) -> None:
    assert re.fullmatch(r"[\w-]+==[\w.]+", needed)


def test_peers_of_one_name_share_their_environment() -> None:
    assert len({(peer.folder, peer.needs) for peer in PEERS}) == len({peer.name for peer in PEERS})


def test_folder_tells_peer_version_and_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    expected = f"/cache/penstock-benchmarks/some-1.2-{sys.implementation.cache_tag}"
    assert Peer("some", "with_some.py", ("some-thing==1.2", "other==3")).folder == Path(expected)


def test_script_that_ends_says_why(tmp_path: Path) -> None:
    script = tmp_path / "with_some.py"
    script.write_text("input()\nraise LookupError('no such shape')")
    with running(sys.executable, script) as engine, pytest.raises(Unavailable, match="'open' with 1: LookupError: no"):
        engine.ask("open", shape="unknown")


def test_script_is_over_after_the_block_with_its_temporary_files(tmp_path: Path) -> None:
    script = tmp_path / "with_some.py"
    script.write_text(
        "import json, sys, tempfile\nfor line in sys.stdin: print(json.dumps([tempfile.mkdtemp(), line]), flush=True)"
    )
    with running(sys.executable, script) as engine:
        folder, question = engine.ask("look", shape="some")
        assert Path(folder).exists()

    assert question == '{"do": "look", "shape": "some"}\n'
    assert not Path(folder).exists()
