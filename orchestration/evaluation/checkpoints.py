"""Checkpoints from elsewhere: evaluated as they are, or adopted as the training of a cell."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from augment.heavy import torch
from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.suite.evaluate import evaluate
from eval.inference.subject import Subject
from eval.report import MetricReport
from orchestration.errors import InputError, Mistake
from orchestration.settings import Settings
from trainers.config import JobConfig
from trainers.datasets.content import named_content
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.load import shared_split
from trainers.datasets.registry import DATASETS, dataset_for
from trainers.errors import CheckpointError, DataError
from trainers.models.from_torchvision import TORCHVISION_PREFIX, published_normalisation
from trainers.models.normalize import Classifier, Normalize
from trainers.models.weights.assumption import assumption, recorded_assumption
from trainers.models.weights.contents import Contents, contents_of
from trainers.models.weights.load import fill, weights_for
from trainers.models.weights.normalisation import Normalisation, parse_normalisation
from trainers.models.weights.reading import read_contents
from trainers.models.weights.trial import try_usual
from trainers.training.checkpoints import FORMAT, unpack
from trainers.training.networks import build_classifier, check_size, network_from
from trainers.worker.process import thread_budget


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedNetwork:
    """A network with the weights of a file.

    Attributes:
        model: The classifier: pixels in [0, 1] to logits.
        sha256: Hash of the file, or of the weights where there is none; "" for what has neither.
        assumed: How images are normalised for weights that were not trained here, and who says so; None for a network of ours.
        notes: What else must be known of the file: other weights in it, what is not used.
        record: What the file says of itself: path -> plain value.
    """

    model: torch.nn.Module
    dataset: str
    sha256: str
    assumed: Normalisation | None = None
    notes: tuple[str, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a person says of a file of weights.

    Attributes:
        normalize: How images were normalised for it, as written behind `--normalize`; None where the file or the dataset says.
        state_dict: Which of several sets of weights in it; None for the one that is no average.
    """

    normalize: str | None = None
    state_dict: str | None = None

    @property
    def options(self) -> str:
        """The options that are given."""
        given = (("--normalize", self.normalize), ("--state-dict", self.state_dict))
        return " ".join(option for option, value in given if value is not None)


def load_network(path: Path, *, config: JobConfig | None = None, reading: Reading | None = None) -> LoadedNetwork:
    """Load a checkpoint of this project, or the weights of another trainer's file into a network of ours.

    Args:
        path: A final checkpoint of ours, which knows its network, or a PyTorch file of tensors.
        config: Network and dataset for a file that does not say; required there.
    """
    reading = reading or Reading()
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is of another kind")
        data = path.read_bytes()
    except OSError as error:
        raise refused(path, f"the checkpoint must be a readable file: {error}") from error
    digest = hashlib.sha256(data).hexdigest()
    is_ours = data.startswith(FORMAT)
    if config is None:
        if not is_ours:
            raise refused(path, "a file of another trainer does not name its network; give --model and --dataset")
        return _of_ours(unpack(data, str(path)), path, digest, reading)
    try:
        contents = contents_of(unpack(data, str(path)), len(data)) if is_ours else read_contents(path)
        return _read_into(config, contents, digest, reading)
    except CheckpointError as error:
        text = str(error).removeprefix(f"{path} ")
        raise refused(path, f"the file {text}" if text.startswith("must") else text) from error


def _of_ours(state: Mapping[str, Any], path: Path, digest: str, reading: Reading) -> LoadedNetwork:
    """Return the network of a final checkpoint of ours; one that was adopted or released brings its assumption along."""
    if "network" not in state:
        raise refused(path, "only the final checkpoint of a cell names its network; give --model and --dataset")
    if reading.options:
        raise refused(
            path, f"a checkpoint of ours contains its normalisation and one set of weights; leave {reading.options} out"
        )
    try:
        model = network_from(state)
        assumed, notes = recorded_assumption(state.get("environment"))
    except CheckpointError as error:
        raise refused(path, str(error)) from error
    return LoadedNetwork(model=model, dataset=state["network"]["dataset"], sha256=digest, assumed=assumed, notes=notes)


