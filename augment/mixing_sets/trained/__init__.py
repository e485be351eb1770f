"""Mixing sets that are made from trained networks."""
