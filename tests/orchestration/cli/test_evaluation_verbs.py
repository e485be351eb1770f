"""From the command line: any checkpoint evaluated on all axes, benchmarks made and checked, baselines, export and import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from orchestration.cli import main
from orchestration.results.evaluation_lines import evaluation_notes
from trainers.datasets.registry import dataset_for
from trainers.training.networks import build_classifier

FEW = ["--kinds", "contrast,brightness", "--severities", "1"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of an untrained network on the digits, as another trainer's file."""
    from orchestration.evaluation.evaluate import network_config

    config = network_config("wrn-10-1", "digits")
    torch.manual_seed(0)
    model = build_classifier(config, dataset_for("digits"))
    path = tmp_path_factory.mktemp("weights") / "weights.pt"
    torch.save({"state_dict": model.network.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMGRID_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("DREAMGRID_CACHE", str(cache))
    monkeypatch.setenv("DREAMGRID_DATA", str(tmp_path / "data"))


def run_json(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0):
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def report(weights: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small evaluation, as `--save` leaves it."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DREAMGRID_CACHE", str(cache))
        arguments = [str(weights), "--model", "wrn-10-1", "--dataset", "digits", "--max-images", "100"]
        wanted = ["--benchmarks", "clean,c-generated,ood-generated,pgd", "--set", "benchmarks.pgd.steps=1"]
        small = ["--set", "benchmarks.c-generated.kinds=[contrast]", "--set", "benchmarks.c-generated.severities=[1]"]
        assert main(["evaluate", *arguments, *wanted, *small, "--save", str(folder), "--json"]) == 0
    return folder


def test_a_report_covers_the_axes_and_tells_its_limits(report: Path) -> None:
    document = json.loads((report / "report.json").read_text())
    assert document["axes"] == ["accuracy", "corruption", "adversaries", "calibration", "anomaly"]
    assert {each["benchmark"] for each in document["reports"]} == {"clean", "c-generated", "ood-generated", "pgd"}
    assert all(each["notes"]["limited"]["used"] == 100 for each in document["reports"])
    assert document["forward_passes"] == sum(each["forward_passes"] for each in document["reports"])
    assert document["forward_passes"] == document["forward_passes_estimated"]
    assert document["missing"] == {}
    settings = {each["benchmark"]: each["settings"] for each in document["reports"]}
    assert settings == {
        "clean": [],
        "c-generated": ["kinds contrast (of 15)", "severities 1 (of 1, 2, 3, 4, 5)"],
        "ood-generated": [],
        "pgd": ["steps 1 instead of 20"],
    }
    said = evaluation_notes(document)
    assert "note: c-generated: kinds contrast (of 15), severities 1 (of 1, 2, 3, 4, 5)" in said
    assert "note: pgd: steps 1 instead of 20" in said


def test_compact_predictions_are_kept_beside_the_report(report: Path) -> None:
    from eval.predictions import predictions_from

    with np.load(report / "clean.npz") as arrays:
        predictions = predictions_from(arrays, "clean")
    document = json.loads((report / "report.json").read_text())
    clean = next(each for each in document["reports"] if each["benchmark"] == "clean")
    assert predictions.error == pytest.approx(clean["metrics"]["error"]["value"])


def test_benchmarks_of_which_none_can_run_are_refused_before_anything_starts(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data" / "empty").mkdir(parents=True)
    arguments = ["evaluate", str(weights), "--model", "wrn-10-1", "--dataset", "digits", "--benchmarks", "ood"]
    assert main([*arguments, "--set", 'benchmarks.ood.sets=["folder:empty", svhn]']) == 3
    said = capsys.readouterr()
    assert not said.out
    assert "outlier set 'folder:empty' needs a folder of images" in said.err
    assert "test_32x32.mat is missing" in said.err
    assert "train_32x32" not in said.err


def test_a_refused_benchmark_is_missing_and_the_others_are_there(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", str(weights), "--model", "wrn-10-1", "--dataset", "digits", "--max-images", "100"]
    assert main([*arguments, "--benchmarks", "clean,c,ood", "--set", "benchmarks.ood.sets=[digits, svhn]"]) == 1
    printed = capsys.readouterr().out
    assert "missing: c: " in printed
    assert "only for ['cifar-10', 'cifar-100', 'imagenet', 'tiny-imagenet']" in printed
    assert "outlier set 'digits': it contains the training classes of 'digits'" in printed
    assert "outlier set 'svhn'" in printed
    assert "Clean Error" in printed
    assert "limited to 100 of 355 images" in printed


def test_one_axis_of_a_suite_can_be_chosen(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", str(weights), "--model", "wrn-10-1", "--dataset", "digits", "--max-images", "100"]
    document = run_json([*arguments, "--suite", "generated", "--axes", "accuracy,anomaly"], capsys)
    assert [each["benchmark"] for each in document["reports"]] == ["clean", "ood-generated"]


def test_the_precision_of_an_evaluation_is_in_its_report(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", str(weights), "--model", "wrn-10-1", "--dataset", "digits", "--benchmarks", "clean"]
    for chosen in (["--precision", "bf16"], ["--set", "evaluation.precision=bf16"]):
        (report,) = run_json([*arguments, *chosen], capsys)["reports"]
        assert report["notes"]["evaluated_in"] == "bf16"
    (report,) = run_json([*arguments, "--precision", "fp32"], capsys)["reports"]
    assert report["notes"]["evaluated_in"] == "fp32"
    assert main([*arguments, "--precision", "bf16"]) == 0
    assert "note: clean: evaluated in bf16" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--suite", "ful"], "unknown suite 'ful' (did you mean 'full'?)"),
        (["--axes", "safety"], "unknown safety axis 'safety'"),
        (["--benchmarks", "clean,pgdd"], "unknown benchmark 'pgdd' (did you mean 'pgd'?)"),
        (["--benchmarks", "clean", "--suite", "full"], "but not both"),
        (["--benchmarks", "clean", "--set", "benchmarks.pgd.steps=2"], "is not among what is run"),
        (["--benchmarks", "clean", "--set", "train.epochs=3"], "--set train.epochs: nothing is trained here"),
        (["--benchmarks", "pgd", "--set", "benchmarks.pgd.step=2"], "unknown parameter 'step'"),
        (["--precision", "bf-16"], "one of fp32, tf32, bf16, but got 'bf-16' (did you mean 'bf16'?)"),
        (["--precision", "bf16", "--set", "evaluation.precision=tf32"], "the precision is given twice"),
        (["--max-images", "0"], "--max-images"),
    ],
)
def test_bad_requests_are_one_message(
    weights: Path, options: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(weights), "--model", "wrn-10-1", "--dataset", "digits", *options]) == 2
    printed = capsys.readouterr()
    assert expected in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/no/such/file"], "must be a readable file"),
        (["/no/such/file", "--model", "wrn-10-1"], "name both"),
        (["torchvision:alexnett"], "torchvision:alexnet"),
    ],
)
def test_a_checkpoint_that_cannot_be_opened_is_refused(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *arguments]) == 2
    assert expected in capsys.readouterr().err


