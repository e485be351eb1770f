"""The parameters of runs: every field of a cell's configuration, exactly, in MLflow itself and through its own client."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.planning.plan import make_plan
from orchestration.settings import sqlite_address
from orchestration.store.open import open_store
from orchestration.tracking.content.params import LONGEST_PARAM, cell_params
from orchestration.tracking.content.tracked_values import tracked_sweep
from orchestration.tracking.sync import sync
from trainers.config import JobConfig, MixingSetConfig, RecipeConfig


def params_of(planned: Any) -> dict[str, str]:
    return cell_params(planned, str)


def swept(lab: Any, **recipes: tuple[Any, ...]) -> Any:
    """A plan with one cell for each combination of these values of the recipe."""
    first = lab.cell("baseline", 0)
    cells = []
    for number, values in enumerate(itertools.product(*recipes.values())):
        recipe = replace(first.config.recipe, **dict(zip(recipes, values, strict=True)))
        key = f"{number:064x}"
        cells.append(replace(first, config=replace(first.config, recipe=recipe), train_key=key))
    return replace(lab.plan(), cells=tuple(cells))


@pytest.mark.parametrize("name", ["demo", "table-3", "table-10", "mixing-sets"])
def test_every_field_of_every_configuration_is_a_parameter(name: str) -> None:
    plan = make_plan(load_sweep(name, catalogue=builtin_catalogue(None)), store=open_store("memory:"))
    for planned in plan.cells:
        params, config = params_of(planned), planned.config

        assert {f"train.{field.name}" for field in fields(RecipeConfig)} <= params.keys()
        assert {f"model.{option}" for option in config.model_params} <= params.keys()
        assert _leaves(config.method_params) <= {name.removeprefix("method.") for name in params}
        if config.mixing_set is not None:
            stated = {field.name for field in fields(MixingSetConfig)} - {"name", "params"}
            assert {f"mixing_set.{each}" for each in {*stated, *config.mixing_set.params}} <= params.keys()


def _leaves(params: Mapping[str, Any], path: str = "") -> set[str]:
    inner = [
        _leaves(value, f"{path}{name}.") if isinstance(value, Mapping) else {f"{path}{name}"}
        for name, value in params.items()
    ]
    return set[str]().union(*inner)


def test_a_sweep_over_weight_decay_and_precision_is_told_apart_by_mlflows_own_search(
    store: Any, lab: Any, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    plan = swept(lab, weight_decay=(5e-4, 1 / 3), precision=("fp32", "tf32"))
    for cell in plan.cells:
        lab.finish(store, cell)
    uri = sqlite_address(tmp_path / "mlflow.db")
    done = sync(store, lab.done(plan), uri)

    client = MlflowClient(uri)
    (run,) = client.search_runs(
        [done.experiment_id], f"params.`train.weight_decay` = '{1 / 3!r}' and params.`train.precision` = 'tf32'"
    )

    assert run.data.tags["cell_key"] == plan.cells[3].train_key
    assert float(run.data.params["train.weight_decay"]) == 1 / 3
    assert run.data.params["train.grad_clip"] == "null"
    assert run.data.params["evaluation.precision"] == "fp32"
    assert tracked_sweep(plan).varying == ("train.weight_decay", "train.precision")


def test_a_hyper_parameter_named_like_a_setting_is_told_from_it(lab: Any) -> None:
    cell = lab.cell("pixmix", 0)
    config = replace(cell.config, method_params={"lr": 0.3, "beta": 3.0, "size": {"lr": 1}})
    params = params_of(replace(cell, config=config))

    assert (params["method.lr"], params["train.lr"], params["beta"], params["size.lr"]) == ("0.3", "0.1", "3", "1")
    assert "lr" not in params


def test_a_value_that_mlflow_cannot_store_whole_is_cut_and_still_told_from_others(lab: Any) -> None:
    cell = lab.cell("pixmix", 0)

    def shown(text: str) -> str:
        return params_of(replace(cell, config=replace(cell.config, method_params={"text": text})))["text"]

    one, other = shown("a" * 7000), shown("a" * 6999 + "b")
    assert len(one) == len(other) == LONGEST_PARAM
    assert one != other
    assert "(7000 characters, SHA-256 " in one
    assert shown("a" * LONGEST_PARAM) == "a" * LONGEST_PARAM


def test_hundreds_of_parameters_and_thousands_of_values_are_stored_whole(store: Any, lab: Any, tmp_path: Path) -> None:
    """MLflow takes 100 parameters and 1,000 values a call."""
    from mlflow import MlflowClient

    cell = lab.cell("pixmix", 0)
    many = {f"weight_{number:03}": number / 7 for number in range(250)}
    cell = replace(cell, config=replace(cell.config, method_params=many))
    training = lab.training(cell)
    epochs = tuple(lab.epoch(number, 1000.0 + number) for number in range(200))
    store.record_training(replace(training, summary=replace(training.summary, epochs=epochs)))
    uri = sqlite_address(tmp_path / "mlflow.db")
    done = sync(store, replace(lab.plan(), cells=(cell,)), uri)

    client = MlflowClient(uri)
    (run,) = client.search_runs([done.experiment_id], "tags.kind = 'cell'")
    assert {name: float(run.data.params[name]) for name in many} == many
    assert len(client.get_metric_history(run.info.run_id, "train/loss")) == 200


def test_runs_of_an_earlier_version_gain_the_parameters_that_they_lack(store: Any, lab: Any, server: Any) -> None:
    plan = lab.plan(seeds=1, methods=("baseline",))
    (cell,) = plan.cells
    lab.finish(store, cell)
    sync(store, lab.done(plan), "fake", client=server)
    run = server.of(cell)
    before = {"method": "baseline", "epochs": "2", "lr": "0.1", "seed": "0"}
    server.runs[run.run_id] = replace(run, params=before)

    assert sync(store, lab.done(plan), "fake", client=server).written == 1

    assert server.of(cell).run_id == run.run_id
    assert server.of(cell).params == {**before, **params_of(cell)}


def test_another_precision_of_the_evaluation_has_a_run_of_its_own(store: Any, lab: Any, server: Any) -> None:
    """A parameter never changes in MLflow, and the run's numbers would not be those of its parameter."""
    plan = lab.plan(seeds=1, methods=("baseline",))
    (cell,) = plan.cells
    lab.finish(store, cell)
    sync(store, lab.done(plan), "fake", client=server)
    first = server.of(cell)
    other = tuple(replace(request, precision="bf16") for request in cell.benchmarks)
    changed = lab.done(replace(plan, cells=(replace(cell, benchmarks=other),)))

    sync(store, changed, "fake", client=server)
    again = sync(store, changed, "fake", client=server)

    run = server.of(cell)
    assert (run.params["evaluation.precision"], first.params["evaluation.precision"]) == ("bf16", "fp32")
    assert first.run_id in server.deleted
    assert (run.tags["primary"], again.written) == ("true", 0)


def test_a_field_that_a_recipe_gains_is_a_parameter_without_a_line_here(lab: Any) -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Grown(RecipeConfig):
        lookahead: int = 5

    cell = lab.cell("baseline", 0)
    config: JobConfig = replace(cell.config, recipe=Grown())

    assert params_of(replace(cell, config=config))["train.lookahead"] == "5"
