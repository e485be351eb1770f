"""What to run, in which order, and what came of it."""
