"""The code as text: which files there are, what they import, and which names they use."""

import ast
import functools
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = SETTINGS["tool"]["setuptools"]["packages"]
FOLDERS: dict[str, str] = SETTINGS["tool"]["setuptools"]["package-dir"]
LAYERS = ["runtime", "accumulators", "reactors", "graphs", "workflows", "penstock"]


def python_files(*folders: str) -> list[str]:
    """Return the Python files below these folders of the clone, as paths from its root."""
    return sorted(path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py"))


@functools.cache
def tree(file: str) -> ast.Module:
    """Return the parsed file."""
    return ast.parse((ROOT / file).read_text(), file)


@functools.cache
def nodes(module: ast.Module) -> tuple[ast.AST, ...]:
    """Return all nodes of a parsed file."""
    return tuple(ast.walk(module))


def module_name(file: str) -> str:
    """Return the name under which a file of ours is imported."""
    folder, _, rest = file.partition("/")
    parts = [folder, *rest.removesuffix(".py").split("/")]
    if parts[-1] == "__init__":
        parts.pop()

    return ".".join(parts if folder == "penstock" else ["penstock", *parts])


def imports(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and full name of all that is imported, wherever it is: ``from a import b`` gives ``a.b``."""
    for node in nodes(module):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{prefix}.{alias.name}") for alias in node.names)


def aliases(module: ast.Module) -> dict[str, str]:
    """Return the names that imports bind, with what they stand for."""
    bound: dict[str, str] = {}
    for node in nodes(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                bound[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            bound |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}

    return bound


def uses(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and full name of each imported name that is used: ``t.time`` after ``import time as t``."""
    bound = aliases(module)
    for node in nodes(module):
        if isinstance(node, ast.Name | ast.Attribute):
            top, _, rest = ast.unparse(node).partition(".")
            if top in bound:
                yield node.lineno, f"{bound[top]}.{rest}".rstrip(".")


def calls(module: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """Yield each call of an attribute with the attribute's name."""
    for node in nodes(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node, node.func.attr
