"""The registry of benchmarks: names, parameters, identities, columns."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import FrozenInstanceError
from importlib import metadata

import pytest

from augment.lookup.kinds import versioned
from eval.benchmarks import registry as benchmarks
from eval.benchmarks.contract import Benchmark
from eval.benchmarks.registry import (
    BENCHMARKS,
    benchmark_for,
    full_params,
)
from eval.errors import EvalError
from eval.report import BenchmarkOutcome, MetricValue
from eval.tables.column import Column, check_column, column_value


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(EvalError, match=r"unknown benchmark 'c-generatd' \(did you mean 'c-generated'"):
        benchmark_for("c-generatd")


def test_defaults_made_explicit_and_numbers_spelled_otherwise_are_the_same_parameters():
    short = full_params("pgd", {})
    long = full_params("pgd", {"steps": 20.0, "epsilon": "2/255", "restarts": 1})
    assert short == long
    assert json.dumps(short) == json.dumps(long)
    assert short["epsilon"] == 2 / 255


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("pgd", {"epsilom": 1}, "did you mean 'epsilon'"),
        ("pgd", {"steps": "many"}, "steps of benchmark 'pgd' must be a whole number, but got 'many'"),
        ("pgd", {"norm": "l1"}, "must be one of 'linf', 'l2', but got 'l1'"),
        ("pgd", {"random_start": 1}, "must be true or false"),
        ("pgd", {"epsilon": "1/0"}, "must be a number"),
        ("c-generated", {"kinds": "fog"}, "must be a list of texts"),
        ("c-generated", {"kinds": ["frog"]}, "unknown corruption 'frog' .did you mean 'fog'"),
        ("c-generated", {"kinds": ["fog", "fog"]}, "named once"),
        ("c-generated", {"severities": [6]}, "different numbers from 1 to 5"),
        ("ood-generated", {"sets": ["svhn"]}, "unknown outlier set"),
        ("ood-generated", {"score": "mps"}, "must be one of 'msp'"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(name, params, message):
    with pytest.raises(EvalError, match=message):
        full_params(name, params)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(EvalError, match=r"(?s)'stepz'.*norm of"):
        full_params("pgd", {"stepz": 1, "norm": "l7"})


def test_columns_are_parsed_labelled_and_know_their_direction():
    assert Column.of("c-generated/error") == Column("c-generated", "error")
    assert Column.of("c-generated/ce/fog") == Column("c-generated", "ce", "fog")
    assert str(Column.of("ood-generated/auroc/blobs")) == "ood-generated/auroc/blobs"
    assert Column.of("c-generated/ce/motion_blur").label == "C (generated) CE: motion blur"
    assert Column.of("clean/rms").label == "Clean RMS"
    assert Column.of("clean/error").spec.lower_is_better
    assert not Column.of("ood-generated/aupr").spec.lower_is_better


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clean", "must be written"),
        ("clean/", "must be written"),
        ("clean/erorr", "did you mean 'error'"),
        ("clean/error/fog", "has no fine rows"),
        ("clean/mfr", "has no metric 'mfr'"),
    ],
)
def test_columns_that_name_nothing_are_refused(text, message):
    with pytest.raises(EvalError, match=message):
        check_column(Column.of(text))


def test_the_value_of_a_detail_is_the_mean_of_its_fine_rows():
    outcome = BenchmarkOutcome(
        metrics={"error": MetricValue(0.4, 10)},
        rows=(
            {"corruption": "fog", "severity": 1, "error": 0.2},
            {"corruption": "fog", "severity": 2, "error": 0.4},
            {"corruption": "snow", "severity": 1, "error": 0.9},
            {"corruption": "fog", "ce": 0.7},
        ),
    )
    assert column_value(outcome, Column.of("c-generated/error")) == 0.4
    assert column_value(outcome, Column.of("c-generated/error/fog")) == pytest.approx(0.3)
    assert column_value(outcome, Column.of("c-generated/ce/fog")) == 0.7
    assert column_value(outcome, Column.of("c-generated/ce/snow")) is None
    assert column_value(outcome, Column.of("c-generated/rms")) is None


def test_a_detail_names_the_benchmarks_own_score_or_another_one():
    outcome = BenchmarkOutcome(
        metrics={},
        rows=({"set": "blobs", "variant": "msp", "auroc": 0.7}, {"set": "blobs", "variant": "xent", "auroc": 0.8}),
        notes={"variant": "msp"},
    )
    assert column_value(outcome, Column.of("ood-generated/auroc/blobs")) == 0.7
    assert column_value(outcome, Column.of("ood-generated/auroc/blobs:xent")) == 0.8


ADDED = """
from dataclasses import replace
from eval.benchmarks.registry import BENCHMARKS
CLEAN = BENCHMARKS["clean"]
MINE = replace(CLEAN, name="mine", title="Mine")
NUMBER = 3
"""


def test_packages_add_benchmarks_but_cannot_take_our_names(install):
    install({"mine.py": ADDED}, points="[dreamgrid.benchmarks]\nx = mine:MINE\n")
    assert benchmark_for("mine").title == "Mine"
    install({}, points="[dreamgrid.benchmarks]\nx = mine:CLEAN\n")
    with pytest.raises(EvalError, match=r"'clean' of entry point 'x'.*is taken"):
        benchmark_for("mine")
    install({}, points="[dreamgrid.benchmarks]\nx = mine:NUMBER\n")
    with pytest.raises(EvalError, match="must name a Benchmark, but is int"):
        benchmark_for("mine")


def test_an_edited_benchmark_of_a_package_has_another_identity(install):
    folder = install({"mine.py": ADDED}, points="[dreamgrid.benchmarks]\nx = mine:MINE\n")
    before = versioned(benchmark_for("mine"))
    (folder / "mine.py").write_text(ADDED + "# edited\n")
    assert versioned(benchmark_for("mine")) != before


def test_benchmarks_cannot_be_changed():
    assert isinstance(BENCHMARKS["clean"], Benchmark)
    with pytest.raises(TypeError):
        BENCHMARKS["clean"] = None  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        BENCHMARKS["clean"].semantics = 2  # type: ignore[misc]


def test_the_entry_point_group_can_be_read_on_this_python():
    assert list(metadata.entry_points(group=benchmarks.BENCHMARK_KIND.group)) == []


def test_names_and_columns_need_no_heavy_library():
    script = (
        "import sys; from eval.benchmarks.registry import *\n"
        "from eval.tables.column import *; full_params('c-generated', {}); check_column(Column.of('clean/error'))\n"
        "sys.exit(str({'torch', 'numba', 'scipy', 'pandas', 'torchvision'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == ""
