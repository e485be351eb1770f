"""What the commands that fetch things by name have in common: each is told as it arrives, and the first failure ends them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from trainers.errors import TrainingError


def fetch_each(names: Sequence[str], fetch: Callable[[str], str]) -> int:
    """Fetch one name after the other, telling on stderr what came of it.

    Args:
        names: What to fetch.
        fetch: Fetches one and returns where it is.

    Returns:
        The exit code: 0, or at the first failure 2 for bad input and 3 for anything else.
    """
    for name in names:
        try:
            where = fetch(name)
        except TrainingError as error:
            sys.stderr.write(f"{error}\n")
            return 2 if isinstance(error, ValueError) else 3
        sys.stderr.write(f"{name}: complete and checked {where}\n")
    return 0
