"""What several benchmarks share: calibration, corrupted sets, published files, baseline networks, checks of parameters."""
