"""In which precision a recorded number was evaluated, and what keys that do not say it stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.inference.precision import DEFAULT_PRECISION, EvaluationPrecision
from eval.report import PRECISION_NOTE


def unnamed_precision(trained_in: str) -> EvaluationPrecision:
    """Return the precision that keys and records without one stand for: they are older than the choice.

    Networks that were trained in bf16 were evaluated in it then, and all others in fp32.

    Args:
        trained_in: Precision of the recipe, or "" where nothing was trained.
    """
    return "bf16" if trained_in == "bf16" else DEFAULT_PRECISION


def evaluated_in(notes: Mapping[str, Any], config: Mapping[str, Any]) -> EvaluationPrecision:
    """Return in which precision a network was evaluated.

    Args:
        notes: Of a recorded outcome.
        config: The recorded configuration of its cell.
    """
    recipe = config.get("recipe")
    trained_in = str(recipe.get("precision", "")) if isinstance(recipe, Mapping) else ""
    noted: EvaluationPrecision | None = notes.get(PRECISION_NOTE)
    return noted or unnamed_precision(trained_in)
