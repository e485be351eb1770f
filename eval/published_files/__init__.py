"""Readers of the published benchmark files, which refuse what is truncated, out of order or mislabelled."""
