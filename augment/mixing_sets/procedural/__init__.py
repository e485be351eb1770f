"""Mixing sets that are rendered from numbers, one file or folder each, and the kernels that they share."""
