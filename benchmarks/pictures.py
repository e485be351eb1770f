"""The pictures of the documentation: a report, MLflow and a terminal, of a sweep that was really run.

    python -m benchmarks.pictures [SWEEP] [--storage DIR] [--port N] [--only NAME ...] [--output docs/pictures]

SWEEP (demo) must be recorded in the storage: run it first. Pages are opened in headless Chromium, and every picture is looked at
by a person before it is committed; one that is larger than 150 kB is refused.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from PIL import Image
from rich.console import Console
from rich.text import Text
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from eval.tables.formats.registry import render_all
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.cells.resolved import ResolvedSweep
from orchestration.planning.lookup import recorded
from orchestration.results.report.build import report_page
from orchestration.results.table import sweep_tables
from orchestration.settings import read_settings
from orchestration.store.files import FileStore
from orchestration.store.open import open_existing_store
from orchestration.sweeps.model import Overrides

LARGEST: Final = 150_000
"""Bytes of a picture, which a reader of the documentation loads."""

COLOURS: Final = 128
TERMINAL_COLUMNS: Final = 120
_PATIENCE_S: Final = 120.0

_CLOSE_ASSISTANT: Final = """
const heads = [...document.querySelectorAll("*")].filter((each) => each.textContent.trim().startsWith("MLflow Assistant"));
const buttons = heads.map((each) => [...each.querySelectorAll("button")]).filter((each) => each.length >= 3).at(-1);
if (buttons) buttons[2].click();
"""
"""Its panel takes a quarter of the page; the third button of its head closes it."""

_PAGE: Final = """<!doctype html><meta charset="utf-8"><body style="margin:0;background:#16181d">
<pre style="margin:0;padding:20px 24px;display:inline-block;background:#16181d;color:#e6e6e6;
font:15px/1.3 'DejaVu Sans Mono',monospace">{code}</pre></body>"""

Box = tuple[float, float, float, float]
"""Left, top, width and height in CSS pixels."""


