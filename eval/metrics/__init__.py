"""Metrics: pure functions of arrays, one safety axis a file; what they mean is listed in `registry`."""
