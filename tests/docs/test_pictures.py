"""Pictures on the pages are drawn by the code, as it is now."""

import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT


def test_picture_of_the_order_desk_is_what_the_example_draws(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "05_routing.py"), str(tmp_path / "desk.svg")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (tmp_path / "desk.svg").read_text() == (ROOT / "docs" / "order_desk.svg").read_text()
