"""What is wrong with a value of a file, in our own words: the rule, the value, the fix. No text of the checking library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from augment.lookup.parameters import did_you_mean

PATTERNS: Final[Mapping[str, str]] = {
    r"^[a-z0-9][a-z0-9-]{0,63}$": "lower-case letters, digits and hyphens, at most 64, beginning with a letter or digit",
    r"^[a-z0-9-]+/[a-z0-9-]+(/[^\s/](.*\S)?)?$": "written <benchmark>/<metric> or <benchmark>/<metric>/<detail>",
}
"""Pattern -> its meaning."""

_KINDS: Final[Mapping[str, str]] = {
    "string": "a text",
    "int": "a whole number",
    "float": "a valid number",
    "finite": "a finite number",
    "bool": "true or false",
    "dict": "a mapping (key: value)",
    "model": "a mapping (key: value)",
    "dataclass": "a mapping (key: value)",
    "tuple": "a list",
    "list": "a list",
    "none": "null",
}
"""First word of an error's type -> what the value must be."""


def broken_rule(error: Mapping[str, Any]) -> str:
    """Return what a value must be ("a whole number", "at least 1"), from an error of the checking library."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    match kind:
        case "greater_than_equal":
            return f"at least {context['ge']}"
        case "greater_than":
            return f"above {context['gt']}"
        case "less_than_equal":
            return f"at most {context['le']}"
        case "less_than":
            return f"below {context['lt']}"
        case "string_too_short":
            return "non-empty text"
        case "string_too_long":
            return f"a text of at most {context['max_length']} characters"
        case "string_pattern_mismatch":
            return PATTERNS.get(context["pattern"], f"a text of the form {context['pattern']}")
        case "too_short":
            return "a list with at least one value" if context["min_length"] == 1 else f"{context['min_length']} values"
        case "too_long":
            return f"a list of at most {context['max_length']} values"
        case "literal_error" | "enum":
            return f"one of {context['expected']}"
        case "value_error":
            return str(context.get("error", "another value"))
    return _KINDS.get(kind.split("_", 1)[0], "another value")


def shown_value(value: Any) -> str:
    """Return a value as a file has it, cut short."""
    if value is None:
        return "nothing"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def value_mistake(name: str, error: Mapping[str, Any]) -> str:
    """Return the text of a mistake in the value of a key: the rule, the value, and the fix where there is a plain one."""
    value, rule = error.get("input"), broken_rule(error)
    if error["type"] == "literal_error":
        choices = [choice.strip("'") for choice in rule.removeprefix("one of ").replace(" or ", ", ").split(", ")]
        return f"{name} must be {rule}, but got {shown_value(value)}{did_you_mean(str(value), choices)}"
    return f"{name} must be {rule}, but got {shown_value(value)}{_fix(rule, value)}"


def _fix(rule: str, value: Any) -> str:
    if rule == "a text" and isinstance(value, int | float | bool):
        return "; put it in quotes"
    if rule == "a list" and isinstance(value, str | int | float):
        return f"; write [{value}]"
    if rule.startswith("a mapping") and value is None:
        return "; write {} for none"
    return ""
