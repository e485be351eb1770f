"""Cells and their keys."""
