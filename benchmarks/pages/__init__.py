"""The generated pages of the reference: `python -m benchmarks.pages` writes them all to docs/reference/."""
