"""Compiled kernels over whole batches, and what they share."""
