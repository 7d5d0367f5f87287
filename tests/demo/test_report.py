from pathlib import Path

import msgspec

from penstock.demo.readings import Filesystem, MemoryUse
from penstock.demo.report import page, table, write
from penstock.demo.signals import Processes
from tests.demo.samples import START, findings, process


def test_report_and_chart_are_written_beside_each_other(tmp_path: Path) -> None:
    files = write(findings(str(tmp_path / "reports")))
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == [
        "incident-20260101-120000-cpu.md",
        "incident-20260101-120000-cpu.svg",
    ]
    assert f"({Path(files.chart).name})" in Path(files.report).read_text()


def test_writing_a_report_again_replaces_it(tmp_path: Path) -> None:
    first, second = write(findings(str(tmp_path))), write(findings(str(tmp_path)))
    assert first == second
    assert len(list(tmp_path.iterdir())) == 2


def test_what_the_machine_does_not_tell_is_said() -> None:
    text = page(findings("x"), "chart.svg")
    assert text.count("does not show") == 4


def test_page_names_the_signal_and_the_busiest_processes() -> None:
    found = msgspec.structs.replace(
        findings("x"),
        processes=Processes(at=START, total=80, busiest=(process([98.0], role="spike"), process([12.0], name="a|b"))),
        memory=MemoryUse(percent=40.0, total_bytes=2**34, swap_percent=None),
        filesystems=(Filesystem(mount="/", total_bytes=2**40, percent=13.0),),
        connections={"ESTABLISHED": 3, "TIME_WAIT": 1},
    )
    text = page(found, "chart.svg")
    assert text.startswith("# CPU at 61.0 %\n")
    assert "| burn (the load spike that the demo makes) | 7 | 98 % | 1.0 MiB |" in text
    assert "| a\\|b | 7 | 12 % |" in text
    assert "3 established, 1 time-wait" in text


def test_table_keeps_hostile_names_in_their_cells() -> None:
    assert table(("name",), [("a|b\nc",)]) == "| name |\n| --- |\n| a\\|b c |"
