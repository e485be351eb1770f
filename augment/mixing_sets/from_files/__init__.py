"""Mixing sets that are read from disk."""
