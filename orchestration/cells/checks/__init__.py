"""Checks of cells and columns at plan time."""
