"""What generated benchmarks take on disk: which are kept in the cache of a node, and which are made again in each evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import benchmark_for
from orchestration.cells.cell import PlannedCell
from orchestration.planning.costs.operations import passes_of
from orchestration.settings import GENERATED_VARIABLE, GIB
from trainers.datasets.contract import DatasetSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedImages:
    """The generated images of one benchmark on one dataset.

    Attributes:
        num_bytes: All of them, uncompressed.
        is_kept: Whether they are kept in an empty cache, in the order in which they are asked for.
    """

    benchmark: str
    dataset: str
    num_bytes: int
    is_kept: bool


def generated_images(
    cells: Iterable[PlannedCell], dataset_of: Callable[[str], DatasetSpec], budget: float
) -> tuple[GeneratedImages, ...]:
    """Return what the missing benchmarks of some cells generate whole, each once.

    Args:
        budget: Bytes that generated images may take on a node.
    """
    found: dict[str, GeneratedImages] = {}
    left = budget
    for cell in cells:
        for request in cell.missing:
            name = f"{request.name} of {cell.config.dataset}: {request.key}"
            if name in found or not benchmark_for(request.name).keeps_images:
                continue
            dataset = dataset_of(cell.config.dataset)
            size = _num_bytes(request, dataset)
            if size:
                is_kept = size <= left
                left -= size if is_kept else 0
                found[name] = GeneratedImages(
                    benchmark=request.name, dataset=dataset.name, num_bytes=size, is_kept=is_kept
                )
    return tuple(found.values())


def generated_lines(found: Iterable[GeneratedImages], budget: float) -> list[str]:
    """Return what of some generated images is kept, and what is not, a line each."""
    kept = [each for each in found if each.is_kept]
    rest = [each for each in found if not each.is_kept]
    of = f"of {budget / GIB:g} GiB ({GENERATED_VARIABLE})"
    lines = (
        [f"generated images: {_size(sum(each.num_bytes for each in kept))} are kept on each node, {of}"] if kept else []
    )
    lines += [
        f"generated images: {each.benchmark} of {each.dataset} has {_size(each.num_bytes)}, more than what is left {of}: made "
        "again in each evaluation, ahead of the device"
        for each in rest
    ]
    return lines


def generated_document(found: Iterable[GeneratedImages]) -> list[dict[str, Any]]:
    """Return generated images as plain values."""
    return [
        {"benchmark": each.benchmark, "dataset": each.dataset, "bytes": each.num_bytes, "kept": each.is_kept}
        for each in found
    ]


def _num_bytes(request: BenchmarkRequest, dataset: DatasetSpec) -> int:
    """Return the bytes of a benchmark's images, or 0 where it uses a part of the test images, which is never kept."""
    limit = request.params.get("max_images")
    if isinstance(limit, int) and limit < dataset.num_test:
        return 0
    return passes_of(request, dataset).forward * dataset.image_size**2 * dataset.num_channels


def _size(num_bytes: float) -> str:
    return f"{num_bytes / GIB:.3g} GiB" if num_bytes >= GIB else f"{num_bytes / 2**20:.3g} MiB"
