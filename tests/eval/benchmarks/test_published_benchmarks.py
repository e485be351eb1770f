"""Published files as benchmarks: right numbers on small files of the published layout, and reasons where they do not fit."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.registry import full_params
from eval.benchmarks.suite.evaluate import evaluate
from eval.corruptions.c.registry import BENCHMARK_KINDS
from eval.corruptions.cbar.registry import cbar_kinds
from eval.perturbations.p.registry import num_frames
from eval.published_files import arrays, folders, videos
from eval.published_files.layout import RENDITION_CLASSES
from tests.eval.conftest import subject_in

SIZE = 105
LABELS = (np.arange(SIZE) * 7 % 8).astype(np.int64)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


@pytest.fixture(params=[0, 3], ids=["loaded when due", "loaded ahead by threads"])
def make_subject(tmp_path, request):
    """Return a maker of subjects whose images are loaded by so many threads."""
    return lambda **fields: subject_in(tmp_path, **{"threads": request.param, **fields})


@pytest.fixture
def cifar(make_subject, monkeypatch):
    """A subject that calls itself CIFAR-10, with eight classes and 105 test images, whose files have no known checksums."""
    monkeypatch.setattr(arrays, "FILE_MD5", {})
    return make_subject(images=noise(SIZE, 32, 32, 3), labels=LABELS, dataset="cifar-10")


def run(subject, name, **params):
    (report,) = evaluate(subject, [BenchmarkRequest(name=name, params=params, key="k")])
    return report


def predicted(subject, images):
    with torch.no_grad():
        return subject.model(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).argmax(1).numpy()


def cifar_c(subject, kinds, folder="CIFAR-10-C"):
    """Write C files; return kind -> array."""
    arrays = {kind: noise(5 * SIZE, 32, 32, 3, seed=number + 1) for number, kind in enumerate(kinds)}
    for kind, array in arrays.items():
        write(subject.data_root / folder / f"{kind}.npy", array)
    write(subject.data_root / folder / "labels.npy", np.tile(subject.labels, 5).astype(np.uint8))
    return arrays


def test_the_error_on_c_is_that_of_the_files_severity_by_severity(cifar):
    arrays = cifar_c(cifar, ["fog", "snow"])
    report = run(cifar, "c", kinds=["fog", "snow"])
    assert report.error is None
    expected = {
        kind: [np.mean(predicted(cifar, array[s * SIZE : (s + 1) * SIZE]) != LABELS) for s in range(5)]
        for kind, array in arrays.items()
    }
    rows = {(row["corruption"], row["severity"]): row["error"] for row in report.outcome.rows}
    for kind, errors in expected.items():
        assert [rows[kind, severity] for severity in range(1, 6)] == pytest.approx(errors)
    assert report.outcome.metrics["error"].value == pytest.approx(np.mean(list(expected.values())))
    assert set(report.outcome.metrics) == {"error", "rms"}
    assert set(report.outcome.notes["missing"]) == {"rms-reference"}  # a set of 105 has no bin beside the last
    assert report.outcome.forward_passes == 10 * SIZE


def test_the_default_is_all_fifteen_and_no_alexnet_for_cifar(cifar):
    cifar_c(cifar, BENCHMARK_KINDS)
    report = run(cifar, "c", severities=[1])
    assert len(report.outcome.rows) == 15
    assert "mce" not in report.outcome.metrics


def test_a_limit_takes_the_same_images_of_every_set_and_is_told(cifar):
    from eval.inference.sampling import chosen_of

    arrays = cifar_c(cifar, ["fog"])
    report = run(cifar, "c", kinds=["fog"], severities=[2], max_images=40)
    chosen = chosen_of(SIZE, 40, cifar.seed)
    expected = np.mean(predicted(cifar, arrays["fog"][SIZE + chosen]) != LABELS[chosen])
    assert report.outcome.metrics["error"].value == pytest.approx(expected)
    assert report.outcome.notes["limited"] == {"used": 40, "of": SIZE}
    assert "rms" in report.outcome.notes["missing"]


def test_missing_truncated_and_mislabelled_files_are_refused_and_the_rest_still_runs(cifar):
    requests = [
        BenchmarkRequest(name="c", params={"kinds": ["fog", "snow"]}, key="a"),
        BenchmarkRequest(name="clean", params={}, key="b"),
    ]
    absent, clean = evaluate(cifar, requests)
    assert "unpack the published archive there" in absent.error
    assert clean.error is None
    cifar_c(cifar, ["fog"])
    assert "lacks 1 of the files" in run(cifar, "c", kinds=["fog", "snow"]).error
    path = cifar.data_root / "CIFAR-10-C" / "fog.npy"
    path.write_bytes(path.read_bytes()[:5000])
    assert "truncated" in run(cifar, "c", kinds=["fog"]).error
    cifar_c(cifar, ["fog"])
    shuffled = dataclasses.replace(cifar, labels=np.roll(LABELS, 1))
    assert "in a different order" in run(shuffled, "c", kinds=["fog"]).error


def test_files_that_differ_from_their_published_checksum_are_refused(cifar, monkeypatch):
    cifar_c(cifar, ["fog", "snow"])
    paths = {kind: cifar.data_root / "CIFAR-10-C" / f"{kind}.npy" for kind in ("fog", "snow")}
    known = {kind: hashlib.md5(path.read_bytes()).hexdigest() for kind, path in paths.items()}
    monkeypatch.setattr(arrays, "FILE_MD5", {"CIFAR-10-C": known})
    assert run(cifar, "c", kinds=["fog", "snow"]).error is None

    write(paths["fog"], np.load(paths["fog"]) ^ 1)
    changed = hashlib.md5(paths["fog"].read_bytes()).hexdigest()
    assert f"fog.npy' has MD5 {changed}" in run(cifar, "c", kinds=["fog", "snow"]).error


def test_a_dataset_without_published_files_is_told_to_generate_them(make_subject):
    assert "generate them with the benchmark 'c-generated'" in run(make_subject(), "c").error


def test_c_bar_reads_the_ten_of_its_scale(cifar):
    arrays = cifar_c(cifar, cbar_kinds(32), folder="CIFAR-10-C-Bar")
    report = run(cifar, "cbar", severities=[3])
    errors = [np.mean(predicted(cifar, array[2 * SIZE : 3 * SIZE]) != LABELS) for array in arrays.values()]
    assert report.outcome.metrics["error"].value == pytest.approx(np.mean(errors))
    assert len(report.outcome.rows) == 10


def test_sequences_of_p_are_read_whole_and_noise_is_compared_with_its_first_frame(make_subject):
    subject = make_subject(images=noise(6, 32, 32, 3), labels=LABELS[:6], dataset="cifar-10", batch_size=40)
    arrays = {kind: noise(6, num_frames(kind, 32), 32, 32, 3, seed=9) for kind in ("translate", "shot_noise")}
    for kind, array in arrays.items():
        write(subject.data_root / "CIFAR-10-P" / f"{kind}.npy", array)
    report = run(subject, "p", kinds=["translate", "shot_noise"])
    assert report.error is None
    frames = {k: predicted(subject, a.reshape(-1, 32, 32, 3)).reshape(6, -1) for k, a in arrays.items()}
    rows = {row["perturbation"]: row["mfr"] for row in report.outcome.rows}
    assert rows["translate"] == pytest.approx(np.mean(frames["translate"][:, 1:] != frames["translate"][:, :-1]))
    assert rows["shot_noise"] == pytest.approx(np.mean(frames["shot_noise"][:, 1:] != frames["shot_noise"][:, :1]))
    limited = run(subject, "p", kinds=["translate"], max_images=2)
    assert limited.outcome.notes["limited"] == {"used": 2, "of": 6}
    assert limited.outcome.forward_passes == 2 * 16


def test_mnist_c_is_read_per_corruption(make_subject):
    subject = make_subject(images=noise(12, 28, 28, 1), labels=LABELS[:12], dataset="mnist")
    for kind in ("fog", "stripe"):
        write(subject.data_root / "mnist_c" / kind / "test_images.npy", noise(12, 28, 28, 1, seed=3))
        write(subject.data_root / "mnist_c" / kind / "test_labels.npy", LABELS[:12])
    report = run(subject, "mnist-c", kinds=["fog", "stripe"])
    expected = np.mean(predicted(subject, noise(12, 28, 28, 1, seed=3)) != LABELS[:12])
    assert report.outcome.metrics["error"].value == pytest.approx(expected)
    assert set(report.outcome.metrics) == {"error"}


class Thousand(nn.Module):
    """A thousand logits: large for classes outside ImageNet-R, and the image's mean decides among the others."""

    def forward(self, images):
        level = (images.mean((1, 2, 3)) * 199.999).long()
        logits = torch.zeros(len(images), 1000)
        logits[:, 0] = 9.0  # class 0 has no renditions
        logits[torch.arange(len(images)), torch.tensor(RENDITION_CLASSES)[level]] = 5.0
        return logits


