"""``penstock check module:app``: everything that is wrong with the declarations, without running anything."""

from collections.abc import Mapping, Sequence

from penstock.app import App
from penstock.cli.loading import load
from penstock.cli.options import Json, Reference
from penstock.cli.output import counted, print_json
from penstock.runtime.errors import DefinitionError

KINDS = ("accumulators", "reactors", "graphs", "workflows")


def check(reference: Reference, /, *, json: Json = False) -> int:
    """Check all declarations of an app, without running it.

    Every problem is listed with its fix; exit code 1 when there is one. Notes are about what is legal but perhaps not
    meant.
    """
    try:
        app = load(reference)
    except DefinitionError as error:
        return report(reference, None, error.problems, json=json)

    return report(reference, app, (), json=json)


def report(reference: str, app: App | None, problems: tuple[str, ...], *, json: bool) -> int:
    """Print the outcome."""
    parts = {kind: sorted(getattr(app, kind)) for kind in KINDS} if app else {}
    notes = [note for name in parts.get("graphs", ()) for note in app.graphs[name].notes()] if app else []
    if json:
        print_json({"app": reference, "ok": not problems, "problems": problems, "notes": notes, "parts": parts})
    else:
        print(f"{reference}: {verdict(parts, problems)}")
        for sentence in [*problems, *(f"note: {note}" for note in notes)]:
            print(f"  - {sentence}")

    return 1 if problems else 0


def verdict(parts: Mapping[str, Sequence[str]], problems: Sequence[str]) -> str:
    """Return the outcome in one line."""
    if problems:
        return counted(len(problems), "problems")

    return f"ok ({', '.join(counted(len(names), kind) for kind, names in parts.items())})"
