"""``penstock check module:app``: everything that is wrong with the declarations, without running anything."""

from penstock.app import App
from penstock.cli.loading import load
from penstock.cli.options import Json, Reference
from penstock.cli.output import print_json
from penstock.runtime.errors import DefinitionError

KINDS = ("accumulators", "reactors", "graphs", "workflows")


def check(reference: Reference, /, *, json: Json = False) -> int:
    """Check all declarations of an app, without running it.

    Every problem is listed with its fix. Exit code 1 when there is one.
    """
    try:
        app = load(reference)
    except DefinitionError as error:
        return report(reference, None, error.problems, json=json)

    return report(reference, app, (), json=json)


def report(reference: str, app: App | None, problems: tuple[str, ...], *, json: bool) -> int:
    """Print the outcome."""
    parts = {kind: sorted(getattr(app, kind)) for kind in KINDS} if app else {}
    if json:
        print_json({"app": reference, "ok": not problems, "problems": problems, "parts": parts})
    elif problems:
        print(f"{reference}: {len(problems)} problem{'s' if len(problems) > 1 else ''}")
        for problem in problems:
            print(f"  - {problem}")
    else:
        counts = ", ".join(f"{len(names)} {kind if len(names) != 1 else kind[:-1]}" for kind, names in parts.items())
        print(f"{reference}: ok ({counts})")

    return 1 if problems else 0
