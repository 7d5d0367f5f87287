"""Penstock: reactive streams, computation graphs and durable workflows on one clock and one state store."""

from pathlib import Path

# From the root of a clone `import penstock` finds this folder although nothing is installed, but the layers stand
# beside it, not in it. An installed wheel has them inside, an editable install maps them: both are left alone.
if not (Path(__file__).parent / "graphs").exists():  # pragma: no branch - the other one is an installed wheel
    __path__.append(str(Path(__file__).parent.parent))
