"""The pages as text: their blocks of code and their tables."""

import itertools
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def page(name: str) -> str:
    """Return the text of a page, by its path from the root."""
    return (ROOT / name).read_text()


def blocks(name: str, language: str) -> list[str]:
    """Return the blocks of code of a page that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page(name), re.MULTILINE | re.DOTALL)


def table(name: str, heading: str, occurrence: int = 0) -> list[list[str]]:
    """Return the cells below a header row that begins with ``heading``; those that are code come without backticks."""
    lines = page(name).splitlines()
    start = [index for index, line in enumerate(lines) if line.startswith(f"| {heading} |")][occurrence]
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    return [[re.sub(r"^`([^`]*)`$", r"\1", cell.strip()) for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
