"""One evaluation in this process, without Ray and without a record: which benchmarks are chosen, and a network run on them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn

from augment.lookup.parameters import first_line
from augment.networks.modes import evaluating
from eval.benchmarks.contract import BenchmarkRequest
from eval.inference.precision import (
    DEFAULT_PRECISION,
    EvaluationPrecision,
    check_precision,
    float32_products,
    in_precision,
)
from orchestration.errors import InputError, Mistake
from orchestration.evaluation.checkpoints import LoadedNetwork, evaluate_network, weights_sha256
from orchestration.evaluation.evaluate import Evaluation, estimated_passes, make_requests, select_axes, suite_of
from orchestration.evaluation.progress import OnProgress, weights_of
from orchestration.planning.missing_data import refuse_where_none_can_run
from orchestration.results.notes import unusual_parameters
from orchestration.settings import Settings
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.registry import dataset_for
from trainers.models.normalize import Normalize
from trainers.models.weights.normalisation import Normalisation, parse_normalisation

Benchmarks = Mapping[str, Mapping[str, object]]
"""Benchmark -> parameters that differ from the defaults."""
_TRIED_IMAGES: Final = 2
"""Images that a model is tried on; of a single one, a model that squeezes would lose the first axis."""


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
        settings={request.name: tuple(unusual_parameters(request)) for request in requests},
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
    shown: Callable[[dict[str, float]], AbstractContextManager[OnProgress]],
) -> Evaluation:
    """Evaluate a network or a function on the device that it is on; its modes are as before afterwards.

    Args:
        model: Images (N, C, H, W) float32 -> logits (N, K).
        normalize: How its images are normalised (`trainers.models.weights.normalisation.parse_normalisation`); None for pixels in
            [0, 1].
        shown: Lends what shows the progress, for how long each benchmark takes (`orchestration.evaluation.progress.weights_of`).

    Raises:
        InputError: With every name or parameter that is wrong, or if the model cannot take the images.
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
        check_model(network, spec, precision)
        with shown(weights_of(requests, dataset, settings.data_root)) as on_progress:
            return evaluate_in_process(
                LoadedNetwork(model=network, dataset=dataset, sha256=weights_sha256(network)),
                requests,
                checkpoint=getattr(model, "__name__", type(model).__name__),
                settings=settings,
                on_progress=on_progress,
                notes=notes,
                device=device_of(network),
            )


def check_model(network: nn.Module, spec: DatasetSpec, precision: EvaluationPrecision = DEFAULT_PRECISION) -> None:
    """Refuse a network that does not give logits for images of a dataset, neither with nor without gradients.

    Args:
        network: In evaluation mode; takes pixels in [0, 1].

    Raises:
        InputError: With the shapes, and what the network says itself.
    """
    device = device_of(network)
    shape = (_TRIED_IMAGES, spec.num_channels, spec.image_size, spec.image_size)
    images = torch.zeros(shape, device=device)
    found = ""
    # A network may work with gradients alone, or without them alone: then some benchmarks can run.
    with torch.random.fork_rng([device] if device.type == "cuda" else []), float32_products(precision):
        for mode in (torch.enable_grad(), torch.inference_mode()):
            with mode:
                try:
                    logits: object = in_precision(network, precision, device)(images)
                except (MemoryError, torch.OutOfMemoryError):
                    return  # fewer images may fit, which the evaluation finds out
                except Exception as error:
                    found = f"raised {type(error).__name__}: {first_line(error)}"
                    continue
            if isinstance(logits, Tensor) and logits.shape == (_TRIED_IMAGES, spec.num_classes):
                return
            if isinstance(logits, Tensor):
                found = f"gave the shape {tuple(logits.shape)}"
            else:
                found = f"gave the type {type(logits).__name__}"
    sides = ", ".join(map(str, shape[1:]))
    text = (
        f"it must take images (N, {sides}) of {spec.name!r} and return logits (N, {spec.num_classes}), but for {shape} it "
        f"{found}; put a function around it that fits the images to it and returns the logits alone, or name the dataset that "
        "it was trained on"
    )
    raise InputError("model", [Mistake(where="", text=text)])


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
