"""Public names: what a package offers is what its ``__all__`` says, in order, and all of it resolves."""

import ast
import importlib

import pytest

from tests.architecture.source import FOLDERS, PACKAGES, ROOT


def init_of(package: str) -> ast.Module:
    """Return the parsed ``__init__.py`` of a package."""
    owner = max((name for name in FOLDERS if f"{package}.".startswith(f"{name}.")), key=len)
    inner = package.removeprefix(owner).strip(".").replace(".", "/")
    return ast.parse((ROOT / FOLDERS[owner] / inner / "__init__.py").read_text())


def offered(init: ast.Module) -> set[str]:
    """Return the public names that a package binds: its own, and what it re-exports of ours."""
    names = set[str]()
    for node in init.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "penstock":
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}

    return {name for name in names if not name.startswith("_")}


def in_order(names: list[str]) -> list[str]:
    """Sort as the linter does: constants, then classes, then functions."""
    return sorted(names, key=lambda name: (0 if name.isupper() else 1 if name[0].isupper() else 2, name))


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_complete_sorted_and_resolves(package: str) -> None:
    module = importlib.import_module(package)
    names: list[str] = list(getattr(module, "__all__", []))
    assert offered(init_of(package)) - set(names) == set()
    assert [name for name in names if not hasattr(module, name)] == []
    assert [name for name in names if not name.startswith("__")] == in_order([n for n in names if n[:2] != "__"])
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("from penstock.graphs.node import Node as Node, node", {"Node", "node"}),
        ("from pathlib import Path\nimport json", set[str]()),
        ("LIMIT = 3\n_hidden: int = 4\nclass Part: ...\ndef part(): ...", {"LIMIT", "Part", "part"}),
    ],
)
def test_offered_names_are_found(code: str, names: set[str]) -> None:
    assert offered(ast.parse(code)) == names


def test_order_is_constants_classes_functions() -> None:
    assert in_order(["node", "Node", "App", "LIMIT"]) == ["LIMIT", "App", "Node", "node"]
