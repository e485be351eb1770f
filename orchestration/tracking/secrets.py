"""Keeps secrets out of what is shown: user information in addresses, tokens, keys, and what the environment calls secret."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

HIDDEN: Final = "***"
_NAME: Final = re.compile(
    r"(secret|token|passw|credential|api_?key|access_?key|private_?key|authorization)", re.IGNORECASE
)
_USER_INFO: Final = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY: Final = re.compile(
    r"([?&][^=&\s]*(?:signature|token|secret|password|credential|key)[^=&\s]*=)[^&\s]+", re.IGNORECASE
)
_SHORTEST: Final = 6


def is_secret_name(name: str) -> bool:
    """Whether a variable or field of this name holds a secret."""
    return bool(_NAME.search(name))


def scrubbed(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a text without secrets: user information of addresses, signed queries, values of secret environment variables."""
    variables = os.environ if environment is None else environment
    for name, value in variables.items():
        if len(value) >= _SHORTEST and is_secret_name(name) and value in text:
            text = text.replace(value, HIDDEN)
    return _QUERY.sub(rf"\g<1>{HIDDEN}", _USER_INFO.sub(f"{HIDDEN}@", text))


def without_secrets(value: object) -> object:
    """Return plain values with secret fields hidden and every text scrubbed."""
    if isinstance(value, Mapping):
        return {str(k): HIDDEN if is_secret_name(str(k)) else without_secrets(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(inner) for inner in value]
    return scrubbed(value) if isinstance(value, str) else value
