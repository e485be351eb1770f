"""The estimate of a sweep's cost, and what it came to."""
