"""Checkpoints from elsewhere: judged as they are, or adopted as the training of a cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.errors import InputError, Mistake

if TYPE_CHECKING:
    from eval.benchmark import BenchmarkRequest
    from eval.report import MetricReport
    from eval.subject import Subject
    from orchestration.cells import PlannedCell
    from orchestration.settings import Settings
    from orchestration.store.base import ResultsStore
    from trainers.config import JobConfig
    from trainers.models.normalize import Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedNetwork:
    """A network with the weights of a file: the classifier (pixels in [0, 1] to logits), its dataset, the file's SHA-256."""

    model: Classifier
    dataset: str
    sha256: str


def load_network(path: Path, *, config: JobConfig | None = None) -> LoadedNetwork:
    """Load a checkpoint of this project, or the weights of another trainer's file into a network of ours.

    Args:
        path: A final checkpoint of ours, which knows its network, or a PyTorch file of tensors.
        config: Network and dataset for a file that does not say; required there.

    Raises:
        InputError: If the file cannot be read, its network is not named, or the weights do not fit.
    """
    import hashlib

    from trainers.checkpoints import FORMAT, unpack
    from trainers.trained_networks import network_from

    try:
        data = path.read_bytes()
    except OSError as error:
        raise _refused(path, f"the checkpoint must be a readable file: {error}") from error
    digest = hashlib.sha256(data).hexdigest()
    if data.startswith(FORMAT) and config is None:
        state = unpack(data, str(path))
        if "network" not in state:
            raise _refused(
                path, "only the final checkpoint of a cell says what network it holds; name --model and --dataset"
            )
        return LoadedNetwork(model=network_from(state), dataset=state["network"]["dataset"], sha256=digest)
    if config is None:
        raise _refused(path, "a file of another trainer does not say what network it holds; name --model and --dataset")
    weights = unpack(data, str(path))["model"] if data.startswith(FORMAT) else _foreign_weights(path)
    return LoadedNetwork(model=_with_weights(config, weights, path), dataset=config.dataset, sha256=digest)


def published_network(config: JobConfig) -> LoadedNetwork:
    """Build a network with the published weights that its options name.

    The hash is that of the weights, since they come from no file of the user's.

    Raises:
        TrainingError: If the weights cannot be had.
    """
    import hashlib

    from trainers.datasets.registry import dataset_for
    from trainers.models.build import build_classifier

    model = build_classifier(config, dataset_for(config.dataset))
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.cpu().numpy().tobytes())
    return LoadedNetwork(model=model, dataset=config.dataset, sha256=digest.hexdigest())


def subject_of(network: LoadedNetwork, settings: Settings, *, keep_generated: bool = True) -> Subject:
    """Return a network with the test pictures of its dataset, ready to be judged in this process.

    Raises:
        DataError: If the dataset is missing or broken.
    """
    import torch

    from eval.subject import Subject
    from trainers.datasets.registry import dataset_for
    from trainers.datasets.shared import shared_split

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    test = shared_split(network.dataset, "test", settings.data_root, settings.cache_dir)
    return Subject(
        model=network.model.to(device).eval(),
        device=device,
        dataset=network.dataset,
        fingerprint=test.fingerprint,
        images=test.images,
        labels=test.labels,
        num_classes=dataset_for(network.dataset).num_classes,
        data_root=settings.data_root,
        cache_dir=settings.cache_dir,
        load_images=lambda name: shared_split(name, "test", settings.data_root, settings.cache_dir).images,
        keep_generated=keep_generated,
    )


def judge_network(
    network: LoadedNetwork,
    requests: Sequence[BenchmarkRequest],
    *,
    settings: Settings,
    on_progress: Callable[[str, int, int], None],
    keep_generated: bool = True,
) -> tuple[MetricReport, ...]:
    """Run benchmarks on a network in this process.

    Args:
        network: What is judged.
        requests: Which benchmarks.
        settings: Where data and caches lie.
        on_progress: Told of benchmark, pictures done, pictures in all.
        keep_generated: Whether generated pictures are kept in the cache; the numbers are the same either way.
    """
    from eval.suite import judge

    subject = subject_of(network, settings, keep_generated=keep_generated)
    return judge(subject, requests, on_progress=on_progress)


def adopt(path: Path, cell: PlannedCell, *, settings: Settings, store: ResultsStore) -> str:
    """Take a checkpoint over as the training of a cell; return its hash. The cell's benchmarks are then missing, not done.

    The weights must fit the cell's network. Nothing can prove that they were trained as the cell says: the record names the file
    that they came from.

    Raises:
        InputError: If the cell is trained already, or the file does not fit.
    """
    from orchestration.engine.provenance import provenance_of
    from orchestration.store.base import TrainingRecord
    from trainers.checkpoints import Checkpoints
    from trainers.job import TrainSummary
    from trainers.progress import Progress
    from trainers.trained_networks import network_facts

    if cell.trained:
        raise _refused(
            path, f"cell {cell.cell_id} is trained already; forget it first: dreamgrid cells invalidate {cell.cell_id}"
        )
    network = load_network(path, config=cell.config)
    environment = {"adopted_from": str(path), "adopted_sha256": network.sha256, "finished_at": time.time()}
    state = {
        "model": network.model.state_dict(),
        "progress": Progress().state_dict(),
        "network": network_facts(cell.config),
        "resumed_from": None,
        "environment": environment,
    }
    stored = Checkpoints(settings.checkpoints, cell.train_key, era=store.era(cell.train_key)).save_final(state)
    summary = TrainSummary(
        checkpoint_sha256=stored.sha256,
        checkpoint_uri=stored.uri,
        epochs=(),
        resumed_from_step=None,
        wall_s=0.0,
        device_s=0.0,
        environment=environment,
    )
    store.record_training(TrainingRecord(train_key=cell.train_key, summary=summary, provenance=provenance_of(cell)))
    return stored.sha256


def _foreign_weights(path: Path) -> Mapping[str, Any]:
    from trainers.errors import CheckpointError
    from trainers.old_pickles import read_weights

    try:
        return read_weights(path)
    except CheckpointError as error:
        raise _refused(path, str(error).removeprefix(f"{path} ").replace("must", "the file must", 1)) from error


def _with_weights(config: JobConfig, weights: Mapping[str, Any], path: Path) -> Classifier:
    from trainers.datasets.registry import dataset_for
    from trainers.models.build import build_classifier

    params = {key: "none" if key == "weights" else value for key, value in config.model_params.items()}
    model = build_classifier(replace(config, model_params=params), dataset_for(config.dataset))
    target = model if any(name.startswith("network.") for name in weights) else model.network
    try:
        target.load_state_dict(dict(weights))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise _refused(path, f"the weights must fit {config.model} on {config.dataset}: {reason}") from error
    return model


def _refused(path: Path, text: str) -> InputError:
    return InputError(f"checkpoint {path}", [Mistake(where="", text=text)])
