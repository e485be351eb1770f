"""One training job on N workers, and the evaluation of its checkpoint."""
