"""The YAML documents of a cluster file: their nodes, which know lines, and their values, within stated limits.

Keys of mappings become texts, whatever YAML takes them for, and so do whole numbers beyond 64 bits: no rule has a use for either.
A rule asks for what it reads by `mapping` and `listed`, so that a value of another type, which the schemas report where there
is one, is read as an empty one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from clusters.errors import ManifestError

MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 64
_LARGEST: Final = 2**63

_UNREADABLE: Final = (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError)
"""What PyYAML raises of text that is no YAML, and of values that are not what their tag says: of "!!timestamp x", the last."""


def read_documents(text: str, path: Path) -> list[tuple[yaml.Node, Any]]:
    """Return the documents of a text that are not empty, each as its node and its value.

    Raises:
        ManifestError: If it is no YAML, or beyond the limits of this module.
    """
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
        for node in nodes:
            _count(node, path)
        values = list(yaml.safe_load_all(text))
    except RecursionError as error:
        raise _too_deep(path) from error
    except _UNREADABLE as error:
        raise ManifestError(f"a cluster file must be YAML, but {path} is not: {error}") from error
    return [(node, _plain(value)) for node, value in zip(nodes, values, strict=True) if value is not None]


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a value that is a mapping; an empty one for others."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """Return a value that is a list; an empty one for others."""
    return value if isinstance(value, list) else []


def shortened(text: str, most: int = 300) -> str:
    """Return a text that may contain a whole document, with its middle left out."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"


def _count(root: yaml.Node, path: Path) -> None:
    """Refuse a document that is too large or too deep with its aliases expanded, as the rules walk it."""
    seen, waiting = 0, [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH:
            raise _too_deep(path)
        if seen > MAX_NODES:
            raise ManifestError(
                f"a cluster file has at most {MAX_NODES} values with its aliases expanded, but {path} has more; split it"
            )
        waiting += [(child, depth + 1) for child in _children(node)]


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        yield from (part for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _too_deep(path: Path) -> ManifestError:
    return ManifestError(
        f"values of a cluster file may be nested {MAX_DEPTH} deep at most, and an alias may not contain itself, but {path} "
        "is deeper; write it flatter"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    # Not in decimal digits: Python refuses to write that many.
    return hex(value) if isinstance(value, int) and not -_LARGEST <= value < _LARGEST else value
