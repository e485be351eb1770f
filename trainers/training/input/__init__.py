"""The input path of a training: what it reads, in which order, and how batches reach the loop."""
