"""Groups of workers that take one cell after another."""
