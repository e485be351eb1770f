"""Evaluating one network outside of any sweep: which one, which benchmarks, and the report of all axes as document and text."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, get_args

from augment.lookup.parameters import nearest
from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import benchmark_for, check_images, full_params
from eval.benchmarks.suite.choose import axes_of, choose_suite
from eval.benchmarks.suite.passes import suite_passes
from eval.errors import EvalError
from eval.inference.precision import DEFAULT_PRECISION, EvaluationPrecision
from eval.metrics.contract import SafetyAxis
from eval.report import MetricReport
from orchestration.cells.keys import digest
from orchestration.errors import InputError, Mistake
from orchestration.evaluation.checkpoints import LoadedNetwork, Reading, load_network, published_network
from orchestration.planning.costs.operations import evaluation_data
from orchestration.results.evaluation_document import evaluation_document
from orchestration.settings import Settings
from trainers.config import JobConfig, RecipeConfig
from trainers.datasets.registry import dataset_for, missing_data
from trainers.models.registry import model_for
from trainers.models.weights.normalisation import Normalisation
from trainers.training.checkpoints import FORMAT, unpack

TORCHVISION: Final = "torchvision:"
IMAGENET_CLASSES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was evaluated, and what it came to.

    Attributes:
        checkpoint: The file or the name of published weights.
        architecture: Name of the network, or "" where the checkpoint alone knows it.
        reports: One report per benchmark.
        estimated: Forward passes that the cost model expects, in images.
        notes: What is not as published: missing files, stand-ins, limits.
        settings: Benchmark -> its parameters that are not the usual ones ("severities 3 (of 1, 2, 3, 4, 5)").
        assumed: what is assumed of foreign weights (`trainers.models.weights.assumption`); None for a network of ours.
    """

    checkpoint: str
    architecture: str
    network: LoadedNetwork
    reports: tuple[MetricReport, ...]
    estimated: int = 0
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    assumed: Mapping[str, Any] | None = None

    @property
    def num_failed(self) -> int:
        """How many benchmarks were refused or failed."""
        return sum(report.outcome is None for report in self.reports)


def network_config(model: str | None, dataset: str | None, *, weights: str | None = None) -> JobConfig | None:
    """Return the configuration that names a network and its dataset, or None where neither is named."""
    if model is None and dataset is None:
        return None
    if model is None or dataset is None:
        text = "name both, or neither for a checkpoint of ours"
        raise InputError("options", [Mistake(where="--model --dataset", text=text)])
    dataset_for(dataset)
    params = model_for(model).resolve({} if weights is None else {"weights": weights})
    return JobConfig(
        method="baseline",
        method_params={},
        dataset=dataset,
        model=model,
        model_params=params,
        recipe=RecipeConfig(),
        seed=0,
    )


def open_network(
    checkpoint: str, *, model: str | None, dataset: str | None, reading: Reading | None = None
) -> LoadedNetwork:
    """Open what a person names: a file, or `torchvision:NAME` for a network with torchvision's ImageNet weights.

    Args:
        checkpoint: Path, or `torchvision:NAME`.
        model: Network of a file that does not say.
        dataset: Dataset of a file that does not say; ImageNet for torchvision's weights.
        reading: What is said of a file of foreign weights.

    Raises:
        InputError: If the file cannot be read or names are lacking.
        TrainingError: If a name is unknown, or published weights cannot be had.
    """
    if checkpoint.startswith(TORCHVISION):
        return published_network(_published_config(checkpoint, dataset or "imagenet", reading))
    path = Path(os.path.expanduser(checkpoint))
    knows = load_network_dataset(path) if model is None and dataset is not None else None
    if knows is not None:
        if knows != dataset:
            text = f"the checkpoint was trained on {knows!r}, not on {dataset!r}; leave --dataset out"
            raise InputError("options", [Mistake(where="--dataset", text=text)])
        dataset = None
    return load_network(path, config=network_config(model, dataset), reading=reading)


def _published_config(checkpoint: str, dataset: str, reading: Reading | None) -> JobConfig:
    """Return the configuration of a network of torchvision with its ImageNet weights."""
    config = network_config(checkpoint, dataset, weights="imagenet1k-v1")
    assert config is not None
    mistakes = []
    classes = dataset_for(dataset).num_classes
    if classes != IMAGENET_CLASSES:
        text = f"torchvision's weights have the {IMAGENET_CLASSES} classes of ImageNet, but {dataset} has {classes}"
        mistakes.append(Mistake(where="--dataset", text=f"{text}; choose a dataset with the same classes"))
    if reading is not None and reading.options:
        text = "torchvision publishes the normalisation with its weights; leave the option out"
        mistakes.append(Mistake(where=reading.options, text=text))
    if mistakes:
        raise InputError("options", mistakes)
    return config


