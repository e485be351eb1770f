"""Weights of other trainers: which tensors of a file are the network's, and how its images were normalised."""