def _read_into(config: JobConfig, contents: Contents, digest: str, reading: Reading) -> LoadedNetwork:
    dataset = dataset_for(config.dataset)
    params = {key: "none" if key == "weights" else value for key, value in config.model_params.items()}
    config = replace(config, model_params=params)
    check_size(config, dataset, sum(tensor.numel() for tensor in contents.tensors.values()))
    model = build_classifier(config, dataset)
    subject = f"{config.model} on {config.dataset}"
    found = weights_for(
        model.network, contents, num_channels=dataset.num_channels, subject=subject, choice=reading.state_dict
    )
    assumed = _assumed(reading, found.stated, contents, dataset)
    fill(model, found, assumed, is_kept="network.dataset" not in contents.record or not _is_of(dataset, assumed))
    notes = found.notes
    if found.stated is not None and found.stated.values != assumed.values:
        notes = (f"the file states another normalisation: {found.stated}", *notes)
    return LoadedNetwork(
        model=model.eval(), dataset=config.dataset, sha256=digest, assumed=assumed, notes=notes, record=found.record
    )


def _is_of(dataset: DatasetSpec, normalisation: Normalisation) -> bool:
    """Whether a normalisation is that of a dataset, so that a network of ours has it anyway."""
    return (normalisation.mean, normalisation.std) == (dataset.mean, dataset.std)


def _assumed(reading: Reading, stated: Normalisation | None, contents: Contents, dataset: DatasetSpec) -> Normalisation:
    """Return how images are normalised: as the person says, as the file says, as for its training here, else as the dataset."""
    if reading.normalize is not None:
        try:
            return parse_normalisation(reading.normalize, dataset.num_channels, source="as --normalize says")
        except ValueError as error:
            raise InputError("options", [Mistake(where="--normalize", text=str(error))]) from error
    if stated is not None:
        return stated
    trained_on = DATASETS.get(str(contents.record.get("network.dataset")), dataset)
    source = "the default of this dataset, since the file does not say"
    if "network.dataset" in contents.record:
        source = f"as for its training on {contents.record['network.dataset']}"
    return Normalisation(mean=trained_on.mean, std=trained_on.std, source=source)


def published_network(config: JobConfig) -> LoadedNetwork:
    """Build a network with the published weights that its options name.

    The hash is that of the weights, since they come from no file of the user's.
    """
    model = build_classifier(config, dataset_for(config.dataset))
    mean, std = published_normalisation(
        config.model.removeprefix(TORCHVISION_PREFIX), str(config.model_params["weights"])
    )
    assumed = Normalisation(mean=mean, std=std, source="as torchvision publishes with the weights")
    model.normalize = Normalize(assumed.mean, assumed.std, is_kept=True)
    return LoadedNetwork(model=model, dataset=config.dataset, sha256=weights_sha256(model), assumed=assumed)


def weights_sha256(model: torch.nn.Module) -> str:
    """Return a hash of the weights of a network that is from no file, "" where it has none."""
    weights = sorted(model.state_dict().items())
    digest = hashlib.sha256()
    for name, tensor in weights:
        digest.update(name.encode() + tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest() if weights else ""


def tried(network: LoadedNetwork, settings: Settings) -> dict[str, Any] | None:
    """Return what is assumed of foreign weights and what the usual normalisations come to; None for a network of ours.

    The trial is left out where the test images are not there; a note says so.
    """
    if network.assumed is None:
        return None
    try:
        test = shared_split(network.dataset, "test", settings.data_root, settings.cache_dir)
    except DataError as error:
        return assumption(network.assumed, [*network.notes, f"no other normalisation was tried: {error}"], None)
    model = network.model.to(_device()).eval()
    assert isinstance(model, Classifier)  # weights of others are read into a network of ours
    return assumption(network.assumed, network.notes, try_usual(model, test.images, test.labels, network.assumed))


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def subject_of(
    network: LoadedNetwork, settings: Settings, *, keep_generated: bool = True, device: torch.device | None = None
) -> Subject:
    """Return a network with the test images of its dataset, ready to be evaluated in this process.

    Args:
        device: Where it is evaluated; None for a GPU where there is one.
    """
    device = device or _device()
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
        identify=lambda name: named_content(name, settings.data_root),
        threads=thread_budget(None, device).images,
        generated_bytes=settings.generated_bytes if keep_generated else 0,
    )


def evaluate_network(
    network: LoadedNetwork,
    requests: Sequence[BenchmarkRequest],
    *,
    settings: Settings,
    on_progress: Callable[[str, int, int], None],
    keep_generated: bool = True,
    device: torch.device | None = None,
) -> tuple[MetricReport, ...]:
    """Run benchmarks on a network in this process.

    Args:
        on_progress: Called with the benchmark, images done, images in all.
        keep_generated: Whether generated images are kept in the cache; the numbers are the same either way.
        device: Where; None for a GPU where there is one.
    """
    subject = subject_of(network, settings, keep_generated=keep_generated, device=device)
    return evaluate(subject, requests, on_progress=on_progress)


def refused(path: Path, text: str) -> InputError:
    """Return the error that refuses a file."""
    return InputError(f"checkpoint {path}", [Mistake(where="", text=text)])