def write_image(path, level, size=48):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size, size, 3), level, dtype=np.uint8)).save(path)


def test_renditions_are_evaluated_among_their_200_classes_only(make_subject, monkeypatch):
    monkeypatch.setattr(folders, "images_per_set", lambda folder: 200)
    subject = make_subject(
        images=noise(4, 40, 40, 3),
        labels=np.zeros(4, dtype=np.int64),
        num_classes=1000,
        dataset="imagenet",
        model=Thousand().eval(),
    )
    for number in range(200):
        level = int(np.ceil(number * 255 / 199.999)) if number % 4 else 0  # every fourth looks like class 0 of the 200
        write_image(subject.data_root / "imagenet-r" / f"n{number:08d}" / "a.png", level)
    report = run(subject, "r")
    assert report.error is None
    assert report.outcome.metrics["error"].value == pytest.approx(49 / 200)
    assert set(report.outcome.metrics) == {"error", "rms", "rms-reference"}
    small = dataclasses.replace(subject, num_classes=8, model=nn.Flatten().eval())
    assert "needs a network of ImageNet's 1000 classes" in run(small, "r").error


def test_imagenet_c_is_normalised_by_alexnet_without_being_asked(make_subject, monkeypatch):
    monkeypatch.setattr(folders, "images_per_set", lambda folder: 8)
    subject = make_subject(images=noise(8, 40, 40, 3), dataset="imagenet", labels=np.arange(8))
    for label in range(8):
        write_image(subject.data_root / "ImageNet-C" / "fog" / "3" / f"n{label:08d}" / "a.png", 30 * label)
    report = run(subject, "c", kinds=["fog"], severities=[3])
    assert report.error is None
    assert report.outcome.notes["baseline"] == "alexnet-imagenet-c"
    assert report.outcome.notes["preprocessing"] == "as-stored"
    assert report.outcome.metrics["mce"].value == pytest.approx(report.outcome.metrics["error"].value / 0.84378)
    other = run(subject, "c", kinds=["fog"], severities=[3], preprocessing="reference")
    assert other.outcome.notes["preprocessing"] == "reference"
    shutil.rmtree(subject.data_root / "ImageNet-C" / "fog" / "3" / "n00000000")
    assert "must contain 8 class folders, but contains 7" in run(subject, "c", kinds=["fog"], severities=[3]).error


