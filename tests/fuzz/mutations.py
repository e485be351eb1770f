"""Small changes of sound inputs: bytes flipped, cut, doubled; leaves of a tree replaced, dropped, moved."""

from __future__ import annotations

import copy
from typing import Any, Final

from hypothesis import strategies as st

_LEAVES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.sampled_from([0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400]),
    st.sampled_from([0.0, -0.0, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"), 0.5]),
    st.text(max_size=8),
    st.sampled_from(["", " ", "~", "null", "a\x00b", "../..", "%s{}", "=1+1", "1e400", "x" * 3000, "\ud7ff", "１２"]),
)
ODD_VALUES: Final = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
"""Plain values of every type, odd ones among them."""
WORST_BYTES: Final = (
    b"\x00",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"{",
    b"\n",
    b"\xc3\x28",
)


@st.composite
def mutated_bytes(draw: Any, data: bytes, most: int = 4) -> bytes:
    """Bytes with up to so many changes."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        how = draw(st.sampled_from(["flip", "cut", "drop", "insert", "double", "worst"]))
        if how == "flip" and changed:
            changed[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del changed[at:]
        elif how == "drop":
            del changed[at : at + draw(st.integers(1, 64))]
        elif how == "insert":
            changed[at:at] = draw(st.binary(max_size=16))
        elif how == "double":
            changed[at:at] = changed[at : at + draw(st.integers(1, 256))]
        else:
            put = draw(st.sampled_from(WORST_BYTES))
            changed[at : at + len(put)] = put
    return bytes(changed)


@st.composite
def mutated_tree(draw: Any, tree: Any, most: int = 3) -> Any:
    """A tree of dicts and lists with up to so many leaves or branches changed."""
    found = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, most))):
        found = _changed(draw, found)
    return found


def _changed(draw: Any, tree: Any) -> Any:
    places = list(_places(tree))
    if not places:
        return draw(ODD_VALUES)
    holder, key = draw(st.sampled_from(places))
    how = draw(st.sampled_from(["replace", "replace", "drop", "rename", "nest", "copy"]))
    if how == "drop":
        del holder[key]
    elif how == "rename" and isinstance(holder, dict):
        holder[draw(st.one_of(st.text(max_size=8), st.integers(0, 9), st.none()))] = holder.pop(key)
    elif how == "nest":
        holder[key] = draw(st.sampled_from([[holder[key]], {"x": holder[key]}, [[]], {}]))
    elif how == "copy":
        other, its = draw(st.sampled_from(places))
        holder[key] = copy.deepcopy(other.get(its) if isinstance(other, dict) else other[its : its + 1])
    else:
        holder[key] = draw(ODD_VALUES)
    return tree


def _places(tree: Any) -> Any:
    """Yield each container with each of its keys."""
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(inside):
        yield tree, key
        yield from _places(value)
