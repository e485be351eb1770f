"""Measurements: `python -m benchmarks.NAME`, with options `--quick`, `--reference DIR`, `--json`."""
