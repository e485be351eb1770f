"""The command line: `dreamgrid VERB` (also `python -m dreamgrid`, `python -m orchestration.cli`).

Importing it imports no torch, Ray, MLflow, pandas, SciPy, Numba or NumPy; verbs import what they need when they run.
"""

from orchestration.cli.main import main

__all__ = ["main"]
