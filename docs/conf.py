"""How Sphinx builds the pages: every warning is an error, every reference must resolve."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

project = "Penstock"
copyright = "the Penstock maintainers"
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"Penstock {release}"

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
# The inventories of other projects are on their sites, which a build does not visit: only our own names are checked.
nitpick_ignore_regex = [(r"py:.*", r"(?!penstock\.).*")]
