"""Seeds of torch's generators, derived from what they belong to; nothing else seeds them."""

from __future__ import annotations

import hashlib


def torch_seed(*parts: int | str) -> int:
    """Return a 63-bit seed that is a function of the parts alone (seed, step, shard, or a purpose in words)."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
