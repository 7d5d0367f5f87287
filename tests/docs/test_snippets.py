"""Every block of Python on the pages runs; those with tests are run by pytest."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))
SNIPPETS = [(page, number, block) for page in PAGES for number, block in enumerate(blocks(page, "python"), 1)]
PROGRAMS = [pytest.param(block, id=f"{page}-{number}") for page, number, block in SNIPPETS if "def test_" not in block]
TESTS = {f"{Path(page).stem}_{number}": block for page, number, block in SNIPPETS if "def test_" in block}

CONFTEST = "import pytest\n\n\n@pytest.fixture\ndef anyio_backend() -> str:\n    return 'asyncio'\n"


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("block", PROGRAMS)
def test_program_on_a_page_runs(block: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(block)
    result = run("-W", "error", "program.py", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_tests_on_the_pages_pass(tmp_path: Path) -> None:
    for name, block in TESTS.items():
        (tmp_path / f"test_{name}.py").write_text(block)

    (tmp_path / "conftest.py").write_text(CONFTEST)
    result = run("-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "--rootdir", ".", ".", cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert all(f"test_{name}.py" in result.stdout for name in TESTS)


def test_page_shows_the_conftest_that_its_tests_have() -> None:
    assert any("def anyio_backend" in block for block in blocks("docs/testing.md", "python"))
