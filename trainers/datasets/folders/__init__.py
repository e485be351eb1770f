"""Datasets from folders of images."""