def test_a_network_with_another_number_of_classes_is_refused(
    weights: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wrong = dict(torch.load(weights)["state_dict"])
    last = [name for name in wrong if wrong[name].shape[:1] == (10,)]
    wrong |= {name: wrong[name][:7] for name in last}
    torch.save(wrong, tmp_path / "wrong.pt")
    assert main(["evaluate", str(tmp_path / "wrong.pt"), "--model", "wrn-10-1", "--dataset", "digits"]) == 2
    assert "the weights must fit wrn-10-1 on digits" in capsys.readouterr().err


def test_a_benchmark_is_generated_once_and_verified(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = run_json(["data", "generate", "digits", "--seed", "5", *FEW], capsys)
    second = run_json(["data", "generate", "digits", "--seed", "5", *FEW], capsys)
    assert [row["made"] for row in first] == [True, True]
    assert [row["made"] for row in second] == [False, False]
    assert [row["sha256"] for row in first] == [row["sha256"] for row in second]
    assert {row["label"] for row in first} == {"generated"}

    rows = run_json(["data", "verify", "generated"], capsys)
    assert {row["state"] for row in rows} == {"whole"}

    path = Path(first[0]["path"])
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    rows = run_json(["data", "verify", "generated"], capsys, code=3)
    (broken,) = [row for row in rows if row["state"] == "broken"]
    assert "was recorded" in broken["detail"]
    path.unlink()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["generate", "digits", "--benchmark", "p"], "never stored"),
        (["generate", "digits", "--benchmark", "cc"], "unknown benchmark 'cc'"),
        (["generate", "digits", "--kinds", "fogg", "--severities", "9"], "2 mistakes"),
        (["generate", "digits", "--severities", "two"], "whole numbers"),
        (["generate", "digits", "--frost", "none"], "'procedural' or 'images'"),
        (["generate", "digit"], "did you mean 'digits'"),
        (["match", "digits"], "there are no published files of 'c' for 'digits'"),
        (["sheets", "digits", "--index", "999"], "355 test images"),
        (["verify", "CIFAR-10-D"], "CIFAR-10-D"),
        (["baselines", "--model", "alexnett"], "torchvision:alexnet"),
    ],
)
def test_bad_requests_for_data_are_one_message(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", *arguments]) == 2
    printed = capsys.readouterr()
    assert expected in printed.err
    assert printed.out == ""


def test_missing_benchmark_files_are_named_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = run_json(["data", "verify", "CIFAR-10-C"], capsys, code=3)
    assert row["state"] == "missing"
    assert "get it with: dreamgrid data fetch CIFAR-10-C" in row["detail"]


def test_datasets_benchmarks_and_outlier_sets_are_listed_with_the_way_to_get_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data" / "dtd" / "images").mkdir(parents=True)
    rows = {row["name"]: row for row in run_json(["data", "list"], capsys)}
    assert {row["kind"] for row in rows.values()} == {"dataset", "benchmark", "outliers"}
    assert rows["digits"]["is_there"]
    assert rows["textures"]["is_there"]
    assert "data fetch CIFAR-10-C --data-root" in rows["CIFAR-10-C"]["get_it_with"]
    assert "hendrycks/robustness" in rows["CIFAR-10-P"]["get_it_with"]


def test_the_sweep_of_the_evaluation_page_can_be_planned(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[3] / "docs" / "guides" / "fashion-mnist.yaml"
    document = run_json(["plan", str(page)], capsys)
    assert document["counts"]["wanted"] == 1
    assert any("fashion-mnist" in line for line in document["missing_data"])


def test_contact_sheets_show_every_family(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    document = run_json(["data", "sheets", "digits", "-o", str(tmp_path / "sheets")], capsys)
    assert [Path(path).name for path in document["sheets"]] == ["digits-0-c.png", "digits-0-cbar.png", "digits-0-p.png"]
    with Image.open(document["sheets"][0]) as sheet:
        assert sheet.height == 19 * 100


def test_a_baseline_is_measured_with_its_provenance_and_normalises(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--benchmarks", "p-generated", "--weights", str(weights), "--dataset", "digits", "--max-images", "4"]
    document = run_json(["data", "baselines", "--model", "wrn-10-1", "--name", "mine", *asked], capsys)
    assert set(document["flip_rates"]) == set(document["top5_distances"])
    assert "limited to 4 images" in document["what"]
    assert "measured on 20" in document["source"]
    assert Path(document["path"]) == tmp_path / "data" / "baselines" / "mine.yaml"

    assert main(["data", "baselines", "--model", "wrn-10-1", "--name", "mine", *asked]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_published_set_is_matched_by_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from eval.corruptions.generate import corrupt
    from eval.published_files.sets import PublishedSet
    from orchestration.evaluation import benchmark_data
    from trainers.datasets.load import load_split

    split = load_split("digits", "test", tmp_path)

    def published(family, dataset, labels, data_root, *, kinds, severities):
        others = corrupt(split.images, "contrast", 1, fingerprint="theirs", indices=np.arange(len(split.images)))
        wrong = corrupt(split.images, "brightness", 5, fingerprint="theirs", indices=np.arange(len(split.images)))
        for kind, images in (("contrast", others), ("brightness", wrong)):
            fields = {"corruption": kind, "severity": 1}
            yield PublishedSet(fields=fields, labels=labels, load=lambda start, stop, p=images: p[start:stop])

    monkeypatch.setattr(benchmark_data, "published_corruptions", published)
    rows = run_json(["data", "match", "digits", "--images", "60", *FEW], capsys, code=1)
    assert [row["is_match"] for row in rows] == [True, False]
    assert rows[0]["within_one_level"] == 1.0


def test_a_report_is_exported_and_its_numbers_come_back_as_a_labelled_cell(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = str(report / "report.json"), tmp_path / "out" / "ood.csv"
    assert main(["export", source, "--format", "openood", "-o", str(target)]) == 0
    capsys.readouterr()

    made = run_json(["import", str(target), "--format", "openood", "--name", "theirs", "--dataset", "digits"], capsys)
    again = run_json(["import", str(target), "--format", "openood", "--name", "theirs", "--dataset", "digits"], capsys)
    assert main(["import", str(target), "--format", "openood", "--name", "theirs", "--dataset", "digits"]) == 0
    assert (
        "next, show it: write `- {row: Theirs, imported: theirs}` below axes.cells of a sweep file"
        in capsys.readouterr().out
    )
    assert made["new"]
    assert not again["new"]
    assert made["cell"] == again["cell"]

    shown = run_json(["cells", "show", made["cell"]], capsys)
    assert shown["provenance"]["config"]["method"] == "theirs (imported)"
    assert shown["checkpoint"]["uri"] == "imported:openood:ood.csv"
    assert all(each["notes"]["imported"]["suite"] == "openood" for each in shown["reports"])

    assert main(["export", made["cell"], "--format", "openood"]) == 0
    back = capsys.readouterr().out.splitlines()
    assert [line.split(",")[:3] for line in back] == [line.split(",")[:3] for line in target.read_text().splitlines()]


@pytest.mark.parametrize("form", ["torch-uncertainty", "robustbench"])
def test_the_other_formats_are_written_too(report: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = run_json(["export", str(report / "report.json"), "--format", form, "--name", "mine"], capsys)
    assert "mine" in document["text"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["export", "abcd", "--format", "openood"], "nothing is recorded"),
        (["export", "abcd", "--format", "opennood"], "did you mean 'openood'?"),
        (["import", "/no/such", "--format", "openood", "--name", "x", "--dataset", "digits"], "readable text file"),
        (["import", __file__, "--format", "robustbench", "--name", "x", "--dataset", "digits"], "JSON document"),
        (["import", __file__, "--format", "openood", "--name", "x", "--dataset", "digit"], "did you mean 'digits'"),
        (["export", __file__, "--format", "openood"], "must be a report"),
    ],
)
def test_bad_exchanges_are_one_message(
    arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "storage").mkdir()
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert expected in printed.err
    assert printed.out == ""


def test_numbers_out_of_range_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("dataset,FPR@95,AUROC,AUPR_IN,AUPR_OUT,ACC\nsvhn,20,950,1,1,95\n")
    assert main(["import", str(path), "--format", "openood", "--name", "x", "--dataset", "digits"]) == 2
    assert "must be a rate between 0 and 1" in capsys.readouterr().err


def test_kept_predictions_give_the_numbers_again_without_the_network(
    report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.loads((report / "report.json").read_text())
    document = run_json(["evaluate", "--from-predictions", str(report)], capsys, code=1)
    numbers = {each["benchmark"]: each["metrics"] for each in document["reports"] if each["error"] is None}
    assert numbers == {each["benchmark"]: each["metrics"] for each in before["reports"] if each["benchmark"] != "pgd"}
    assert (document["dataset"], document["forward_passes"]) == ("digits", 0)
    assert "keeps no predictions" in document["missing"]["pgd"]
    settings = {each["benchmark"]: each["settings"] for each in before["reports"]}
    assert {each["benchmark"]: each["settings"] for each in document["reports"]} == settings


def test_another_score_of_kept_predictions_is_that_of_their_fine_rows(
    report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--from-predictions", str(report / "ood-generated.npz")]
    document = run_json([*arguments, "--set", "benchmarks.ood-generated.score=energy"], capsys)
    (found,) = document["reports"]
    mean = next(row for row in found["rows"] if (row["set"], row["variant"]) == ("mean", "energy"))
    assert found["metrics"]["auroc"]["value"] == mean["auroc"]
    assert found["settings"] == ["score energy"]


def test_a_file_without_its_report_is_known_by_its_name(
    report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clean.npz").write_bytes((report / "clean.npz").read_bytes())
    assert main(["evaluate", "--from-predictions", str(tmp_path / "clean.npz")]) == 0
    printed = capsys.readouterr().out
    assert "Clean Error" in printed
    assert "computed from kept predictions, without the network" in printed
    assert "clean: no report.json next to its predictions says how they were made" in printed
    assert main(["evaluate", "--from-predictions", str(report / "clean.npz")]) == 0
    printed = capsys.readouterr().out
    assert "no report.json" not in printed
    assert "clean: limited to 100 of" in printed


def test_kept_predictions_need_neither_torch_nor_a_network(report: Path) -> None:
    script = (
        "import sys\nfrom orchestration.cli import main\n"
        f"code = main(['evaluate', '--from-predictions', {str(report / 'clean.npz')!r}])\n"
        "sys.stderr.write('HEAVY ' + ' '.join({'torch', 'ray', 'mlflow'} & set(sys.modules)))\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("HEAVY ")


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["nowhere.npz"], "must be predictions of `dreamgrid evaluate --save`"),
        (["CLEAN", "CLEAN"], "predictions of 'clean' are given twice"),
        (["CLEAN", "--set", "benchmarks.pgd.steps=2"], "no predictions of it are given; there are: clean"),
        (["CLEAN", "--set", "train.epochs=2"], "nothing is trained here"),
        (["CLEAN", "--precision", "bf16"], "no network is run here"),
        (["CLEAN", "--set", "evaluation.precision=bf16"], "no network is run here"),
    ],
)
def test_mistaken_sources_of_predictions_are_one_message(
    report: Path, sources: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(report / "clean.npz") if source == "CLEAN" else source for source in sources]
    assert main(["evaluate", "--from-predictions", *given]) == 2
    assert expected in capsys.readouterr().err


def test_several_checkpoints_are_refused(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "a.pt", "b.pt"]) == 2
    assert "only --from-predictions takes several" in capsys.readouterr().err
