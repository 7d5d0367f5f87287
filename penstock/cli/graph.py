"""``penstock graph module:app``: the computation graphs of an app, drawn."""

import difflib
from typing import Annotated

from cyclopts import Parameter

from penstock.app import App
from penstock.cli.loading import load
from penstock.cli.options import Json, Reference
from penstock.cli.output import print_json
from penstock.graphs.draw import Form
from penstock.graphs.graph import ComputationGraph
from penstock.runtime.errors import ConfigError

Name = Annotated[str | None, Parameter(name="--graph", help="Only the graph of this name.")]
Format = Annotated[Form, Parameter(name="--format", help="How the graphs are drawn.")]


def graph(reference: Reference, /, *, graph: Name = None, drawing: Format = "mermaid", json: Json = False) -> int:
    """Draw the computation graphs of an app.

    Without --graph all of them, in Mermaid's text each after a comment with its name.
    """
    chosen = choose(load(reference), graph)
    if json:
        print_json({"app": reference, "graphs": [describe(one, drawing) for one in chosen]})
        return 0

    for one in chosen:
        if graph is None and drawing == "mermaid":
            print(f"%% {one.name}")

        print(one.draw(drawing).rstrip())

    return 0


def choose(app: App, name: str | None) -> list[ComputationGraph]:
    """Return the named graph, or all of them.

    Raises:
        ConfigError: There is no such graph, or none at all.
    """
    if name is None and app.graphs:
        return [app.graphs[key] for key in sorted(app.graphs)]

    if name is not None and name in app.graphs:
        return [app.graphs[name]]

    known = sorted(app.graphs)
    near = difflib.get_close_matches(name or "", known) or known
    raise ConfigError(
        f"the app has no graph {name!r}; it has {', '.join(near)}" if known else "the app has no computation graph"
    )


def describe(graph: ComputationGraph, drawing: Form) -> dict[str, object]:
    """Return what --json prints about a graph."""
    return {"name": graph.name, "format": drawing, "drawing": graph.draw(drawing)}
