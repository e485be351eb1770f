"""Exceptions of `trainers` (one training job).

Every message says the rule, the value and the way out.

    Exception
      TrainingError
"""


class TrainingError(Exception):
    """Base of every error that `trainers` raises for its users."""
