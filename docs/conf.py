"""Settings of the site: `make docs` builds the pages of this folder into docs/_build/html."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

project = "DreamGrid"
release = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "version"
]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # an anchor at each heading, with the names that viewers of Markdown give them
smartquotes = False  # options begin with two hyphens, in sentences too
highlight_language = "text"  # of blocks that name no language: what commands print

html_theme = "furo"
html_title = f"DreamGrid {release}"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_copyright = False


def _formula(translator: Any, node: Any, display: str) -> None:
    """Write a formula as MathML, which browsers draw without a script and without a network."""
    translator.body.append(convert(node.astext(), display=display))
    raise SkipNode


def setup(app: Any) -> None:
    """Let Sphinx write formulas as MathML."""
    app.add_html_math_renderer(
        "mathml",
        (lambda translator, node: _formula(translator, node, "inline"), None),
        (lambda translator, node: _formula(translator, node, "block"), None),
    )
