"""Keys of cells that use plug-ins: code that changes results changes the key, and a worker with other code is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.identity import ResolvedCell
from orchestration.cells.resolve import resolve_sweep
from orchestration.sweeps.expand import expand
from orchestration.sweeps.schema import parse_document
from orchestration.sweeps.yaml_reader import Document
from tests.conftest import Install
from trainers.errors import CorruptData
from trainers.job import JobPaths, JobRequest
from trainers.sources import check_sources
from trainers.training.input.job_inputs import checked_dataset

SOURCE = """
from dataclasses import replace

from augment.registry import METHODS
from augment.mixing_sets.registry import MIXING_SETS
from eval.benchmarks.registry import BENCHMARKS
from trainers.datasets.registry import DATASETS
from trainers.models.registry import MODELS

METHOD = replace(METHODS["baseline"], name="mine")
MODEL = replace(MODELS["wrn-10-1"], name="mine-model")
SET = replace(MIXING_SETS["fractals"], name="mine-set")
BENCHMARK = replace(BENCHMARKS["clean"], name="mine-benchmark")
DATASET = replace(DATASETS["digits"], name="mine-data", layout="entry-point")

def read(split, root):
    from trainers.datasets.digits import read_digits
    return read_digits(split)
"""
POINTS = """
[dreamgrid.methods]
x = mine:METHOD
[dreamgrid.models]
x = mine:MODEL
[dreamgrid.mixing_sets]
x = mine:SET
[dreamgrid.benchmarks]
x = mine:BENCHMARK
[dreamgrid.datasets]
x = mine:DATASET
[dreamgrid.datasets.read]
mine-data = mine:read
"""
POINT = {"method": "pixmix", "dataset": "digits", "model": "wrn-10-1", "recipe": "digits", "mixing_set": "fractals"}
USES = {"method": "mine", "model": "mine-model", "mixing_set": "mine-set", "dataset": "mine-data"}


def _resolved(point: dict[str, str]) -> ResolvedCell:
    value = {
        "name": "s",
        "title": "S",
        "base": point,
        "axes": {"cells": [{"row": "A"}]},
        "table": {"columns": ["clean/error", "mine-benchmark/error"]},
        "benchmarks": {},
    }
    file, mistakes = parse_document(Document(value, {}))
    assert file is not None, mistakes
    return resolve_sweep(expand(file, Document(value, {}))[0], builtin_catalogue()).cells[0]


def _request(cell: ResolvedCell) -> JobRequest:
    return JobRequest(
        train_key=cell.train_key,
        config=cell.config,
        benchmarks=(),
        paths=JobPaths(checkpoints="nowhere", data_root="nowhere", cache_dir="nowhere"),
        dataset_identity=cell.dataset_identity,
        sources=cell.sources,
    )


def _edit(folder: Path) -> None:
    (folder / "mine.py").write_text(SOURCE + "# edited\n")


@pytest.mark.parametrize("part", USES)
def test_an_edited_plug_in_gives_the_cells_that_use_it_another_key(install: Install, part: str) -> None:
    folder = install({"mine.py": SOURCE}, points=POINTS)
    with_plug_in, without = {**POINT, part: USES[part]}, _resolved(POINT)
    before = _resolved(with_plug_in)
    _edit(folder)
    assert _resolved(with_plug_in).train_key != before.train_key
    assert _resolved(POINT).train_key == without.train_key


def test_an_edited_benchmark_of_a_package_is_run_again_and_no_other(install: Install) -> None:
    folder = install({"mine.py": SOURCE}, points=POINTS)
    before = {request.name: request.key for request in _resolved(POINT).benchmarks}
    _edit(folder)
    after = {request.name: request.key for request in _resolved(POINT).benchmarks}
    assert before.keys() == after.keys() == {"clean", "mine-benchmark"}
    assert [name for name in before if before[name] != after[name]] == ["mine-benchmark"]


@pytest.mark.parametrize("part", ["method", "model", "mixing_set"])
def test_a_worker_with_other_code_than_planned_is_refused(install: Install, part: str) -> None:
    folder = install({"mine.py": SOURCE}, points=POINTS)
    request = _request(_resolved({**POINT, part: USES[part]}))
    check_sources(request)
    _edit(folder)
    with pytest.raises(CorruptData, match=f"code of .*{USES[part]!r} must be what it was while planning"):
        check_sources(request)


def test_a_worker_with_another_reader_of_a_dataset_is_refused(install: Install) -> None:
    folder = install({"mine.py": SOURCE}, points=POINTS)
    request = _request(_resolved({**POINT, "dataset": "mine-data"}))
    checked_dataset(request)
    _edit(folder)
    with pytest.raises(CorruptData, match=r"must be .*as planned"):
        checked_dataset(request)
