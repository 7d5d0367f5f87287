"""How the command that runs is typed: in an environment that is not active it is not found by its name alone."""

import shlex
import shutil
import sys
from pathlib import Path

NAME = "penstock"


def program() -> str:
    """Return what to type, from this folder, to call the same program again."""
    script = Path(sys.argv[0]).absolute()
    if script.stem != NAME:  # ``python -m penstock``: the program is installed beside the interpreter
        script = Path(sys.executable).with_name(NAME + (".exe" if sys.platform == "win32" else ""))

    return spell(script, Path.cwd(), shutil.which(NAME))


def spell(script: Path, folder: Path, found: str | None) -> str:
    """Return the shortest words that name a script.

    Args:
        script: Its absolute path.
        folder: Where the words are typed.
        found: What the shell takes for the bare name.
    """
    if found is not None and Path(found).absolute() == script:
        return NAME

    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m {NAME}"

    near = script.is_relative_to(folder) and script.parent != folder
    return shlex.quote(str(script.relative_to(folder) if near else script))
