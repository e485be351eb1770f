"""One evaluation in this process, without Ray and without a record: which benchmarks are chosen, and a network run on them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from augment.networks.modes import evaluating
from eval.benchmarks.contract import BenchmarkRequest
from eval.inference.precision import DEFAULT_PRECISION, EvaluationPrecision, check_precision
from orchestration.evaluation.checkpoints import LoadedNetwork, evaluate_network, weights_sha256
from orchestration.evaluation.evaluate import Evaluation, estimated_passes, make_requests, select_axes, suite_of
from orchestration.planning.missing_data import refuse_where_none_can_run
from orchestration.settings import Settings
from trainers.datasets.registry import dataset_for
from trainers.models.normalize import Normalize
from trainers.models.weights.normalisation import Normalisation, parse_normalisation

Benchmarks = Mapping[str, Mapping[str, object]]
"""Benchmark -> parameters that differ from the defaults."""
OnProgress = Callable[[str, int, int], None]
"""(benchmark, images done, images in all)."""


def chosen_benchmarks(
    suite: str | None, benchmarks: Benchmarks | None, axes: Sequence[str], dataset: str, settings: Settings
) -> tuple[Benchmarks, tuple[str, ...]]:
    """Return the benchmarks that are named, else those of a suite ("full" unless named) on some axes (none: all); and notes.

    Raises:
        InputError: If an axis is unknown.
        EvalError: If the suite is unknown.
    """
    if benchmarks is not None:
        return benchmarks, ()
    chosen, notes = suite_of(suite or "full", dataset, settings)
    return (select_axes(chosen, axes) if axes else chosen), notes


def evaluate_in_process(
    network: LoadedNetwork,
    requests: Sequence[BenchmarkRequest],
    *,
    checkpoint: str,
    settings: Settings,
    on_progress: OnProgress,
    architecture: str = "",
    notes: Sequence[str] = (),
    assumed: Mapping[str, Any] | None = None,
    keep_generated: bool = True,
    device: torch.device | None = None,
) -> Evaluation:
    """Run benchmarks on a network and gather what came of it.

    Args:
        checkpoint: What the network is from, for the document.
        notes: What is not as published.
        assumed: What is assumed of foreign weights.
        keep_generated: Whether generated images are kept in the cache.
        device: Where; None for a GPU where there is one.
    """
    reports = evaluate_network(
        network,
        requests,
        settings=settings,
        on_progress=on_progress,
        keep_generated=keep_generated,
        device=device,
    )
    left_out = (f"left out: {line}" for line in dataset_for(network.dataset).left_out)
    return Evaluation(
        checkpoint=checkpoint,
        architecture=architecture,
        network=network,
        reports=reports,
        estimated=estimated_passes(requests, network.dataset, settings.data_root),
        notes=(*notes, *left_out),
        assumed=assumed,
    )


def evaluate_model(
    model: Callable[[Tensor], Tensor],
    *,
    dataset: str,
    suite: str | None,
    benchmarks: Benchmarks | None,
    axes: Sequence[str],
    normalize: object,
    max_images: int | None,
    precision: EvaluationPrecision = DEFAULT_PRECISION,
    settings: Settings,
    on_progress: OnProgress,
) -> Evaluation:
    """Evaluate a network or a function on the device that it is on; its modes are as before afterwards.

    Args:
        model: Images (N, C, H, W) float32 -> logits (N, K).
        normalize: How its images are normalised (`trainers.models.weights.normalisation.parse_normalisation`); None for pixels in
            [0, 1].

    Raises:
        InputError: With every name or parameter that is wrong.
        DataError: If the test images are missing.
        EvalError: If the suite is unknown.
        ValueError: If the precision is unknown, or the normalisation cannot be read.
    """
    check_precision(precision)
    spec = dataset_for(dataset)
    chosen, notes = chosen_benchmarks(suite, benchmarks, axes, dataset, settings)
    limit: dict[str, object] = {} if max_images is None else {"max_images": max_images}
    given = {name: {**params, **limit} for name, params in chosen.items()}
    requests = make_requests(given, dataset=dataset, precision=precision)
    if benchmarks is not None:
        refuse_where_none_can_run(requests, dataset, settings.data_root)
    own = None
    if normalize is not None:
        own = parse_normalisation(normalize, spec.num_channels, source="as `normalize` says")
        notes = (*notes, f"images normalised by {own.values}")
    with _as_network(model, own) as network:
        return evaluate_in_process(
            LoadedNetwork(model=network, dataset=dataset, sha256=weights_sha256(network)),
            requests,
            checkpoint=getattr(model, "__name__", type(model).__name__),
            settings=settings,
            on_progress=on_progress,
            notes=notes,
            device=device_of(network),
        )


def device_of(model: nn.Module) -> torch.device:
    """Return where a network is: the device of its first parameter or buffer, else the CPU."""
    first = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def _as_network(model: Callable[[Tensor], Tensor], normalisation: Normalisation | None) -> Iterator[nn.Module]:
    """Lend a module in evaluation mode that takes pixels in [0, 1]."""
    network = model if isinstance(model, nn.Module) else _Function(model)
    if normalisation is not None:
        first = Normalize(normalisation.mean, normalisation.std).to(device_of(network))
        network = nn.Sequential(first, network)
    with evaluating(network):
        yield network


class _Function(nn.Module):
    """A function as a module without weights."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, images: Tensor) -> Tensor:
        return self._function(images)
