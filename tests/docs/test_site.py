"""The site is built without a warning, has every page, and needs no network."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    out = tmp_path_factory.mktemp("site")
    options = ("--fail-on-warning", "--keep-going", "--nitpicky", "--quiet")
    words = [sys.executable, "-m", "sphinx", *options, str(REPOSITORY / "docs"), str(out)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return out


@pytest.mark.slow
def test_the_target_builds_it_in_the_same_way() -> None:
    assert "--fail-on-warning --keep-going --nitpicky --quiet docs" in (REPOSITORY / "Makefile").read_text()


@pytest.mark.slow
def test_every_page_is_in_the_site_and_asks_no_other_server(site: Path) -> None:
    pages = {path.relative_to(REPOSITORY / "docs").with_suffix(".html") for path in (REPOSITORY / "docs").rglob("*.md")}
    pages = {page for page in pages if page.parts[0] != "_build"}
    assert not [page for page in pages if not (site / page).is_file()]
    loaded = re.compile(
        r"<(?:script|img|iframe)[^>]*\ssrc=\"(?:https?:)?//|<link[^>]*rel=\"stylesheet\"[^>]*href=\"(?:https?:)?//"
    )
    assert not [page for page in pages if loaded.search((site / page).read_text(encoding="utf-8"))]


@pytest.mark.slow
def test_formulas_are_drawn_by_the_browser_itself(site: Path) -> None:
    page = (site / "reference" / "metrics.html").read_text(encoding="utf-8")

    assert page.count("<math") > 20
    assert not re.search(r"<script[^>]*mathjax", page, re.IGNORECASE)
