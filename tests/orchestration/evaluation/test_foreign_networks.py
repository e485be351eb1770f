"""Networks of others from the command line: what is assumed of them is said and tried, and their own record is heard."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from clusters.temporary.owners import owner_here
from orchestration.cells.catalogue import builtin_catalogue
from orchestration.cells.cell import PlannedCell
from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.cli.weight_options import join_normalize
from orchestration.errors import EnvironmentRefused, InputError
from orchestration.evaluation.adopting import adopt
from orchestration.evaluation.checkpoints import Reading, load_network
from orchestration.evaluation.evaluate import make_requests, network_config, open_network
from orchestration.planning.plan import make_plan
from orchestration.settings import Settings, read_settings
from orchestration.store.files import FileStore
from orchestration.store.open import open_store
from orchestration.tracking.content.state import run_state
from orchestration.tracking.content.tracked_values import tracked_sweep
from trainers.job import JobPaths, JobRequest
from trainers.models.contract import ModelInput
from trainers.models.registry import model_for
from trainers.models.weights.contents import contents_of
from trainers.training.checkpoints import Checkpoints
from trainers.training.group import OneWorker
from trainers.training.own_record import contradictions
from trainers.worker.run_job import run_job

MEANS = {"cat": 80, "dog": 150}
NUM_TEST = 100
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    """Threads that spin while they wait for each other make a shared machine crawl."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey noise of two classes that differ in brightness, 16 px."""
    root = tmp_path_factory.mktemp("pets")
    rng = np.random.default_rng(0)
    for split, count in (("train", 10), ("test", NUM_TEST // 2)):
        for name, mean in MEANS.items():
            path = root / split / name
            path.mkdir(parents=True)
            for number in range(count):
                values = rng.integers(mean - 50, mean + 51, (16, 16)).astype(np.uint8)
                Image.fromarray(values).save(path / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def dataset(folder: Path) -> str:
    return f"folder:{folder}@16"


def trained(mean: float, std: float) -> Weights:
    """Weights of the small network that makes no error on those classes, trained by plain torch on (pixel - mean) / std."""
    torch.manual_seed(0)
    spec = model_for("small-cnn")
    network = spec.build({"dropout": 0.0}, ModelInput(image_size=16, num_channels=3, num_classes=2))
    rng = np.random.default_rng(1)
    values = [rng.integers(each - 50, each + 51, (40, 1, 16, 16)) for each in MEANS.values()]
    images = torch.from_numpy(np.concatenate(values).repeat(3, axis=1)).float() / 255
    labels = torch.arange(2).repeat_interleave(40)
    learnt = list(network.parameters())
    momentum = [torch.zeros_like(parameter) for parameter in learnt]
    for _ in range(80):
        gradients = torch.autograd.grad(functional.cross_entropy(network((images - mean) / std), labels), learnt)
        with torch.no_grad():
            for parameter, gradient, speed in zip(learnt, gradients, momentum, strict=True):
                speed.mul_(0.9).add_(gradient)
                parameter.sub_(0.05 * speed)
    return network.state_dict()


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was trained on pixels in [0, 1] as they are; the file does not say so."""
    path = tmp_path_factory.mktemp("weights") / "raw.pt"
    torch.save(trained(0.0, 1.0), path)
    return path


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DREAMGRID_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DREAMGRID_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return read_settings()


@pytest.fixture
def evaluated(
    settings: Settings, dataset: str, capsys: pytest.CaptureFixture[str]
) -> Callable[[Path, Sequence[str]], dict[str, Any]]:
    """Return what `evaluate` says of a file of the small network."""

    def call(path: Path, extra: Sequence[str] = ()) -> dict[str, Any]:
        named = ["--model", "small-cnn", "--dataset", dataset, "--benchmarks", "clean", *extra, "--json"]
        assert main(["evaluate", str(path), *named]) == 0
        return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]

    return call


def error_of(document: dict[str, Any]) -> float:
    (report,) = document["reports"]
    return float(report["metrics"]["error"]["value"])


def test_a_wrong_assumption_shows_a_wrong_number_with_a_warning(
    raw: Path, evaluated: Callable[..., dict[str, Any]]
) -> None:
    """The network's own error is 0; normalised as the dataset is here it looks like chance, and the report says so."""
    document = evaluated(raw)
    assert error_of(document) > 0.3
    assumed = document["assumed"]
    assert (assumed["mean"], assumed["std"]) == ([0.5] * 3, [0.5] * 3)
    assert assumed["source"] == "the default of this dataset, since the file does not say"
    assert assumed["tried"]["images"] == NUM_TEST
    assert assumed["tried"]["errors"]["none"] == 0
    assert "use --normalize none" in assumed["warning"]


@pytest.mark.parametrize("option", [["none"], ["0", "1"]])
def test_the_right_number_is_shown_where_the_option_says_how_it_was_trained(
    raw: Path, evaluated: Callable[..., dict[str, Any]], option: list[str]
) -> None:
    document = evaluated(raw, ["--normalize", *option])
    assert error_of(document) == 0
    assert document["assumed"]["source"] == "as --normalize says"
    assert document["assumed"]["warning"] is None


def test_the_right_number_is_shown_where_the_file_says_how_it_was_trained(
    raw: Path, tmp_path: Path, evaluated: Callable[..., dict[str, Any]]
) -> None:
    beside = {"mu": torch.zeros(1, 3, 1, 1), "sigma": torch.ones(1, 3, 1, 1)}
    torch.save({**beside, **torch.load(raw)}, tmp_path / "musigma.pt")
    document = evaluated(tmp_path / "musigma.pt")
    assert error_of(document) == 0
    assert document["assumed"]["source"] == "from the file: mu, sigma"
    against = evaluated(tmp_path / "musigma.pt", ["--normalize", "half"])
    assert error_of(against) > 0.3
    assert against["assumed"]["notes"] == [
        "the file states another normalisation: mean 0, std 1 (none), from the file: mu, sigma"
    ]


def test_the_assumption_is_printed_for_people_too(
    raw: Path, settings: Settings, dataset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ["--model", "small-cnn", "--dataset", dataset, "--benchmarks", "clean"]
    assert main(["evaluate", str(raw), *named]) == 0
    printed = capsys.readouterr().out
    assert "assumed: images normalised by mean 0.5, std 0.5 (half), the default of this dataset" in printed
    assert "warning: with images normalised by 'none' this network makes 0.0 % errors over 100 test images" in printed


def test_an_average_in_the_file_is_told_and_taken_by_name(
    raw: Path, tmp_path: Path, evaluated: Callable[..., dict[str, Any]]
) -> None:
    good = torch.load(raw)
    torch.save({"state_dict": {n: torch.zeros_like(v) for n, v in good.items()}, "ema": good}, tmp_path / "two.pt")
    first = evaluated(tmp_path / "two.pt", ["--normalize", "none"])
    second = evaluated(tmp_path / "two.pt", ["--normalize", "none", "--state-dict", "ema"])
    assert (error_of(first), error_of(second)) == (0.5, 0.0)
    assert (
        "the file also contains ema (an average of the weights); it is taken with --state-dict ema"
        in first["assumed"]["notes"]
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--normalize", "imagnet"], "the name of a usual one, but got 'imagnet'"),
        (["--normalize", "0.5"], "a mean and a std"),
        (["--state-dict", "ema"], "must be in the file: top, but got 'ema'"),
    ],
)
def test_a_bad_option_is_one_message(
    raw: Path, settings: Settings, dataset: str, options: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(raw), "--model", "small-cnn", "--dataset", dataset, *options]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        (["--normalize", "0.5", "0.5", "x"], ["--normalize", "0.5 0.5", "x"]),
        (["--normalize", "1,2", "3e-1", "--json"], ["--normalize", "1,2 3e-1", "--json"]),
        (["--normalize=0", "1"], ["--normalize=0 1"]),
        (["--normalize", "none", "5"], ["--normalize", "none", "5"]),
        (["--normalize", "0 1", "x"], ["--normalize", "0 1", "x"]),
        (["--seed", "1", "2"], ["--seed", "1", "2"]),
        (["--normalize"], ["--normalize"]),
        (
            ["--normalize", "[0.4, 0.5, 0.6]", "(0.1, 0.2, 0.3)", "x"],
            ["--normalize", "[0.4, 0.5, 0.6] (0.1, 0.2, 0.3)", "x"],
        ),
        (["--normalize", "0.5", "nan", "x"], ["--normalize", "0.5 nan", "x"]),
    ],
)
def test_mean_and_std_are_one_value_of_the_option(given: list[str], joined: list[str]) -> None:
    assert join_normalize(given) == joined


def test_another_assumption_is_another_identity(raw: Path, dataset: str) -> None:
    config = network_config("small-cnn", dataset)
    keys = {
        make_requests({"clean": {}}, load_network(raw, config=config, reading=Reading(normalize=text)).assumed)[0].key
        for text in ("none", "0 1", "half", None)
    }
    assert len(keys) == 2


def test_torchvisions_weights_are_for_its_classes_and_need_no_options(settings: Settings) -> None:
    with pytest.raises(InputError) as caught:
        open_network("torchvision:resnet18", model=None, dataset="digits", reading=Reading(normalize="none"))
    assert "have the 1000 classes of ImageNet, but digits has 10" in str(caught.value)
    assert "--normalize: torchvision publishes the normalisation" in str(caught.value)


# Adopting


@pytest.fixture
def store(settings: Settings) -> FileStore:
    return open_store(settings.storage)


@pytest.fixture
def sweep(tmp_path: Path, dataset: str) -> Path:
    path = tmp_path / "pets.yaml"
    path.write_text(
        "name: pets\ntitle: Pets\n"
        f"base: {{dataset: '{dataset}', model: small-cnn, recipe: mnist, train: {{epochs: 2, batch_size: 10}}}}\n"
        "axes: {cells: [{row: Baseline, method: baseline}, {row: Cutout, method: cutout}]}\n"
        "table: {columns: [clean/error]}\n"
    )
    return path


def cells_of(sweep: Path, store: FileStore) -> tuple[PlannedCell, ...]:
    catalogue = builtin_catalogue()
    return make_plan(load_sweep(str(sweep), catalogue=catalogue), store=store).cells


def adopt_by_command(sweep: Path, path: Path, *extra: str, row: str = "Baseline") -> int:
    return main(["cells", "adopt", str(sweep), str(path), "--row", row, *extra])


def evaluate_cell(cell: PlannedCell, store: FileStore, settings: Settings) -> float:
    """Evaluate a cell as a worker does, record it, and return the error."""

    class Silent:
        def trained(self, *_: Any) -> None: ...
        def progress(self, *_: Any) -> None: ...
        def benchmark(self, key: str, sha256: str, report: Any) -> None:
            store.record_report(key, sha256, report)

    paths = JobPaths(
        checkpoints=settings.checkpoints, data_root=str(settings.data_root), cache_dir=str(settings.cache_dir)
    )
    request = JobRequest(
        train_key=cell.train_key,
        config=cell.config,
        benchmarks=cell.benchmarks,
        paths=paths,
        threads=1,
        dataset_identity=cell.dataset_identity,
        eras={cell.train_key: store.era(cell.train_key)},
    )
    sink: Any = Silent()
    (report,) = run_job(request, group=OneWorker(torch.device("cpu")), sink=sink).reports
    assert report.outcome is not None
    return report.outcome.metrics["error"].value


@pytest.mark.parametrize(("option", "expected"), [([], 0.5), (["--normalize", "none"], 0.0)])
def test_an_adopted_network_is_evaluated_with_the_normalisation_that_was_said(
    raw: Path,
    sweep: Path,
    store: FileStore,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    option: list[str],
    expected: float,
) -> None:
    assert adopt_by_command(sweep, raw, *option) == 0
    assert ("warning: with images normalised by 'none'" in capsys.readouterr().out) == (not option)
    assert evaluate_cell(cells_of(sweep, store)[0], store, settings) == expected


def test_an_adopted_entry_is_marked_in_tables_reports_and_what_is_shown_of_the_cell(
    raw: Path, tmp_path: Path, sweep: Path, store: FileStore, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adopt_by_command(sweep, raw) == 0
    cell = cells_of(sweep, store)[0]
    evaluate_cell(cell, store, settings)
    capsys.readouterr()
    assert main(["table", str(sweep)]) == 0
    table = capsys.readouterr().out
    assert "50.0▽" in table
    assert "of an adopted checkpoint, not trained here" in table
    assert "Baseline: assumed: images normalised by mean 0.5, std 0.5 (half)" in table
    assert "Baseline: warning: with images normalised by 'none'" in table
    assert main(["cells", "show", cell.cell_id]) == 0
    shown = capsys.readouterr().out
    assert f"adopted from {raw}" in shown
    assert "assumed: images normalised by mean 0.5, std 0.5 (half)" in shown
    assert main(["report", str(sweep), "-o", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "of an adopted checkpoint, not trained here" in page
    assert "assumed: images normalised by mean 0.5, std 0.5 (half)" in page
    for form in ("latex", "html", "csv", "json"):
        assert main(["table", str(sweep), "--format", form]) == 0
        assert "adopted" in capsys.readouterr().out


def test_an_adopted_run_is_marked_in_mlflow(raw: Path, sweep: Path, store: FileStore, settings: Settings) -> None:
    assert adopt_by_command(sweep, raw, "--normalize", "none") == 0
    catalogue = builtin_catalogue()
    plan = make_plan(load_sweep(str(sweep), catalogue=catalogue), store=store)
    tracked = tracked_sweep(plan)
    result = store.result(plan.cells[0].train_key)
    assert result is not None
    tags = run_state(tracked.cells[0], result, (), live=False).tags
    assert tags["origin"] == "adopted"
    assert "images normalised by mean 0, std 1 (none), as --normalize says" in tags["assumed"]


def test_each_normalisation_is_a_checkpoint_of_its_own(
    raw: Path, sweep: Path, store: FileStore, settings: Settings
) -> None:
    """Adopted, invalidated and adopted otherwise: no number of the one is shown for the other; and back again."""
    seen = []
    for option, expected in (([], 0.5), (["--normalize", "none"], 0.0), ([], 0.5)):
        assert adopt_by_command(sweep, raw, *option) == 0
        (cell, _) = cells_of(sweep, store)
        assert (cell.trained, len(cell.missing)) == (True, 1)
        assert evaluate_cell(cell, store, settings) == expected
        result = store.result(cell.train_key)
        assert result is not None
        assert [each.outcome.metrics["error"].value for each in result.reports.values() if each.outcome] == [expected]
        seen.append(result.training.summary.checkpoint_sha256)
        assert main(["cells", "invalidate", cell.train_key, "--reason", "a test"]) == 0
    assert len(set(seen)) == 2


RECORDS: list[tuple[dict[str, Any], str]] = [
    ({"dataset": "cifar10"}, "its dataset is 'cifar10', the row's dataset 'folder:"),
    ({"model": "wrn"}, "its model is 'wrn', the row's network 'small-cnn'"),
    ({"arch": "resnet50"}, "its arch is 'resnet50', the row's network 'small-cnn'"),
    (
        {"hyper_parameters": {"method": "PixMix"}},
        "its hyper_parameters.method is 'PixMix', the row's method 'baseline'",
    ),
    ({"config": {"seed": 3}}, "its config.seed is 3, the row's training has seed 0"),
    ({"epoch": 99}, "its epoch is 99, the row's training has 2 epochs"),
    ({"args": {"epochs": 90}}, "its args.epochs is 90, the row's training has 2 epochs"),
]


@pytest.mark.parametrize(("record", "expected"), RECORDS)
def test_a_record_that_contradicts_the_row_is_refused(
    raw: Path, tmp_path: Path, sweep: Path, settings: Settings, record: Any, expected: str, capsys: Any
) -> None:
    torch.save({"state_dict": torch.load(raw), **record}, tmp_path / "it.pt")
    assert adopt_by_command(sweep, tmp_path / "it.pt") == 2
    printed = capsys.readouterr().err
    assert f"its own record contradicts the row: {expected}" in printed
    assert "with --force, which marks the row" in printed


@pytest.mark.parametrize(
    "record",
    [
        {
            "epoch": 1,
            "config": {"seed": 0, "epochs": 2, "method": "Baseline", "arch": "SmallCNN", "model": "small_cnn"},
        },
        {"epoch": 2, "dataset": "my pets", "arch": "mine"},
    ],
)
def test_a_record_that_agrees_or_says_nothing_known_is_adopted(
    raw: Path, tmp_path: Path, sweep: Path, settings: Settings, record: Any
) -> None:
    torch.save({"state_dict": torch.load(raw), **record}, tmp_path / "it.pt")
    assert adopt_by_command(sweep, tmp_path / "it.pt") == 0


@pytest.mark.parametrize(
    ("theirs", "ours", "is_other"),
    [
        ("ImageNet", "folder:/data/imagenet-100@64", False),
        ("cifar10", "folder:/data/pets@64", True),
        ("folder:/old/pets@64", "folder:/data/pets@64", False),
        ("folder:/data/pets@64", "cifar-10", True),
        ("CIFAR_10", "cifar-10", False),
        ("cifar100", "cifar-10", True),
        ("my own images", "cifar-10", False),
    ],
)
def test_names_of_datasets_contradict_where_both_are_known(theirs: str, ours: str, is_other: bool) -> None:
    config = network_config("wrn-10-1", "digits")
    assert config is not None
    assert bool(contradictions({"dataset": theirs}, dataclasses.replace(config, dataset=ours))) == is_other


@pytest.mark.parametrize(
    ("said", "is_contradiction"),
    [
        ({"seed": "5"}, True),
        ({"seed": torch.tensor(5)}, True),
        ({"args": {"manual_seed": 5}}, True),
        ({"seed": "0"}, False),
        ({"seed": "none"}, False),
        ({"epoch": 89.0}, True),
        ({"args": {"num_epochs": 90}}, True),
        ({"args": {"weight_decay": 0.3}}, True),
        ({"args": {"lr": 0.7}}, True),
        ({"lr": 0.7}, False),
        ({"progress": {"rows": [{"epoch": 0, "lr": 0.7}, {"epoch": 1, "lr": 0.1}]}}, False),
        ({"progress": {"rows": [{"epoch": 0, "lr": 0.7}]}, "args": {"lr": 0.7}}, True),
    ],
    ids=str,
)
def test_numbers_that_a_file_records_in_any_spelling_contradict(said: dict[str, Any], is_contradiction: bool) -> None:
    """A seed may be a text, a tensor or have another name; the rate at the top of a file may be that of its last step, and
    the epochs of a checkpoint of ours are its history."""
    config = network_config("wrn-10-1", "digits")
    assert config is not None
    assert bool(contradictions(contents_of(said).record, config)) == is_contradiction


def test_a_forced_adoption_is_marked(
    raw: Path, tmp_path: Path, sweep: Path, store: FileStore, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": torch.load(raw), "dataset": "cifar10"}, tmp_path / "it.pt")
    assert adopt_by_command(sweep, tmp_path / "it.pt", "--force", "--normalize", "none") == 0
    assert "adopted although its dataset is 'cifar10'" in capsys.readouterr().out
    evaluate_cell(cells_of(sweep, store)[0], store, settings)
    assert main(["table", str(sweep)]) == 0
    table = capsys.readouterr().out
    assert "0.0▽●" in table
    assert "of a checkpoint that was adopted although its own record contradicts the row" in table
    assert "Baseline: adopted although its dataset is 'cifar10'" in table


def test_the_checkpoint_of_another_cell_is_refused(
    raw: Path, sweep: Path, store: FileStore, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A final checkpoint of ours names its cell; what was adopted against its record stays so, wherever it is adopted again."""
    assert adopt_by_command(sweep, raw) == 0
    first, second = cells_of(sweep, store)
    final = Path(settings.checkpoints) / first.train_key / "final.ckpt"
    capsys.readouterr()
    assert adopt_by_command(sweep, final, row="Cutout") == 2
    expected = f"it is the training of cell {first.cell_id}, the row is cell {second.cell_id}"
    assert expected in capsys.readouterr().err
    assert adopt_by_command(sweep, final, "--force", row="Cutout") == 0
    again = dataclasses.replace(second, trained=False)
    with pytest.raises(InputError, match="contradicts the row: it is the training of"):
        adopt(Path(settings.checkpoints) / second.train_key / "final.ckpt", again, settings=settings, store=store)


def test_a_checkpoint_on_the_way_is_no_end_of_a_training(
    raw: Path, tmp_path: Path, sweep: Path, store: FileStore, settings: Settings
) -> None:
    cell = cells_of(sweep, store)[0]
    state = {"model": {f"network.{name}": value for name, value in torch.load(raw).items()}, "average": None}
    Checkpoints(str(tmp_path / "way"), cell.train_key).save(state, 5)
    with pytest.raises(InputError, match="it is an intermediate checkpoint, not a final one"):
        adopt(tmp_path / "way" / cell.train_key / "step-000000000005.ckpt", cell, settings=settings, store=store)


def test_a_checkpoint_of_ours_knows_how_it_is_read(
    raw: Path, sweep: Path, store: FileStore, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """An adopted one brings along what was assumed of it, and no option may say otherwise."""
    assert adopt_by_command(sweep, raw, "--normalize", "none") == 0
    final = str(Path(settings.checkpoints) / cells_of(sweep, store)[0].train_key / "final.ckpt")
    capsys.readouterr()
    assert main(["evaluate", final, "--benchmarks", "clean", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert error_of(document) == 0
    assert document["assumed"]["source"] == "as --normalize says"
    assert main(["evaluate", final, "--normalize", "half"]) == 2
    assert "leave --normalize out" in capsys.readouterr().err


def test_a_cell_that_is_being_trained_takes_no_checkpoint(
    raw: Path, sweep: Path, store: FileStore, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = cells_of(sweep, store)[0]
    lease = store.acquire(cell.train_key, owner_here())
    assert lease is not None
    assert adopt_by_command(sweep, raw) == 3
    printed = capsys.readouterr().err
    assert f"cell {cell.cell_id} is held by process" in printed
    assert "dreamgrid stop" in printed
    store.release(lease)
    assert adopt_by_command(sweep, raw) == 0
    assert store.holders([cell.train_key]) == {}


def test_a_silent_driver_is_given_its_time(raw: Path, sweep: Path, settings: Settings) -> None:
    """Nobody can tell whether it lives: its lease runs out first."""
    slow, quick = open_store(settings.storage), open_store(settings.storage, lease_expiry_s=0.2)
    cell = cells_of(sweep, slow)[0]
    assert slow.acquire(cell.train_key, "somewhere else") is not None
    with pytest.raises(EnvironmentRefused, match="is held by somewhere else"):
        adopt(raw, cell, settings=settings, store=slow, patience_s=0.3)
    assert adopt(raw, cell, settings=settings, store=quick, patience_s=0.6).against == ()


def test_a_cell_that_was_trained_meanwhile_takes_no_checkpoint(
    raw: Path, sweep: Path, store: FileStore, settings: Settings
) -> None:
    cell = cells_of(sweep, store)[0]
    adopt(raw, cell, settings=settings, store=store)
    with pytest.raises(InputError, match="trained already"):
        adopt(raw, cell, settings=settings, store=store)
