"""Screening: early-stopped search over the cells of a sweep, apart from its table.

A screened training holds images out of the training split and may be stopped early; it has its own keys, its checkpoints are
disposable, and nothing of it is recorded as a result. What comes of it is an order of cells to spend full runs on.
"""