def load_network_dataset(path: Path) -> str | None:
    """Return the dataset that a final checkpoint of ours names, or None for other files."""
    try:
        # A named pipe would wait for its writer.
        if not path.is_file():
            return None
        with path.open("rb") as handle:
            if handle.read(len(FORMAT)) != FORMAT:
                return None
        data = path.read_bytes()
    except OSError:
        return None
    network = unpack(data, str(path)).get("network")
    return str(network.get("dataset")) if isinstance(network, Mapping) else None


def make_requests(
    benchmarks: Mapping[str, Mapping[str, object]],
    assumed: Normalisation | None = None,
    *,
    dataset: str | None = None,
    precision: EvaluationPrecision = DEFAULT_PRECISION,
) -> tuple[BenchmarkRequest, ...]:
    """Return requests with full parameters and a key each; what is assumed of foreign weights is part of the key.

    Args:
        benchmarks: Name -> parameters that differ from the defaults.
        dataset: Dataset whose images the parameters must fit, where it is known.
        precision: In which arithmetic the network is evaluated.

    Raises:
        InputError: With every benchmark or parameter that is unknown or does not fit.
    """
    spec = None if dataset is None else dataset_for(dataset)
    made, mistakes = [], []
    for name, given in benchmarks.items():
        try:
            params = full_params(name, given)
            if spec is not None:
                check_images(benchmark_for(name), params, side=spec.image_size, channels=spec.num_channels)
        except EvalError as error:
            mistakes.append(Mistake(where="", text=str(error)))
        else:
            identity: dict[str, object] = {"name": name, "params": params}
            identity |= {"normalisation": [assumed.mean, assumed.std]} if assumed is not None else {}
            identity |= {"precision": precision} if precision != DEFAULT_PRECISION else {}
            made.append(BenchmarkRequest(name=name, params=params, key=digest(identity), precision=precision))
    if mistakes:
        raise InputError("benchmarks", mistakes)
    return tuple(made)


def suite_of(name: str, dataset: str, settings: Settings) -> tuple[dict[str, Mapping[str, object]], tuple[str, ...]]:
    """Return the benchmarks of a suite for a dataset, and what is not as published.

    Raises:
        EvalError: If the suite is unknown.
    """
    spec = dataset_for(dataset)
    chosen = choose_suite(
        name,
        dataset=dataset,
        side=spec.image_size,
        channels=spec.num_channels,
        data_root=settings.data_root,
        has_dataset=lambda each: not missing_data([each], settings.data_root),
    )
    return dict(chosen.benchmarks), chosen.notes


def estimated_passes(requests: Sequence[BenchmarkRequest], dataset: str, data_root: Path) -> int:
    """Return how many images the cost model expects to be put through the network, forward only.

    Raises:
        EvalError: If a benchmark or a parameter is unknown.
    """
    return suite_passes(requests, evaluation_data(dataset_for(dataset), data_root)).forward


def document_of(evaluated: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain values: one document for all axes."""
    return evaluation_document(
        evaluated.reports,
        evaluated.settings,
        checkpoint=evaluated.checkpoint,
        sha256=evaluated.network.sha256,
        dataset=evaluated.network.dataset,
        assumed=evaluated.assumed,
        architecture=evaluated.architecture,
        forward_passes_estimated=evaluated.estimated,
        notes=list(evaluated.notes),
    )


def select_axes(benchmarks: Mapping[str, Mapping[str, object]], axes: Sequence[str]) -> dict[str, Mapping[str, object]]:
    """Return the benchmarks that evaluate some safety axes.

    Raises:
        InputError: If an axis is unknown, or no benchmark evaluates one.
    """
    known = get_args(SafetyAxis)
    mistakes = [
        Mistake(where="--axes", text=f"unknown safety axis '{axis}'{nearest(axis, known)}")
        for axis in axes
        if axis not in known
    ]
    if mistakes:
        raise InputError("options", mistakes)
    return {name: params for name, params in benchmarks.items() if set(axes) & set(axes_of([name]))}
