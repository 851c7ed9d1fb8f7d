"""How Sphinx makes the site (`make docs`).

Its source directory is the whole checkout, so that links between pages are the same here as in the repository.
"""

import os
import re
import subprocess
import sys
from importlib.metadata import version as version_of

from sphinx.application import Sphinx

project = "edfstat"
author = "The edfstat founders"
copyright = "2026 The edfstat founders, MIT licence"
version = release = version_of("edfstat")

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode"]
root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**", "benchmarks/results/*.md"]
exclude_patterns = [".*", "build", "demo", "dist", "tests"]

myst_heading_anchors = 3
autodoc_typehints = "none"  # the docstrings say more
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
default_role = "autolink"  # names in single backticks, where there is such a page

html_theme = "pydata_sphinx_theme"
html_title = "edfstat"
html_extra_path = ["redirect"]
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "header_links_before_dropdown": 8,
    "navigation_with_keys": False,
    "show_toc_level": 2,
}

#: The home page is README, which is read elsewhere, too, and holds nothing of Sphinx.
CONTENTS = """
```{toctree}
:hidden:

docs/guide
docs/reference/index
docs/measured
CONTRIBUTING
CHANGELOG
```
"""

#: Command lines, and the module that defines each with typer.
TYPER = {"edfstat": "edfstat.commands", "python -m submit.sweep": "submit.sweep"}
#: Those whose own help is all there is.
PLAIN = [
    "-m trainers", "-m trainers.spaces", "-m trainers.spaces list", "-m trainers.spaces sample",
    "-m trainers.spaces count", "-m trainers.spaces draw",
]  # fmt: skip


def setup(app: Sphinx) -> None:
    """Complete the pages of which a part is made here."""
    app.connect("source-read", _complete)


def _complete(app: Sphinx, page: str, source: list[str]) -> None:
    if page == "README":
        source[0] += CONTENTS
    elif page == "docs/reference/commands":
        parts = [_described(program, module) for program, module in TYPER.items()] + [_helped(line) for line in PLAIN]
        source[0] += "\n\n".join(parts)


def _described(program: str, module: str) -> str:
    """What typer says of a command line and its commands, one level of headings down."""
    text = _said("-m", "typer", module, "utils", "docs", "--name", program)
    return re.sub("^#", "##", text, flags=re.MULTILINE)


def _helped(line: str) -> str:
    return f"## `python {line}`\n\n```text\n{_said(*line.split(), '--help')}```"


def _said(*arguments: str) -> str:
    plain = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    return subprocess.run([sys.executable, *arguments], env=plain, capture_output=True, text=True, check=True).stdout
