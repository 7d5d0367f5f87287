"""The tree of errors that the docstring draws is the tree of the classes."""

import inspect

import pytest

from penstock.runtime import errors

WIDTH = 3  # columns by which a level is indented


def drawn(docstring: str) -> dict[str, str | None]:
    """Return each class in the drawing with the class that it hangs on."""
    parents: dict[str, str | None] = {}
    above: list[str] = []  # the path from the root to the last class
    margin = 0
    for line in docstring.splitlines():
        left, branch, text = line.partition("─ ")
        if above and branch:
            depth = (len(left) - 1 - margin) // WIDTH + 1
            name = text.split()[0]
            parents[name] = above[depth - 1]
            above[depth:] = [name]
        elif not above and line.startswith("    "):
            margin = len(line) - len(line.lstrip())
            above = [line.split()[0]]
            parents[above[0]] = None

    return parents


def defined() -> dict[str, str | None]:
    """Return each error class with its first base that is one of ours."""
    classes = [
        value for value in vars(errors).values() if inspect.isclass(value) and value.__module__ == errors.__name__
    ]
    found: dict[str, str | None] = {}
    for cls in classes:
        ours = [base for base in cls.__bases__ if issubclass(base, errors.PenstockError)]
        found[cls.__name__] = ours[0].__name__ if ours else None

    return found


def test_drawn_tree_is_the_classes() -> None:
    assert drawn(errors.__doc__ or "") == defined()


def test_everything_in_the_tree_is_an_error_with_an_answer() -> None:
    for name in defined():
        cls = getattr(errors, name)
        assert issubclass(cls, errors.PenstockError), name
        assert isinstance(cls.retryable, bool), name
        assert cls.__doc__, name


@pytest.mark.parametrize(
    ("drawing", "parents"),
    [
        ("Text.\n\n    Base\n    ├─ A\n    └─ B   words", {"Base": None, "A": "Base", "B": "Base"}),
        (
            "Text.\n\n    Base\n    ├─ A\n    │  ├─ AA\n    │  └─ AB\n    └─ B\n       └─ BA\n\nMore.",
            {"Base": None, "A": "Base", "AA": "A", "AB": "A", "B": "Base", "BA": "B"},
        ),
    ],
)
def test_drawing_is_read(drawing: str, parents: dict[str, str | None]) -> None:
    assert drawn(drawing) == parents
