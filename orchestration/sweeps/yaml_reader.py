"""Reading YAML safely: plain values and the line of each, within stated limits.

Only what JSON can say is accepted, with YAML 1.2's idea of a number (`1e-4` is one) and of a boolean (`no` and `on` are words).
Left to others: what the values mean (`orchestration.sweeps.schema`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from augment.lookup.parameters import first_line
from orchestration.errors import InputError, Mistake

MAX_FILE_BYTES = 1_000_000
MAX_NODES = 50_000
MAX_DEPTH = 24

Path = tuple[str | int, ...]

_NULL = re.compile(r"^(?:~|null|)$")
_BOOL = re.compile(r"^(?:true|false)$")
# 18 digits at most: every such number fits into 64 bits.
_INT = re.compile(r"^[-+]?[0-9]{1,18}$")
_FLOAT = re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its values, the line (from 1) of the value at each path, and the text itself."""

    value: Any
    lines: Mapping[Path, int]
    text: str = ""

    def line(self, path: Path) -> int | None:
        """Return the line of a path, or of its nearest enclosing value."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.lines:
                return self.lines[path[:end]]
        return None


def mistake_in(document: Document, path: Path, text: str) -> Mistake:
    """Return a mistake with its place and line in a file, or with the option that brought it (its path begins with "--")."""
    where = ".".join(str(part) for part in path)
    line = document.line(path) if document.lines and not where.startswith("--") else None
    return Mistake(where=where, text=text, line=line)


def read_yaml(text: str, *, subject: str) -> Document:
    """Parse YAML into plain values with their lines.

    Raises:
        InputError: If the text is not one YAML document of plain values within the limits of this module.
    """
    document, mistakes = parse_yaml(text, subject=subject)
    if mistakes:
        raise InputError(subject, mistakes)
    return document


def parse_yaml(text: str, *, subject: str) -> tuple[Document, list[Mistake]]:
    """Parse YAML into plain values with their lines, and return the mistakes with what could be read.

    Raises:
        InputError: If the text is not one YAML document within the limits of this module.
    """
    if len(text.encode("utf-8", errors="replace")) > MAX_FILE_BYTES:
        raise _refusal(subject, f"a sweep file has at most {MAX_FILE_BYTES} bytes; split it into several sweeps")
    # Only composed, never constructed: PyYAML follows YAML 1.1, where `no` is false and `1e-4` a word.
    loader_class = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_depth(text, loader_class, subject)
        root = yaml.compose(text, Loader=loader_class)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise _refusal(
            subject, f"not readable as YAML: {_in_words(error.problem or error.context or '')}", line
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise _refusal(subject, f"not readable as YAML: {_in_words(first_line(error))}") from error
    if root is None:
        raise _refusal(subject, "the file is empty; a sweep needs at least `name`, `title`, `base`, `axes` and `table`")
    builder = _Builder(subject)
    value = builder.build(root, ())
    return Document(value, builder.lines, text), builder.mistakes


def _check_depth(text: str, loader_class: Any, subject: str) -> None:
    """Refuse what is nested too deep before it is composed: the C library composes by recursion, until its stack ends.

    Raises:
        InputError: If it is; with its line.
    """
    depth = 0
    for event in yaml.parse(text, Loader=loader_class):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH + 1:
            raise _too_deep(subject, event.start_mark.line + 1 if event.start_mark else None)


def _too_deep(subject: str, line: int | None) -> InputError:
    text = f"values may be nested {MAX_DEPTH} deep at most; an alias may not contain itself"
    return _refusal(subject, text, line)


def read_scalar(text: str) -> Any:
    """Return the value of one `--set` text: a number, true, false, null, a word, or a list or mapping in YAML's flow form.

    Raises:
        InputError: If the text is not readable.
    """
    return read_yaml(text, subject=f"value {text!r}").value if text.strip() else ""


_PROBLEMS = {
    "mapping values are not allowed": "a second ': ' on a line, or a line indented too far; put texts with ': ' in quotes",
    "expected ',' or": "a list [ ] or mapping { } is not closed, or a ',' is missing in it",
    "cannot start any token": "a character that no value may begin with (a tab, @, ` or %); put texts in quotes",
    "tab character": "a tab where a line is indented; indent with spaces",
    "could not find expected ':'": "a line without ':' where a key is expected",
    "expected <block end>": "a line whose indentation differs from its neighbours",
    "did not find expected key": "a line whose indentation differs from its neighbours, or a quote inside a text in quotes",
    "did not find expected '-' indicator": "a line without '- ' in a list",
    "undefined alias": "an alias (*name) that no anchor (&name) comes before",
    "duplicate anchor": "two anchors (&name) of one name",
    "unknown escape": "a backslash in double quotes that begins no known escape; use single quotes",
    "end of stream": "a quote or bracket that is not closed",
    "expected a single document": "more than one document; leave out what follows '---'",
    "but found another document": "more than one document; leave out what follows '---'",
    "control characters are not allowed": "a control character",
    "special characters are not allowed": "a control character",
    "invalid": "a character that is not valid there",
}
"""Part of the parser's text -> what a person should look for."""


def _in_words(problem: str) -> str:
    return next((text for part, text in _PROBLEMS.items() if part in problem), "something that is not YAML")


class _Builder:
    """Turns YAML nodes into plain values; counts every node, so that aliases cannot multiply without end."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.lines: dict[Path, int] = {}
        self.mistakes: list[Mistake] = []
        self._count = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._count += 1
        line = node.start_mark.line + 1
        if self._count > MAX_NODES:
            raise _refusal(self.subject, f"a sweep file has at most {MAX_NODES} values, aliases expanded", line)
        if len(path) > MAX_DEPTH:
            raise _too_deep(self.subject, line)
        self.lines[path] = line
        if node.tag not in _PLAIN_TAGS:
            self._note(path, node, f"tag '{node.tag}' is not allowed; write a number, a word, a list or a mapping")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        text = str(node.value)
        # What is quoted is text, also where it looks like a number.
        return text if getattr(node, "style", None) in ("'", '"', "|", ">") else plain_scalar(text)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            # PyYAML merges `<<` when it constructs values, which is not done here.
            if key is None or key == "<<":
                self._note(path, key_node, "keys must be plain words; write what is shared under `base`")
            elif key in values:
                self._note((*path, key), key_node, f"key '{key}' is given twice; keep one")
            else:
                values[key] = self.build(value_node, (*path, key))
        return values

    def _note(self, path: Path, node: yaml.Node, text: str) -> None:
        where = ".".join(str(part) for part in path)
        self.mistakes.append(Mistake(where=where, text=text, line=node.start_mark.line + 1))


_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "value")
)


def plain_scalar(text: str) -> Any:
    """Return what a plain (unquoted) scalar means: null, a boolean, a number, or the word itself."""
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text == "true"
    if _INT.match(text):
        return int(text)
    # 1e999 would be infinite, which JSON cannot say: it stays a word, and its type is refused.
    if _FLOAT.match(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _refusal(subject: str, text: str, line: int | None = None) -> InputError:
    return InputError(subject, [Mistake(where="", text=text, line=line)])
