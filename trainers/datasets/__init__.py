"""Datasets: what they are (light) and how they are read (checked, as uint8 arrays)."""
