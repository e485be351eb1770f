"""Seeds of torch's generators, derived from what they belong to; nothing else seeds them."""

from __future__ import annotations

import hashlib

from augment.heavy import torch


def torch_seed(*parts: int | str) -> int:
    """Return a 63-bit seed that is a function of the parts alone (seed, step, shard, or a purpose in words)."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed the CPU's generator and, on a GPU, that of the current device.

    `torch.manual_seed` does the same, but formats a stack trace at every call in a process that has not touched its GPUs.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
