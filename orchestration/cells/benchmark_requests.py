"""The benchmarks of a cell: their full parameters, and keys of everything that can change their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from augment.files.published import Identified, absent, as_planned
from augment.lookup.key_spellings import in_keys
from augment.lookup.kinds import versioned
from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import benchmark_for, check_images, full_params
from eval.benchmarks.suite.files import files_identity, needed_datasets
from eval.inference.precision import DEFAULT_PRECISION, EvaluationPrecision
from orchestration.cells.evaluated_in import unnamed_precision
from orchestration.cells.identity import KEY_FORMAT
from orchestration.cells.keys import digest
from orchestration.cells.point_settings import Resolver, attempt
from trainers.datasets.content import dataset_content
from trainers.datasets.streams import FOLDER
from trainers.datasets.user_folder import key_name


def benchmark_request(
    resolver: Resolver,
    name: str,
    given: Mapping[str, Any],
    dataset: Any,
    *,
    precision: EvaluationPrecision = DEFAULT_PRECISION,
    trained_in: str = "",
) -> BenchmarkRequest:
    """Return the request of a benchmark on the networks of a dataset.

    Files that are absent or the published ones are in the key with what is published of them; others with their content.

    Args:
        resolver: What points may name, and what is remembered of datasets.
        given: Parameters that differ from the defaults.
        precision: In which arithmetic the networks are evaluated.
        trained_in: Precision of their recipe.
    """
    catalogue = resolver.catalogue
    benchmark, params = benchmark_for(name), full_params(name, given)
    check_images(benchmark, params, side=dataset.image_size, channels=dataset.num_channels)
    own = _content(resolver, dataset.name)
    identity: dict[str, Any] = {
        "format": KEY_FORMAT,
        "name": name,
        "params": in_keys(name, params),
        "semantics": versioned(benchmark),
        "dataset": {"name": key_name(dataset.name), "identity": own.key},
    }
    if precision != unnamed_precision(trained_in):
        identity["precision"] = precision
    files = files_identity(name, params, dataset.name, catalogue.data_root)
    others = {each: _content(resolver, each) for each in needed_datasets(name, params) if each != dataset.name}
    strange = {each: found.key for each, found in others.items() if found.is_own}
    if files or strange:  # a dataset that is the published one, or taken for it, is named in the parameters
        identity["files"] = {**{each: found.key for each, found in files.items()}, **strange}
    read = {**files, **others, dataset.name: own}
    return BenchmarkRequest(
        name=name,
        params=params,
        key=digest(identity),
        code=benchmark.code["source"] if benchmark.code is not None else "",
        files={each: as_planned(found) for each, found in read.items()},
        own_files={each: found.reason for each, found in read.items() if found.is_own},
        precision=precision,
    )


def tested_on_its_training(name: str, stream: Identified, benchmarks: Sequence[BenchmarkRequest]) -> str | None:
    """Return the folder of outliers that is both the stream of a training and a set of its benchmarks, or None.

    Args:
        name: The stream; of a dataset, the training split is streamed and the test split is the set.
    """
    if not name.startswith(FOLDER):
        return None
    content = stream.content.rpartition(":")[2]
    found = (name for each in benchmarks for name, read in each.files.items() if content and read["content"] == content)
    return next(found, None)


def _content(resolver: Resolver, dataset: str) -> Identified:
    """Return what identifies the files of a dataset; an unknown one has none, which its benchmark says."""
    spec, _ = attempt(resolver.catalogue.dataset, dataset)
    if spec is None:
        return absent("")
    key = ("content", dataset)
    made: Identified = resolver.remember(key, lambda: dataset_content(spec, resolver.catalogue.data_root))
    return made
