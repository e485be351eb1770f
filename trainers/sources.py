"""What a job reads besides its configuration, by name, and what identifies it: files, and the code of plug-ins. Light.

A driver notes both with each request, and a worker looks at what it has itself: other files, a package of another version, or
one that was edited in the middle of a sweep, must not be recorded under the key of the planned ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from augment.compound import method_for
from augment.files.published import Identified, check_planned
from augment.lookup.kinds import Versioned
from augment.mixing_sets.identity import config_for
from augment.mixing_sets.registry import mixing_set_for
from trainers.config import JobConfig
from trainers.datasets.content import dataset_content
from trainers.datasets.contract import DatasetSpec
from trainers.datasets.registry import dataset_for
from trainers.datasets.streams import stream_files
from trainers.errors import CorruptData
from trainers.job import JobRequest
from trainers.models.registry import model_for
from trainers.models.released.registry import checkpoint_for


def code_sources(described: Mapping[str, Versioned]) -> dict[str, str]:
    """Return what identifies the code of the plug-ins among some descriptions, by what they are called in messages."""
    return {name: each.code["source"] for name, each in described.items() if each.code is not None}


def sources_of(config: JobConfig) -> dict[str, str]:
    """Return what identifies the code of the plug-ins that a job uses, as this machine has it."""
    described: dict[str, Versioned] = {f"method {each.name!r}": each for each in method_for(config.method).singles}
    described[f"model {config.model!r}"] = model_for(config.model)
    if config.mixing_set is not None:
        described[f"mixing set {config.mixing_set.name!r}"] = mixing_set_for(config.mixing_set.name)
    return code_sources(described)


def files_of(config: JobConfig, dataset: DatasetSpec, data_root: Path | None) -> dict[str, Identified]:
    """Return what identifies the files that a job is trained on or made of, by what they are called in messages.

    The files that methods name are in the configuration with their content (`augment.files.named`).

    Raises:
        UnknownName: If a name is unknown.
        CorruptData: If a file is there that cannot be read.
    """
    found = {f"dataset {config.dataset!r}": dataset_content(dataset, data_root)}
    if config.released is not None:
        found[f"released checkpoint {config.released!r}"] = checkpoint_for(config.released).content(data_root)
    if config.mixing_set is not None:
        mixing_set = mixing_set_for(config.mixing_set.name)
        files = mixing_set.identified(config_for(mixing_set, config.mixing_set.params), data_root)
        found |= {f"mixing set {mixing_set.name!r}": files} if files is not None else {}
    if config.outliers is not None:
        found[f"outlier stream {config.outliers!r}"] = stream_files(config.outliers, data_root)
    return found


def check_sources(request: JobRequest) -> None:
    """Compare what a job reads with what was planned.

    Raises:
        CorruptData: If anything differs; names all of it.
    """
    wrong = []
    if request.files:
        here = files_of(request.config, dataset_for(request.config.dataset), Path(request.paths.data_root))
        wrong = [
            text for name, found in here.items() if (text := check_planned(name, request.files.get(name, {}), found))
        ]
    wrong += [
        _other_code(name) for name, code in request.sources.items() if sources_of(request.config).get(name) != code
    ]
    if wrong:
        raise CorruptData("; ".join(wrong))


def _other_code(name: str) -> str:
    return (
        f"the code of {name} must be what it was while planning, since results are recorded under its hash, but it is different "
        "on this worker; plan again, and install the same version of the package on all machines"
    )
