"""The image of `dreamgrid watch` in the guide: the screen of a sweep as it is now, drawn by Textual itself.

python -m benchmarks.watch_image demo --smoke --storage DIR -o docs/pictures/watch.svg    # while `dreamgrid run` is at work
"""

from __future__ import annotations

import argparse
import asyncio
import re
from pathlib import Path

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.planning.costs.machines import read_machine
from orchestration.runs.watching.looks import Looks
from orchestration.runs.watching.screen import WatchApp
from orchestration.settings import read_settings
from orchestration.store.open import open_existing_store
from orchestration.sweeps.overrides import parse_overrides


def image(app: WatchApp, *, columns: int, rows: int) -> str:
    """Return the screen in a terminal of a size, as SVG."""

    async def draw() -> str:
        async with app.run_test(size=(columns, rows)) as pilot:
            await pilot.pause()
            return app.export_screenshot(title=f"dreamgrid watch {app.shown.label}", simplify=True)

    # Without the fonts that Rich would have a browser fetch: pages show the image with the reader's own.
    return re.sub(r"@font-face \{.*?\}\n", "", asyncio.run(draw()), flags=re.DOTALL)


def main() -> None:
    """Draw the screen of a sweep into a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweep")
    parser.add_argument("--smoke", action="store_true", help="the smoke size")
    parser.add_argument("--seeds", help="other seeds: 0-2")
    parser.add_argument("--storage", help="folder or s3:// prefix of results")
    parser.add_argument("--size", default="104x34", help="columns and rows of the terminal")
    parser.add_argument("-o", "--output", type=Path, required=True, help="SVG file")
    given = parser.parse_args()
    settings = read_settings(storage=given.storage)
    resolved = load_sweep(
        given.sweep,
        size="smoke" if given.smoke else "full",
        overrides=parse_overrides((), seeds=given.seeds),
        catalogue=builtin_catalogue(settings.data_root),
    )
    store = open_existing_store(settings.storage)
    looks = Looks(resolved, store, machine=read_machine(), on_damage=lambda error: print(error))
    columns, rows = map(int, given.size.split("x"))
    given.output.write_text(image(WatchApp(looks, looks.look()), columns=columns, rows=rows), encoding="utf-8")


if __name__ == "__main__":
    main()
