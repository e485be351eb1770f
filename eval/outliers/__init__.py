"""Outlier images and how they are generated."""
