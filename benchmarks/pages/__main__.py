"""Write all generated pages of the reference: `python -m benchmarks.pages`."""

from __future__ import annotations

from benchmarks.pages.registry import FOLDER, PAGES

for name, document in PAGES.items():
    (FOLDER / name).write_text(document(), encoding="utf-8")
