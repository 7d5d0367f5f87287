"""Whether the files that a connection holds open are still those at their paths.

A file that was deleted or replaced stays readable and writable for whoever has it open: everything would go on, every
commit would be acknowledged, and all of it would be gone with the process.
"""

from collections.abc import Sequence
from pathlib import Path


class Identity:
    """What files are, whatever their names are later.

    Args:
        paths: Those that do not exist are not looked at.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        found = {path: identity(path) for path in paths}
        self._known: dict[Path, tuple[int, int]] = {path: known for path, known in found.items() if known is not None}

    def lost(self) -> Path | None:
        """Return the first path at which another file is now, or none."""
        return next((path for path, known in self._known.items() if identity(path) != known), None)


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from all others, or nothing when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None

    return status.st_dev, status.st_ino
