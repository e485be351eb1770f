"""Train keys: what changes them, what does not, and what is refused before anything runs."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.cells.catalogue import Catalogue, builtin_catalogue
from orchestration.cells.identity import ResolvedCell, train_key
from orchestration.cells.keys import plain
from orchestration.cells.resolve import resolve_sweep
from orchestration.errors import InputError
from orchestration.sweeps.expand import expand
from orchestration.sweeps.schema import parse_document
from orchestration.sweeps.yaml_reader import Document

Values = dict[str, Any]
POINT: Values = {
    "method": "pixmix",
    "dataset": "digits",
    "model": "wrn-10-1",
    "recipe": "digits",
    "mixing_set": "fractals",
}


def resolved(point: Values, *, catalogue: Catalogue | None = None, benchmarks: Values | None = None) -> ResolvedCell:
    value = {
        "name": "s",
        "title": "S",
        "base": point,
        "axes": {"cells": [{"row": "A"}]},
        "table": {"columns": ["clean/error"]},
        "benchmarks": benchmarks or {},
    }
    file, mistakes = parse_document(Document(value, {}))
    assert file is not None, mistakes
    sweep, _ = expand(file, Document(value, {}))
    return resolve_sweep(sweep, catalogue or builtin_catalogue()).cells[0]


def key(point: Values) -> str:
    return resolved(point).train_key


def refusal(point: Values, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        resolved(point, **options)
    return str(caught.value)


def test_defaults_made_explicit_leave_the_key_alone() -> None:
    cell = resolved(POINT)
    recipe = plain(cell.config.recipe)
    mixing = cell.config.mixing_set
    assert mixing is not None
    explicit = {
        **POINT,
        "params": plain(cell.config.method_params),
        "train": recipe,
        "model_params": plain(cell.config.model_params),
        "mixing_set_params": {
            "num_images": mixing.num_images,
            "image_size": mixing.image_size,
            "seed": mixing.seed,
            **plain(mixing.params),
        },
    }

    assert key(explicit) == cell.train_key


def test_the_order_of_keys_leaves_the_key_alone() -> None:
    point = {**POINT, "train": {"epochs": 3, "lr": 0.05}}

    assert key({**dict(reversed(point.items())), "train": {"lr": 0.05, "epochs": 3}}) == key(point)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "cutout"},
        {"dataset": "mnist"},
        {"model": "wrn-16-1"},
        {"params": {"beta": 4}},
        {"params": {"max_rounds": 3}},
        {"params": {"rounding": "uint8"}},
        {"train": {"epochs": 5}},
        {"train": {"lr": 0.05}},
        {"train": {"batch_shards": 1}},
        {"train": {"train_images": 64}},
        {"train": {"precision": "fp32"}},
        {"train": {"precision": "bf16"}},
        {"train": {"deterministic": True}},
        {"model_params": {"dropout": 0.1}},
        {"mixing_set_params": {"num_images": 10}},
        {"mixing_set_params": {"seed": 1}},
        {"init_from": {"method": "baseline"}},
    ],
)
def test_anything_that_can_change_the_weights_changes_the_key(change: Values) -> None:
    assert key({**POINT, **change}) != key(POINT)


def test_fields_that_came_later_leave_the_keys_of_their_defaults_alone() -> None:
    recipe = resolved(POINT).identity["config"]["recipe"]

    assert recipe["precision"] == "fp32"
    assert "deterministic" not in recipe
    assert "rounding" not in resolved(POINT).identity["config"]["method_params"]
    assert key({**POINT, "params": {"rounding": "none"}}) == key(POINT)
    assert resolved({**POINT, "train": {"precision": "fp32"}}).identity["config"]["recipe"]["precision"] == "ieee-fp32"


@settings(max_examples=40, deadline=None)
@given(
    epochs=st.integers(1, 500),
    lr=st.floats(1e-5, 1.0),
    beta=st.floats(1.0, 9.0),
    other=st.tuples(st.integers(1, 500), st.floats(1e-5, 1.0), st.floats(1.0, 9.0)),
)
def test_two_cells_share_a_key_exactly_when_they_say_the_same(
    epochs: int, lr: float, beta: float, other: tuple[int, float, float]
) -> None:
    def at(one: int, two: float, three: float) -> str:
        return key({**POINT, "train": {"epochs": one, "lr": two}, "params": {"beta": three}})

    assert (at(epochs, lr, beta) == at(*other)) == ((epochs, lr, beta) == other)


def test_what_no_method_uses_is_no_part_of_the_key() -> None:
    baseline = {**POINT, "method": "baseline"}

    assert key({**baseline, "mixing_set_params": {"num_images": 3}}) == key(baseline)


def test_benchmarks_are_no_part_of_the_train_key_but_have_keys_of_their_own() -> None:
    plainly, limited = resolved(POINT), resolved(POINT, benchmarks={"clean": {"max_images": 10}})

    assert plainly.train_key == limited.train_key
    assert plainly.benchmarks[0].key != limited.benchmarks[0].key
    assert resolved(POINT, benchmarks={"clean": {"max_images": None}}).benchmarks[0].key == plainly.benchmarks[0].key


@pytest.mark.parametrize("what", ["method", "model", "loop", "mixing-set", "data"])
def test_raised_semantics_and_other_data_change_the_key(what: str) -> None:
    catalogue = builtin_catalogue()

    def compose(name: str) -> Any:
        found = catalogue.compose(name)
        return dataclasses.replace(found, semantics=found.semantics + 1)

    changed = {
        "method": {"compose": compose},
        "model": {"model": lambda name: dataclasses.replace(catalogue.model(name), semantics=99)},
        "loop": {"loop_semantics": 99},
        "mixing-set": {"mixing_set": lambda name: dataclasses.replace(catalogue.mixing_set(name), semantics=99)},
        "data": {"dataset": lambda name: dataclasses.replace(catalogue.dataset(name), identity="sha256:other")},
    }[what]

    assert resolved(POINT, catalogue=dataclasses.replace(catalogue, **changed)).train_key != key(POINT)


def test_a_childs_key_changes_with_its_parent() -> None:
    child = {**POINT, "init_from": {"method": "baseline"}}
    slower = {**POINT, "init_from": {"method": "baseline", "train": {"lr": 0.01}}}

    assert key(child) != key(slower)
    assert resolved(child).parents[0].train_key == key({**POINT, "method": "baseline"})
    assert resolved(child).config.init_from == resolved(child).parents[0].train_key


def test_another_seed_of_a_child_starts_from_that_seed_of_its_parent() -> None:
    child = resolved({**POINT, "init_from": {"method": "baseline"}})
    other = child.with_seed(child.config.seed + 1)

    assert other.parent is not None
    assert other.parent.config.seed == child.config.seed + 1
    assert other.config.init_from == other.parent.train_key
    assert other.with_seed(child.config.seed).train_key == child.train_key
    assert train_key(child.identity, dataclasses.replace(child.config, init_from="0" * 64)) != child.train_key


@pytest.mark.parametrize("hash_seed", ["0", "77"])
def test_keys_are_the_same_in_every_process(hash_seed: str) -> None:
    code = textwrap.dedent("""
        from orchestration.cells.load import load_sweep
        print([cell.train_key for cell in load_sweep("demo", size="smoke").cells])
    """)
    from orchestration.cells.load import load_sweep

    here = [cell.train_key for cell in load_sweep("demo", size="smoke").cells]

    there = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )

    assert there.stdout.strip() == str(here)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"method": "pixmx"}, "did you mean 'pixmix'?"),
        ({"dataset": "mnits"}, "did you mean 'mnist'?"),
        ({"model": "wrn-11-1"}, "6n + 4"),
        ({"model": "resnet-18", "dataset": "mnist"}, "at least 32 px"),
        ({"recipe": "cifra"}, "did you mean 'cifar'?"),
        ({"mixing_set": "fractal"}, "did you mean 'fractals'?"),
        ({"params": {"bata": 3}}, "did you mean 'beta'?"),
        ({"params": {"beta": "strong"}}, "must be a number, but got 'strong'"),
        ({"params": {"max_rounds": 2.5}}, "max_rounds"),
        ({"params": {"max_rounds": -1}}, "max_rounds"),
        ({"train": {"epohcs": 3}}, "epohcs"),
        ({"train": {"epochs": "many"}}, "epochs must be a whole number, but got 'many'"),
        ({"train": {"lr": -1}}, "lr"),
        ({"model_params": {"dropout": 2}}, "dropout"),
        ({"mixing_set_params": {"num_images": 1.5}}, "num_images"),
        ({"method": "cutmix+cutmix"}, "cutmix"),
    ],
)
def test_impossible_cells_are_refused_with_rule_value_and_way_out(change: Values, expected: str) -> None:
    assert expected in refusal({**POINT, **change})


def test_a_method_that_needs_a_mixing_set_must_name_one() -> None:
    point = {name: value for name, value in POINT.items() if name != "mixing_set"}

    assert "needs a mixing_set" in refusal(point)


def test_hyper_parameters_of_a_joined_method_go_to_the_part_that_has_them() -> None:
    cell = resolved({**POINT, "method": "pixmix+cutmix", "params": {"beta": 4, "probability": 1}})

    assert cell.config.method_params["pixmix"]["beta"] == 4
    assert cell.config.method_params["cutmix"]["probability"] == 1


def test_mistakes_of_benchmarks_are_told_too() -> None:
    assert "max_imges" in refusal(POINT, benchmarks={"clean": {"max_imges": 3}})
    assert "did you mean 'pgd'" in refusal(POINT, benchmarks={"pgdd": {}})


def test_what_came_later_is_in_no_key_of_a_cell_that_does_not_use_it() -> None:
    assert not {"released", "normalize"} & set(resolved(POINT).identity["config"])
