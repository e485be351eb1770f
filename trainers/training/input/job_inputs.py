"""What a job is made of besides its network: the dataset, the mixing set, the outlier stream, and the treatment over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from augment.compound import config_for, method_for
from augment.kernels import counters, geometry
from augment.kernels.compiled import warm
from augment.mixing_sets.build import ensure_mixing_set, open_mixing_set
from augment.mixing_sets.registry import mixing_set_for
from augment.treatment import Treatment, TreatmentContext
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.outliers import load_outliers
from trainers.datasets.registry import dataset_for
from trainers.errors import CorruptData
from trainers.job import JobRequest
from trainers.training.input.images import ImageSource, training_images, with_stored_copy
from trainers.training.networks import trained_networks


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInputs:
    """A job's dataset and treatment.

    Attributes:
        images: Its training images, cropped and flipped by the recipe.
        treatment: The method, built for this job.
        byte_digests: SHA-256 of what was read or generated: splits and mixing set.
    """

    dataset: DatasetSpec
    images: ImageSource
    treatment: Treatment
    byte_digests: Mapping[str, str]


def job_inputs(request: JobRequest, *, device: torch.device, on_progress: Callable[[int, int], None]) -> JobInputs:
    """Read the training split, build or open the mixing set and the outliers, and build the treatment.

    Args:
        device: Where networks of other cells are put, for mixing sets that need them.
        on_progress: Called with (images done, images in all) while a mixing set is built.

    Raises:
        UnknownName: If a name is unknown.
        DataError: If data is missing, corrupt, or not what the job was planned for.
    """
    config = request.config
    data_root, cache_dir = Path(request.paths.data_root), Path(request.paths.cache_dir)
    dataset = checked_dataset(request)
    method = method_for(config.method)
    warm((*counters.WARM_UP, *geometry.WARM_UP, *method.kernels))  # a training step must never compile
    images = training_images(dataset, config.recipe, data_root, cache_dir)
    mixing_set, mixing_digest = _mixing_set(request, device, on_progress)
    outliers = None
    if config.outliers is not None:
        outliers = load_outliers(
            config.outliers,
            image_size=dataset.image_size,
            num_channels=dataset.num_channels,
            data_root=data_root,
            cache_dir=cache_dir,
        )
    context = TreatmentContext(
        image_size=dataset.image_size,
        num_channels=dataset.num_channels,
        num_classes=dataset.num_classes,
        mean=dataset.mean,
        mixing_set=mixing_set,
        outliers=outliers,
        data_root=data_root,
    )
    treatment: Treatment = method.build(config_for(method, config.dataset, config.method_params), context)
    if treatment.stored_copy is not None:
        images = with_stored_copy(images, treatment.stored_copy, dataset, config.recipe, data_root, cache_dir)
    digests = {"train": images.fingerprint, "mixing_set": mixing_digest}
    made_of = {name: digest for name, digest in digests.items() if digest}
    return JobInputs(dataset=dataset, images=images, treatment=treatment, byte_digests=made_of)


def checked_dataset(request: JobRequest) -> DatasetSpec:
    """Return the dataset of a job after comparing its identity with the one that was planned.

    Where the request names what identified its files, `trainers.sources.check_sources` has compared them.

    Raises:
        CorruptData: If they differ: files of a user have changed, or driver and worker have different versions of the code.
    """
    dataset = dataset_for(request.config.dataset)
    if request.dataset_identity and not request.files and request.dataset_identity != dataset.identity:
        raise CorruptData(
            f"dataset {dataset.name!r} must be {request.dataset_identity}, as planned, but is {dataset.identity} on this "
            "worker; plan again where its files have changed, and run the same version of the code on all machines"
        )
    return dataset


def _mixing_set(
    request: JobRequest, device: torch.device, on_progress: Callable[[int, int], None]
) -> tuple[NDArray[np.uint8] | None, str]:
    config, paths = request.config.mixing_set, request.paths
    if config is None:
        return None, ""
    file = ensure_mixing_set(
        mixing_set_for(config.name),
        num_images=config.num_images,
        image_size=config.image_size,
        num_channels=config.num_channels,
        seed=config.seed,
        params=config.params,
        cache_dir=paths.cache_dir,
        data_root=paths.data_root,
        progress=on_progress,
        models=trained_networks(paths.checkpoints, device, request.eras),
    )
    return open_mixing_set(file), file.sha256
