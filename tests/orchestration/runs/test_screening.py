"""Screening: what is screened, how a training is cut into stretches, and that nothing of it becomes a result."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.load import load_sweep
from orchestration.cells.resolved import ResolvedPoint
from orchestration.cli import main
from orchestration.errors import InputError
from orchestration.runs.screening.request import Screened, ScreenOptions, screened_cells
from orchestration.runs.screening.screen import rank_correlation
from orchestration.runs.screening.trial import chosen_cell, run_stretches, screen_trial
from orchestration.store.open import open_store
from orchestration.sweeps.model import Overrides
from trainers.errors import UnusableDevice
from trainers.job import JobPaths

CPU = torch.device("cpu")


def paths(folder: Path) -> JobPaths:
    return JobPaths(checkpoints=str(folder / "ck"), data_root=str(folder / "data"), cache_dir=str(folder / "cache"))


def points_of(name: str, **settings: object) -> tuple[ResolvedPoint, ...]:
    return load_sweep(name, size="smoke", overrides=Overrides(settings=settings)).points


def screened(
    points: tuple[ResolvedPoint, ...], folder: Path, **options: object
) -> tuple[tuple[Screened, ...], dict[str, str]]:
    return screened_cells(
        points,
        options=ScreenOptions(**options),  # type: ignore[arg-type]
        paths=paths(folder),
        catalogue=builtin_catalogue(),
    )


def test_a_screened_training_has_a_key_of_its_own_and_holds_images_out(tmp_path: Path) -> None:
    points = points_of("table-10")

    wanted, left_out = screened(points, tmp_path)

    assert not left_out
    assert {each.train_key for each in wanted} == {each.cell.train_key for each in points}
    assert not {each.request.train_key for each in wanted} & {each.cell.train_key for each in points}
    assert all(each.request.config.recipe.validation_images > 0 for each in wanted)
    assert all(each.request.benchmarks == () for each in wanted)


def test_rows_that_build_on_other_cells_are_left_out_by_name(tmp_path: Path) -> None:
    wanted, left_out = screened(points_of("table-3"), tmp_path)

    assert left_out == {"OE": "builds on another cell, which screening does not train"}
    assert "OE" not in {each.row for each in wanted}


def test_a_training_is_told_after_each_stretch_and_ends_with_its_last_epoch(tmp_path: Path) -> None:
    points = points_of("demo", **{"train.epochs": 2})
    (wanted,), _ = screened((points[0],), tmp_path, validation_images=50)
    told: list[dict[str, object]] = []

    run_stretches(wanted, threads=1, device=CPU, notify=told.append)

    assert [each["epoch"] for each in told] == [1, 2]
    assert all(0.0 <= float(str(each["validation_error"])) <= 1.0 for each in told)
    assert {each["cell_id"] for each in told} == {points[0].cell.cell_id}


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU that torch can use")
def test_a_trial_whose_gpu_torch_cannot_use_trains_nothing(tmp_path: Path) -> None:
    wanted, _ = screened(points_of("demo"), tmp_path)

    with pytest.raises(UnusableDevice, match="reserved a GPU, but torch sees no GPU") as caught:
        screen_trial({"cell": 0}, cells=wanted, threads=1, gpus=1.0)

    assert str(caught.value).endswith("or give --gpus 0 to train on CPUs")
    assert not (tmp_path / "ck").exists()


@pytest.mark.slow
def test_stretches_give_the_weights_of_an_uninterrupted_training(tmp_path: Path) -> None:
    points = points_of("demo", **{"train.epochs": 3})
    errors = []
    for look_every in (1, 3):
        (wanted,), _ = screened((points[0],), tmp_path / str(look_every), validation_images=200, look_every=look_every)
        told: list[dict[str, object]] = []
        run_stretches(wanted, threads=1, device=CPU, notify=told.append)
        errors.append(told[-1]["validation_error"])

    assert errors[0] == errors[1]


def test_a_configuration_names_a_cell_by_place_or_by_its_settings(tmp_path: Path) -> None:
    wanted, _ = screened(points_of("demo"), tmp_path)

    assert chosen_cell({"cell": 1}, wanted) is wanted[1]
    assert chosen_cell({"method": "pixmix"}, wanted).row == "PixMix"  # type: ignore[union-attr]
    assert chosen_cell({"method": "nobody"}, wanted) is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"scheduler": "ahsa"}, "did you mean 'asha'"),
        ({"search": "optun"}, "did you mean 'optuna'"),
        ({"trials": 0, "reduction": 1}, "reduction must be at least 2"),
        ({"cpus": 0.0}, "above 0"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        ScreenOptions(**options)  # type: ignore[arg-type]

    assert expected in str(caught.value)


def test_the_command_line_refuses_wrong_options_and_missing_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["screen", "demo", "--scheduler", "ahsa", "--storage", str(tmp_path)]) == 2
    assert main(["screen", "table-10", "--storage", str(tmp_path), "--data-root", str(tmp_path)]) == 2

    told = capsys.readouterr().err
    assert "did you mean 'asha'" in told
    assert "cifar-100" in told


def shared_ranks(values: list[float]) -> list[float]:
    return [sum(each < value for each in values) + sum(each <= value for each in values) for value in values]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=30))
def test_rank_correlation_is_that_of_ranks_that_ties_share(pairs: list[tuple[int, int]]) -> None:
    first, second = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    found = rank_correlation(first, second)

    if len(set(first)) < 2 or len(set(second)) < 2:
        assert found is None
    else:
        a, b = np.array(shared_ranks(first)), np.array(shared_ranks(second))
        assert found == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-12)


def test_two_pairs_say_nothing() -> None:
    assert rank_correlation([1.0, 2.0], [1.0, 2.0]) is None


@pytest.fixture(scope="module")
def shared_ray() -> Iterator[None]:
    """A private Ray with 2 CPUs that all screenings of this process use."""
    from clusters.connect import connect

    with connect(num_cpus=2):
        yield


def test_a_screening_tells_in_one_line_how_far_its_trainings_are() -> None:
    from orchestration.runs.screening.tuning import TrialProgress

    told: list[tuple[str, bool]] = []
    callback = TrialProgress(3, lambda text, is_brief: told.append((text, is_brief)))
    first, second = SimpleNamespace(trial_id="a"), SimpleNamespace(trial_id="b")
    pickle.loads(pickle.dumps(callback)).on_trial_start(iteration=1, trials=[], trial=first)
    callback.on_trial_start(iteration=1, trials=[], trial=first)
    callback.on_trial_start(iteration=1, trials=[], trial=second)
    callback.on_trial_result(iteration=1, trials=[], trial=first, result={"epoch": 2})
    callback.on_trial_complete(iteration=1, trials=[], trial=first)
    callback.on_trial_error(iteration=1, trials=[], trial=second)

    assert told[2] == ("0 of 3 trainings ended, 2 running, epochs: 2", True)
    assert told[3] == ("1 of 3 trainings ended, 1 running, epochs: 2", False)
    assert told[4] == ("2 of 3 trainings ended, 0 running, epochs: 2", False)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize(
    "options", [["--scheduler", "asha", "--reduction", "2"], ["--search", "optuna", "--trials", "3"]]
)
def test_a_screening_orders_cells_and_records_no_result(
    options: list[str], shared_ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage, cache = tmp_path / "storage", tmp_path / "cache"
    common = ["--smoke", "--storage", str(storage), "--set", "train.epochs=2", "--max-concurrent", "2"]

    assert main(["screen", "demo", *common, *options, "--data-root", str(cache), "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["cells"]
    assert all(cell["error"] is not None and not cell["broken"] for cell in document["cells"])
    assert 0 < document["epochs_share"] <= 1
    assert document["correlation"] is None
    assert open_store(str(storage)).train_keys() == ()
    assert Path(document["file"]).is_file()
