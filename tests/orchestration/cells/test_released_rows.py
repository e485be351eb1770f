"""Rows of released networks: planned without training, told apart from trained ones, the same for all seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.identity import identity_of
from orchestration.cells.resolve import resolve_sweep
from orchestration.errors import InputError
from orchestration.planning.plan import make_plan
from orchestration.store.open import open_store
from orchestration.sweeps.expand import expand
from orchestration.sweeps.model import Sweep
from orchestration.sweeps.schema import parse_document
from orchestration.sweeps.yaml_reader import Document

BASE = {"dataset": "cifar-10", "model": "wrn-40-4", "recipe": "cifar", "mixing_set": "fractals", "method": "pixmix"}
RELEASED = {"row": "PixMix (released)", "released": "pixmix-cifar-10"}


def sweep_of(cells: Sequence[dict[str, Any]], seeds: Sequence[int] = (0,)) -> Sweep:
    table = {"columns": ["clean/error"]}
    value = {"name": "s", "title": "S", "base": BASE, "axes": {"cells": list(cells)}, "table": table}
    document = Document({**value, "seeds": list(seeds)}, {})
    file, mistakes = parse_document(document)
    assert file is not None, mistakes
    return expand(file, document)[0]


def test_released_row_is_another_cell_than_the_trained_one_and_wants_no_training() -> None:
    trained, released = resolve_sweep(sweep_of([{"row": "PixMix"}, RELEASED]), builtin_catalogue()).cells
    assert trained.train_key != released.train_key
    assert trained.config.released is None
    assert (released.config.released, released.config.recipe.epochs) == ("pixmix-cifar-10", 0)
    assert released.config.mixing_set is None
    assert released.parents == ()


def test_released_network_is_one_cell_for_all_seeds() -> None:
    cells = resolve_sweep(sweep_of([RELEASED], seeds=[0, 1, 2]), builtin_catalogue()).cells
    assert len({cell.train_key for cell in cells}) == 1
    assert {cell.config.seed for cell in cells} == {0}


def test_keys_of_trained_cells_do_not_know_of_released_ones() -> None:
    (trained,) = resolve_sweep(sweep_of([{"row": "PixMix"}]), builtin_catalogue()).cells
    assert "released" not in identity_of(trained.config, "data", {}, None, None)["config"]


def test_plan_names_the_missing_file_and_where_it_is_published(tmp_path: Path) -> None:
    store = open_store(tmp_path / "storage")
    plan = make_plan(resolve_sweep(sweep_of([RELEASED]), builtin_catalogue(tmp_path)), store=store)
    (line,) = [line for line in plan.missing_data if "released" in line]
    assert "drive.google.com" in line
    assert str(tmp_path / "checkpoints") in line


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"released": "pixmix-cifar-1"}, "did you mean 'pixmix-cifar-10'"),
        ({"method": "cutout"}, "is of method 'pixmix', not 'cutout'"),
        ({"model": "wrn-16-1"}, "is of model 'wrn-40-4', not 'wrn-16-1'"),
    ],
)
def test_released_network_in_a_row_that_is_not_its_own_is_refused(change: dict[str, str], text: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_sweep(sweep_of([{**RELEASED, **change}]), builtin_catalogue())
    assert text in str(caught.value)


def test_a_row_may_say_another_normalisation_and_is_another_cell_then() -> None:
    """Names and numbers that mean the same are one identity; without any the key is that of before."""
    says = [
        {"normalize": "imagenet"},
        {"normalize": [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]},
        {"normalize": "none"},
    ]
    rows = [RELEASED, *({**RELEASED, "row": f"row {index}", **each} for index, each in enumerate(says))]
    plain, named, spelled, none = resolve_sweep(sweep_of(rows), builtin_catalogue()).cells
    assert len({plain.train_key, named.train_key, none.train_key}) == 3
    assert named.train_key == spelled.train_key
    assert none.config.normalize == ((0.0,) * 3, (1.0,) * 3)
    assert "normalize" not in identity_of(plain.config, "data", {}, None, None)["config"]


ODD: tuple[Any, ...] = (0.5, [0.5], {"mean": 0.5, "std": 0.5}, True, "")


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({**RELEASED, "normalize": "imagnet"}, "the name of a usual one, but got 'imagnet'"),
        *(({**RELEASED, "normalize": odd}, f"usual one, but got {odd!r}; write a name") for odd in ODD),
        ({**RELEASED, "normalize": "0.5,0.5 1"}, "must have 1 value or one for each of 3 channels, but got 2"),
        ({"row": "PixMix", "normalize": "none"}, "`normalize` is only for rows with third-party weights"),
    ],
)
def test_a_normalisation_that_cannot_be_is_a_mistake_of_the_plan(row: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve_sweep(sweep_of([row]), builtin_catalogue())
    assert text in str(caught.value)
    assert len(caught.value.mistakes) == 1


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ({"train": {"epochs": 3}}, "train.epochs"),
        ({"params": {"k": 1}}, "params.k"),
        ({"mixing_set": "fvis"}, "mixing_set"),
        ({"init_from": {"method": "baseline"}}, "init_from"),
    ],
)
def test_what_changes_nothing_in_a_released_row_is_refused(setting: dict[str, Any], name: str) -> None:
    """The row was shown as if its setting counted."""
    with pytest.raises(
        InputError, match=f"row 'PixMix .released.' shows a released network.* cannot set {name}"
    ) as raised:
        resolve_sweep(sweep_of([{"row": "PixMix"}, RELEASED | setting]), builtin_catalogue())
    assert len(raised.value.mistakes) == 1


def test_what_a_released_row_needs_or_counts_in_it_can_be_set() -> None:
    named = {"method": "pixmix", "dataset": "cifar-10", "model": "wrn-40-4", "recipe": "cifar", "normalize": "none"}
    (cell,) = resolve_sweep(sweep_of([RELEASED | named]), builtin_catalogue()).cells
    assert cell.config.normalize == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
