"""Method cards: what a method does, where it acts, its hyper-parameters per dataset, its source and its liberties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from augment.methods import METHODS, Method

STAGE_TEXTS: Final[Mapping[str, str]] = {
    "sample": "pictures, on the host",
    "batch": "batches, on the device",
    "loss": "the loss",
    "extra": "a second stream of pictures",
}


def card_for(method: Method) -> str:
    """Return the card of a single method as Markdown."""
    acts = [text for stage, text in STAGE_TEXTS.items() if stage in method.stages]
    config = method.config()
    lines = [
        f"### {method.title} (`{method.name}`)",
        "",
        method.what,
        "",
        f"- acts on: {', '.join(acts) or 'nothing'}",
    ]
    given = [f"{item.name} = {_value(getattr(config, item.name))}" for item in fields(config)]
    lines.append(f"- hyper-parameters: {', '.join(given) or 'none'}")
    for dataset, changes in method.defaults.items():
        lines.append(f"- on {dataset}: {_changes(changes)}")
    for dataset, changes in method.recipe.items():
        where = "any dataset" if dataset == "*" else dataset
        lines.append(f"- recipe on {where}: {_changes(changes)}")
    if method.starts_from:
        lines.append(f"- starts from: the trained network of `{method.starts_from}`")
    needs = [name for name, is_needed in _needs(method).items() if is_needed]
    if needs:
        lines.append(f"- needs: {', '.join(needs)}")
    lines.append(f"- source: {method.source}")
    if method.note:
        lines.append(f"- note: {method.note}")
    return "\n".join(lines) + "\n"


def all_cards() -> str:
    """Return the cards of all built-in methods as one Markdown text."""
    return "\n".join(card_for(method) for method in METHODS.values())


def _needs(method: Method) -> dict[str, bool]:
    return {"a mixing set": method.needs_mixing_set, "an outlier stream": method.needs_outliers}


def _changes(changes: Mapping[str, object]) -> str:
    return ", ".join(f"{key} = {_value(value)}" for key, value in changes.items())


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
