"""Counting the operations of a network that has no formula: it is built on torch's meta device, which computes shapes only.

Counts are remembered in a file of the cache folder, so that a plan loads torch for a network once per machine and not again.
"""

from __future__ import annotations

import json
import logging
from typing import Final

from augment.files.content import cache_folder
from augment.files.kept import DamagedFileError, keep, kept_facts
from augment.heavy import torch
from trainers.models.contract import ModelInput, ModelSpec

logger = logging.getLogger(__name__)
FILE: Final = "operations.json"

Size = tuple[float, float]
"""Multiply-adds of one forward pass of one image, and number of parameters."""

_COUNTED: Final[dict[str, Size | None]] = {}


def counted(spec: ModelSpec, given: ModelInput) -> Size | None:
    """Return the multiply-adds of one forward pass of one image and the number of parameters, or None where building it fails.

    Args:
        spec: The model; it is built with its default options.
        given: Size and channels of the image, classes of the last layer.
    """
    source = None if spec.code is None else dict(spec.code)
    facts = [spec.name, spec.semantics, source, given.image_size, given.num_channels, given.num_classes]
    key = json.dumps(facts, sort_keys=True)
    if key not in _COUNTED:
        kept = _kept()
        _COUNTED[key] = kept[key] if key in kept else _count(spec, given)
        if key not in kept and _COUNTED[key] is not None:
            _keep({**kept, key: _COUNTED[key]})
    return _COUNTED[key]


def _count(spec: ModelSpec, given: ModelInput) -> Size | None:
    try:
        from torch.utils.flop_counter import FlopCounterMode  # a sub-module that torch itself does not import

        network = _on_meta(spec, given)
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, given.num_channels, given.image_size, given.image_size))
    except Exception as error:  # a plug-in's code may fail in any way, and an unknown cost must not stop a plan
        logger.warning("the operations of model %r are unknown: it cannot be counted: %s", spec.name, error)
        return None
    return counter.get_total_flops() / 2, float(sum(each.numel() for each in network.parameters()))


def _on_meta(spec: ModelSpec, given: ModelInput) -> torch.nn.Module:
    """Build a network without values; gradients stay on, since without them attention runs fused and is not counted."""
    params = spec.resolve({})
    try:
        with torch.device("meta"):
            return spec.build(params, given).eval()
    except RuntimeError:  # it computes its widths with tensors, as torchvision's RegNets do
        with torch.random.fork_rng(devices=[]):
            return spec.build(params, given).to("meta").eval()


def _kept() -> dict[str, Size]:
    try:
        return {key: (float(value[0]), float(value[1])) for key, value in kept_facts(cache_folder() / FILE).items()}
    except (OSError, DamagedFileError):
        return {}


def _keep(counts: dict[str, Size | None]) -> None:
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        keep(cache_folder() / FILE, {}, counts)
    except OSError as error:  # a cache that cannot be written to costs the next process the same time
        logger.info("counts of operations are not kept: %s", error)