class Lightest(nn.Module):
    """Remembers the lightest value that it was given."""

    seen = 0.0

    def forward(self, images):
        self.seen = max(self.seen, float(images.max()))
        return torch.eye(8)[: len(images)]


def test_imagenet_c_bar_takes_either_preprocessing_and_says_which(make_subject, monkeypatch):
    """The middle of a stored image is dark, its border light: shrunk first, the crop reaches into the border."""
    monkeypatch.setattr(folders, "images_per_set", lambda folder: 8)
    subject = make_subject(images=noise(8, 224, 224, 3), dataset="imagenet", labels=np.arange(8))
    framed = np.full((300, 300, 3), 255, dtype=np.uint8)
    framed[38:262, 38:262] = 0
    for label in range(8):
        path = subject.data_root / "ImageNet-C-Bar" / "sparkles" / "3" / f"n{label:08d}" / "a.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(framed).save(path)
    lightest = {}
    for preprocessing in ("as-stored", "reference"):
        model = Lightest().eval()
        report = run(
            dataclasses.replace(subject, model=model),
            "cbar",
            kinds=["sparkles"],
            severities=[3],
            preprocessing=preprocessing,
        )
        assert report.error is None
        assert report.outcome.notes["preprocessing"] == preprocessing
        lightest[preprocessing] = model.seen
    assert lightest == {"as-stored": 0.0, "reference": 1.0}
    assert "preprocessing" not in full_params("cbar-generated", {})


def test_videos_of_imagenet_p_are_read_sequence_by_sequence(make_subject, monkeypatch):
    subject = make_subject(images=noise(8, 40, 40, 3), dataset="imagenet", labels=np.arange(8))
    monkeypatch.setattr(videos, "images_per_set", lambda folder: 8)
    monkeypatch.setattr(videos, "installed_decoder", lambda: lambda path: noise(41, 40, 40, 3, seed=int(path.stem)))
    for label in range(8):
        path = subject.data_root / "ImageNet-P" / "translate" / f"n{label:08d}" / f"{label}.mp4"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
    report = run(subject, "p", kinds=["translate"])
    assert report.error is None
    assert report.outcome.arrays["translate/top_classes"].shape == (8, 41, 6)
    assert "mfr-normalised" not in report.outcome.metrics


def test_two_baselines_that_fit_must_be_told_apart(cifar):
    cifar_c(cifar, ["fog"])
    folder = cifar.data_root / "baselines"
    folder.mkdir()
    text = "what: w\nsource: s\ndataset: cifar-10\nbenchmarks: [c]\nerrors: {fog: [0.1, 0.2, 0.3, 0.4, 0.5]}\n"
    (folder / "one.yaml").write_text(text)
    assert run(cifar, "c", kinds=["fog"]).outcome.notes["baseline"] == "one"
    (folder / "two.yaml").write_text(text)
    assert "name one of ['one', 'two']" in run(cifar, "c", kinds=["fog"]).error
    assert run(cifar, "c", kinds=["fog"], baseline="two").outcome.notes["baseline"] == "two"
