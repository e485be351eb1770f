"""Fractals: escape-time sets and flames."""
