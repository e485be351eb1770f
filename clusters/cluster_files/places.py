"""Places of a cluster file that its owner still has to fill in: `<what belongs there>` in a value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import yaml

from clusters.cluster_files.contract import Finding

# Letters close to both brackets: a shell's `< file` and `2>&1` are no places, and neither is a heredoc.
_PLACE: Final = re.compile(r"(?<![$<])<[a-zA-Z](?:[^<>\n]*[\w)])?>")


def unfilled(nodes: list[yaml.Node]) -> Iterator[Finding]:
    """Return a finding for each place in the values of documents; comments do not count."""
    for number, text in dict.fromkeys(line for node in nodes for line in _lines(node)):
        yield from unfilled_in(text, number)


def unfilled_in(text: str, line: int) -> Iterator[Finding]:
    """Return a finding for each place in one line of text."""
    for place in _PLACE.findall(text):
        yield Finding(
            line=line,
            rule="every place must be filled in",
            value=f"{place} is not",
            fix="write your own value in its place",
        )


def _lines(node: yaml.Node) -> Iterator[tuple[int, str]]:
    """Return the line of each scalar and its text; one that an alias repeats is on the line of its anchor."""
    if isinstance(node, yaml.ScalarNode):
        first = node.start_mark.line + 1
        # In literal style the text begins on the next line and keeps its lines; other styles fold them.
        if node.style == "|":
            yield from enumerate(node.value.splitlines(), first + 1)
        else:
            yield first, node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _lines(key)
            yield from _lines(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _lines(value)
