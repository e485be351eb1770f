"""On how many workers a cell may run, and what they insist on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusters.placement import GroupShape, Node
from orchestration.engine.driver.candidates import candidates_of, request_of, shapes_of
from orchestration.engine.options import RunOptions
from orchestration.engine.resources import Resources
from orchestration.errors import SweepError
from orchestration.store.contract import CellResult
from tests.fakes.records import make_report, make_training

GPU_NODES = (Node(name="a", cpus=32, gpus=8, accelerator="A100"),)


ONE = GroupShape(num_workers=1)


def counts(shapes):
    return [shape.num_workers for shape in shapes]


def on(settings: RunOptions, nodes: tuple[Node, ...] = (Node(name="n", cpus=8),)) -> tuple[RunOptions, Resources]:
    return settings, settings.resources(nodes)


@pytest.mark.parametrize(
    ("shards", "workers", "least", "expected"),
    [
        (8, 4, None, [4]),
        (8, 4, 1, [4, 2, 1]),
        (8, 4, 2, [4, 2]),
        (6, 4, 2, [3, 2]),
        (5, 4, 2, [1]),
        (1, 4, 1, [1]),
    ],
)
def test_an_elastic_cell_runs_on_every_number_of_workers_that_divides_its_shards(
    planned, options, shards, workers, least, expected
):
    cell = planned(0, shards=shards)

    assert counts(shapes_of(cell, *on(options(workers=workers, min_workers=least)))) == expected


def test_evaluation_alone_also_runs_on_one_worker(planned, options):
    trained = replace(planned(0, shards=8), trained=True)

    assert counts(shapes_of(trained, *on(options(workers=4)))) == [4, 1]
    assert counts(shapes_of(trained, *on(options(workers=4, min_workers=2)))) == [4, 2, 1]


def test_the_kind_of_gpu_is_part_of_every_shape(planned, options):
    settings = on(options(workers=2, min_workers=1, accelerator="A100"), GPU_NODES)
    shapes = shapes_of(planned(0, shards=2), *settings)

    assert {shape.accelerator for shape in shapes} == {"A100"}


def test_options_that_contradict_each_other_are_refused(options):
    with pytest.raises(SweepError, match=r"min_workers must be 1 to 2, but got 3.*a kind of GPU needs GPUs"):
        options(workers=2, min_workers=3, accelerator="A100", gpus_per_worker=0)


def test_a_cell_counts_for_the_schedule_with_the_longest_chain_that_waits_for_it(planned, options):
    parent, child = planned(0), planned(1)
    child = replace(child, config=replace(child.config, init_from=parent.train_key))
    seconds = {parent.train_key: 2.0, child.train_key: 5.0}

    found = candidates_of([parent, child], *on(options(estimates_s=seconds)))

    assert [candidate.seconds for candidate in found] == [7.0, 5.0]
    assert [candidate.own_s for candidate in found] == [2.0, 5.0]


def test_a_worker_is_not_asked_for_reports_that_are_recorded_by_now(planned, options):
    cell = planned(0, benchmarks=("clean", "c"))
    clean, corrupted = cell.benchmarks
    recorded = CellResult(
        train_key=cell.train_key, training=make_training(cell.train_key), reports={clean.key: make_report(clean, None)}
    )

    asked = request_of(cell, options(), ONE, recorded, {})

    assert asked.benchmarks == (corrupted,)
    assert asked.recorded_benchmarks == (clean,)


@pytest.mark.parametrize(
    ("shards", "asked", "expected"),
    [
        (8, {}, [1, 2, 4, 8]),
        (16, {}, [1, 2, 4, 8]),
        (6, {}, [1, 2]),
        (1, {}, [1]),
        (8, {"min_workers": 2}, [2, 4, 8]),
        (1, {"min_workers": 2}, [1]),
        (8, {"gpus_per_worker": 0.5}, [1]),
        (8, {"gpus_per_worker": 2}, [1, 2, 4]),
        (8, {"workers": 4}, [4]),
    ],
)
def test_on_gpus_the_schedule_chooses_among_powers_of_two(planned, options, shards, asked, expected):
    cell, settings = planned(0, shards=shards), on(options(cpu_workers=2, **asked), GPU_NODES)

    assert counts(shapes_of(cell, *settings)) == expected
    assert [one.widens for one in candidates_of([cell], *settings)] == ["workers" not in asked]


def test_on_cpus_a_cell_has_the_workers_of_its_sweep_unless_the_schedule_is_to_choose(planned, options):
    cell = planned(0, shards=8)

    assert counts(shapes_of(cell, *on(options(cpu_workers=2)))) == [2]
    assert counts(shapes_of(cell, *on(options(cpu_workers=2, gpus_per_worker=0), GPU_NODES))) == [2]
    assert counts(shapes_of(cell, *on(options(workers="auto")))) == [1, 2, 4, 8]


def test_a_worker_has_as_many_threads_as_cpus(planned, options):
    settings, resources = on(options(), GPU_NODES)

    assert request_of(planned(0), settings, resources.shape(1), None, {}).threads == 4