class Camera:
    """A window of headless Chromium that takes pictures."""

    def __init__(self) -> None:
        chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
        if chromium is None or driver is None:
            raise SystemExit("Chromium and its driver are needed: install chromium and chromium-driver")
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
            options.add_argument(flag)
        self.window: Any = webdriver.Chrome(options=options, service=Service(driver))
        self.window.set_script_timeout(_PATIENCE_S)

    def open(self, address: str, *, width: int, height: int = 900, theme: str = "light") -> None:
        """Open a page in a window of a size, for readers of light or dark pages."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.window.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.window.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.window.get(address)

    def wait_for(self, script: str) -> Any:
        """Wait until a script returns something, and return it."""
        return WebDriverWait(self.window, _PATIENCE_S).until(lambda window: window.execute_script(script))

    def take(self, box: Box) -> bytes:
        """Return a part of the page as PNG."""
        clip = {**dict(zip(("x", "y", "width", "height"), box, strict=True)), "scale": 1}
        options = {"captureBeyondViewport": True, "clip": clip}
        return base64.b64decode(self.window.execute_cdp_cmd("Page.captureScreenshot", options)["data"])

    def box_of(self, first: str, last: str, *, margin: float = 0.0) -> Box:
        """Return the part of the page from the top of one element to the bottom of another, by their CSS selectors."""
        script = (
            "const [a, b] = [...arguments].map((each) => document.querySelector(each).getBoundingClientRect());"
            "return [a.left + scrollX, a.top + scrollY, Math.max(a.right, b.right) - a.left, b.bottom - a.top]"
        )
        left, top, width, height = self.window.execute_script(script, first, last)
        return max(0.0, left - margin), max(0.0, top - margin), width + 2 * margin, height + 2 * margin


def report_top(camera: Camera, page: Path) -> bytes:
    """The head of a report and its grid; what the rows and columns are is folded."""
    camera.open(page.as_uri(), width=1100)
    camera.wait_for("document.querySelectorAll('details').forEach((each) => { each.open = false }); return true")
    _, _, width, height = camera.box_of("body", '[data-section="Grid"]')
    return camera.take((0.0, 0.0, width, height + 16.0))


def report_dark(camera: Camera, page: Path) -> bytes:
    """Radar and trade-offs of a report, dark."""
    camera.open(page.as_uri(), width=760, theme="dark")
    camera.wait_for("return document.querySelectorAll('[data-section=\"Trade-offs\"] svg text').length > 5")
    return camera.take(camera.box_of('[data-section="Safety axes"]', '[data-section="Trade-offs"]', margin=10.0))


def first_page(camera: Camera, links: Mapping[str, str]) -> bytes:
    """What `dreamgrid ui` opens first."""
    camera.open(links["grids of this storage"], width=1100)
    camera.wait_for("return document.querySelectorAll('table').length > 0")
    height = camera.window.execute_script("return Math.min(900, document.documentElement.scrollHeight)")
    return camera.take((0.0, 0.0, 1100.0, float(height)))


def mlflow_view(tab: str = "") -> Callable[[Camera, Mapping[str, str]], bytes]:
    """Return what takes a picture of a sweep in MLflow: its runs by row, or another tab of its experiment."""

    def take(camera: Camera, links: Mapping[str, str]) -> bytes:
        address = links["by row"]
        shown = f"{address.partition('/runs')[0]}/{tab}?workflowType=machine_learning" if tab else address
        camera.open(shown, width=1400, height=800)
        camera.wait_for("return document.body.innerText.includes('PixMix')")
        camera.window.execute_script(_CLOSE_ASSISTANT)
        camera.window.execute_async_script("setTimeout(arguments[0], 15000)")  # charts fade in
        return camera.take((0.0, 0.0, 1400.0, 800.0))

    return take


def terminal(camera: Camera, resolved: ResolvedSweep, store: FileStore) -> bytes:
    """The grid as a terminal draws it."""
    drawn = io.StringIO()
    os.environ |= {"COLUMNS": str(TERMINAL_COLUMNS), "FORCE_COLOR": "1"}
    text = render_all(sweep_tables(resolved, recorded(resolved.cells, store)), "terminal")
    console = Console(record=True, width=TERMINAL_COLUMNS, file=drawn, force_terminal=True)
    console.print(Text.assemble(("$ ", "dim"), f"dreamgrid table {resolved.label}"))
    console.print(Text.from_ansi(text.rstrip()))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "terminal.html"
        page.write_text(console.export_html(inline_styles=True, code_format=_PAGE), encoding="utf-8")
        camera.open(page.as_uri(), width=1400)
        return camera.take(camera.box_of("pre", "pre"))


@contextmanager
def ui(storage: str, port: int) -> Iterator[dict[str, str]]:
    """Run `dreamgrid ui` while the block runs; lend its links, those of the last sweep without the sweep's name."""
    command = [sys.executable, "-m", "dreamgrid", "ui", "--storage", storage, "--port", str(port)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        assert running.stderr is not None
        links: dict[str, str] = {}
        # On stderr follows that it is ready; all links are printed before.
        next(iter(running.stderr), "")
        os.set_blocking(running.stdout.fileno(), False)
        for line in running.stdout.read().splitlines():
            text, _, link = line.strip().partition(": ")
            links.setdefault(text if link else "grids of this storage", link or text)
        yield links
    finally:
        running.terminate()
        running.wait(timeout=60.0)


def write(name: str, png: bytes, folder: Path) -> None:
    """Write a picture with a small palette.

    Raises:
        SystemExit: If it is still larger than `LARGEST`.
    """
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    path = folder / f"{name}.png"
    image.save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}: {image.width} x {image.height}, {size / 1000:.0f} kB")
    if size > LARGEST:
        raise SystemExit(
            f"an image must have at most {LARGEST / 1000:.0f} kB, but {path} has more; show less of the page"
        )


REPORTS: Final[Mapping[str, Callable[[Camera, Path], bytes]]] = {"report": report_top, "report-dark": report_dark}
PAGES: Final[Mapping[str, Callable[[Camera, Mapping[str, str]], bytes]]] = {
    "grids": first_page,
    "mlflow-compare": mlflow_view(),
    "mlflow-models": mlflow_view("models"),
}


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweep", nargs="?", default="demo")
    parser.add_argument("--storage")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--only", nargs="+", default=[*REPORTS, *PAGES, "terminal"])
    parser.add_argument("--output", type=Path, default=Path("docs/pictures"))
    given = parser.parse_args()
    settings = read_settings(storage=given.storage)
    store = open_existing_store(settings.storage)
    catalogue = builtin_catalogue(settings.data_root)
    resolved = load_sweep(given.sweep, size="full", overrides=Overrides(), catalogue=catalogue)
    camera = Camera()
    try:
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "report.html"
            page.write_text(report_page(resolved, store, recorded(resolved.cells, store)), encoding="utf-8")
            for name in REPORTS.keys() & set(given.only):
                write(name, REPORTS[name](camera, page), given.output)
        if "terminal" in given.only:
            write("terminal", terminal(camera, resolved, store), given.output)
        if wanted := PAGES.keys() & set(given.only):
            with ui(settings.storage, given.port) as links:
                for name in wanted:
                    write(name, PAGES[name](camera, links), given.output)
    finally:
        camera.window.quit()


if __name__ == "__main__":
    main()
