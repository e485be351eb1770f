"""Outlier sets of other datasets: fitted, checked for overlap, refused together; consistency of sequences."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from eval.benchmarks.contract import BenchmarkRequest
from eval.benchmarks.ood import check_overlap
from eval.benchmarks.suite.evaluate import evaluate
from eval.errors import EvalError
from eval.inference.sampling import outlier_subsets
from eval.metrics.anomaly import detection
from eval.outliers.fit import fit_images
from eval.outliers.folders import fit_image
from eval.predictions import predictions_from
from eval.tables.column import Column, column_marks


def noise(count, shape=(8, 8, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def ood(sets, **params):
    return [BenchmarkRequest(name="ood", params={"sets": sets, **params}, key="k")]


def library(sets):
    def load(name):
        if name not in sets:
            raise FileNotFoundError(f"dataset {name!r} is not below the data root")
        return sets[name]

    return load


def test_sets_of_another_size_and_colour_are_evaluated_and_averaged(make_subject):
    subject = make_subject(load_images=library({"svhn": noise(50, (12, 10, 1)), "kmnist": noise(30, seed=1)}))
    (report,) = evaluate(subject, ood(["svhn", "kmnist", "blobs"], repeats=2))
    assert report.error is None
    rows = {(row["set"], row["variant"]): row for row in report.outcome.rows}
    means = np.mean([rows[name, "msp"]["auroc"] for name in ("svhn", "kmnist", "blobs")])
    assert report.outcome.metrics["auroc"].value == pytest.approx(means)
    assert rows["mean", "msp"]["auroc"] == pytest.approx(means)
    assert {variant for _, variant in rows} == {"msp", "xent", "max-logit", "energy"}


def test_the_ratio_is_one_outlier_to_five_test_images(make_subject):
    subject = make_subject(load_images=library({"svhn": noise(24)}))
    (report,) = evaluate(subject, ood(["svhn"], repeats=3))
    inside = predictions_from(report.outcome.arrays, "in-distribution")
    outside = predictions_from(report.outcome.arrays, "outliers/svhn")
    assert report.outcome.notes["taken"]["svhn"] == {
        "outliers": 24,
        "of_outliers": 24,
        "test_images": 120,
        "of_test_images": 120,
        "subsets": 3,
    }
    expected = detection(outside.score("msp"), inside.score("msp"))  # 24 of 24: every subset is the whole set
    assert report.outcome.metrics["aupr"].value == pytest.approx(expected.aupr)
    assert report.outcome.metrics["fpr95"].value == pytest.approx(expected.fpr95)


def write_outliers(folder, count, broken=0):
    folder.mkdir(parents=True)
    for number, image in enumerate(noise(count, seed=3)):
        Image.fromarray(image).save(folder / f"{number:03d}.png")
    for number in range(broken):
        (folder / f"broken-{number}.png").write_bytes(b"no image")


def test_a_broken_image_of_a_hundred_costs_itself_only(make_subject):
    """It took away the numbers of all sets."""
    subject = make_subject()
    write_outliers(subject.data_root / "good", 120)
    write_outliers(subject.data_root / "spoilt", 120, broken=1)
    (report,) = evaluate(subject, ood(["folder:good", "folder:spoilt"]))
    assert report.error is None
    rows = {row["set"]: row for row in report.outcome.rows}
    assert rows["folder:spoilt"]["auroc"] == pytest.approx(rows["folder:good"]["auroc"])
    assert report.outcome.notes["left_out"] == {"folder:spoilt": "1 of 121 images cannot be decoded: broken-0.png"}
    assert "refused_sets" not in report.outcome.notes


def test_a_set_with_many_broken_images_is_refused_alone_and_marked(make_subject):
    subject = make_subject()
    write_outliers(subject.data_root / "good", 120)
    write_outliers(subject.data_root / "bad", 100, broken=2)
    (both,) = evaluate(subject, ood(["folder:good", "folder:bad"]))
    (one,) = evaluate(subject, ood(["folder:good"]))
    assert both.outcome.metrics == one.outcome.metrics
    assert "2 of 102 are: broken-0.png, broken-1.png" in both.outcome.notes["refused_sets"]["folder:bad"]
    column = Column.of("ood/auroc")
    assert "fewer-sets" in column_marks(both.outcome, column)
    assert "fewer-sets" not in column_marks(one.outcome, column)
    assert "fewer-sets" not in column_marks(both.outcome, Column.of("ood/auroc/folder:good"))
    (alone,) = evaluate(subject, ood(["folder:bad"]))
    assert "2 of 102" in alone.error


@pytest.fixture
def two_of_a_kind():
    """Forty outliers of two kinds, every other one; with 8 or 2 of them the kinds stay as frequent."""
    return np.repeat(noise(2, seed=9), 20, axis=0).reshape(2, 20, 8, 8, 3).swapaxes(0, 1).reshape(40, 8, 8, 3)


def test_a_set_that_is_too_small_for_the_ratio_faces_fewer_test_images(make_subject, two_of_a_kind):
    """The same two images 20, 4 and once must have about one AUPR: chance stays 1/6, and the notes tell what was taken."""
    subject = make_subject(images=noise(200, seed=4), labels=np.arange(200) % 8)
    found = {}
    for count in (40, 8, 2):
        sized = dataclasses.replace(subject, load_images=library({"own": two_of_a_kind[:count]}))
        (report,) = evaluate(sized, ood(["own"]))
        found[count] = {name: metric.value for name, metric in report.outcome.metrics.items()}
        taken = report.outcome.notes["taken"]["own"]
        assert (taken["outliers"], taken["test_images"]) == (count, 5 * count)
        assert report.outcome.notes["small_sets"] == {"own": count}
        assert {row["n"] for row in report.outcome.rows if row["set"] == "own"} == {6 * count}
    # all test images were taken equally often, so that AUROC is exactly that of all of them
    assert found[8]["auroc"] == pytest.approx(found[40]["auroc"])
    assert found[2]["auroc"] == pytest.approx(found[40]["auroc"])
    assert found[8]["aupr"] == pytest.approx(found[40]["aupr"], rel=0.35)
    assert found[2]["aupr"] == pytest.approx(found[40]["aupr"], rel=0.75)


@pytest.mark.parametrize(("outliers", "inside", "repeats"), [(3000, 1000, 4), (50, 1000, 10), (7, 1003, 10), (1, 5, 3)])
def test_every_subset_has_the_published_ratio_and_no_image_twice(outliers, inside, repeats):
    subsets = list(outlier_subsets(outliers, inside, repeats=repeats, seed=0))
    assert len(subsets) >= repeats
    for chosen, faced in subsets:
        assert len(faced) == 5 * len(chosen)
        assert len(set(chosen)) == len(chosen) == min(outliers, inside // 5)
        assert len(set(faced)) == len(faced)
    counts = np.bincount(np.concatenate([faced for _, faced in subsets]), minlength=inside)
    assert counts.max() <= len(subsets) // (inside // (5 * len(subsets[0][0])))


def test_a_blind_score_has_an_aupr_of_one_sixth_for_any_number_of_outliers():
    generator = np.random.default_rng(0)
    for outliers in (200, 60, 30):
        values = []
        for _ in range(30):
            ood, inside = generator.random(outliers), generator.random(1000)
            subsets = outlier_subsets(outliers, 1000, repeats=2, seed=0)
            values += [detection(ood[chosen], inside[faced]).aupr for chosen, faced in subsets]
        assert np.mean(values) == pytest.approx(1 / 6, abs=0.025)


def test_fewer_than_five_test_images_are_refused(make_subject):
    (report,) = evaluate(make_subject(load_images=library({"svhn": noise(24)})), ood(["svhn"], max_images=4))
    assert "one to 5 test images, but there are 4" in report.error
    whole = make_subject()
    (drawn,) = evaluate(make_subject(images=whole.images[:4], labels=whole.labels[:4]), ood(["blobs"]))
    assert "one to 5 test images, but there are 4" in drawn.error


def test_files_of_a_set_that_lost_their_suffix_are_named_in_the_notes(make_subject):
    subject = make_subject()
    folder = subject.data_root / "mine"
    folder.mkdir(parents=True)
    for number, pixels in enumerate(noise(30, seed=3)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
        if number < 10:
            (folder / f"{number}.png").rename(folder / f"{number}.png.part")
    (report,) = evaluate(subject, ood(["folder:mine"], repeats=1))
    assert report.outcome.notes["taken"]["folder:mine"]["of_outliers"] == 20
    assert report.outcome.notes["left_out"]["folder:mine"].startswith("10 files have no image suffix: 0.png.part")


@pytest.mark.parametrize(("side", "shorter"), [(32, 32), (28, 28), (224, 256)])
@pytest.mark.parametrize("size", [(500, 375), (375, 500), (334, 500), (33, 41), (98, 49), (20, 31), (40, 40)])
def test_images_of_folders_are_fitted_as_published(side, shorter, size):
    """500 x 375 pixels became 43 x 32 and not 42 x 32, as Resize(32) makes them."""
    from torchvision import transforms

    image = Image.fromarray(noise(1, (size[1], size[0], 3))[0])
    published = transforms.Compose([transforms.Resize(shorter), transforms.CenterCrop(side)])
    np.testing.assert_array_equal(fit_image(image, shape=(side, side, 3)), np.asarray(published(image)))


def test_a_folder_without_a_name_is_no_outlier_set(make_subject):
    (report,) = evaluate(make_subject(), ood(["folder:"]))
    assert "must have a name, or a folder after 'folder:'" in report.error


def test_a_set_against_itself_and_missing_sets_are_refused_together(make_subject):
    subject = make_subject(load_images=library({}))
    (report,) = evaluate(subject, ood(["tiny", "svhn"]))
    assert "outlier set 'tiny': it contains the training classes of 'tiny'" in report.error
    assert "outlier set 'svhn': FileNotFoundError: dataset 'svhn' is not below the data root" in report.error


def test_test_images_under_another_name_are_refused(make_subject):
    subject = make_subject()
    copied = dataclasses.replace(subject, load_images=library({"mine": subject.images[:40]}))
    (report,) = evaluate(copied, ood(["mine"]))
    assert "40 of its 40 images are test images" in report.error


def test_a_single_shared_image_among_many_is_tolerated():
    inside = noise(10)
    check_overlap(np.concatenate([noise(200, seed=3), inside[:1]]), inside)
    with pytest.raises(EvalError, match="4 of its 204"):
        check_overlap(np.concatenate([noise(200, seed=3), inside[:4]]), inside)


def test_images_are_resized_by_the_shorter_side_and_cut_in_the_middle():
    wide = np.zeros((1, 8, 16, 3), dtype=np.uint8)
    wide[:, :, 4:12] = 200
    assert np.array_equal(fit_images(wide, (8, 8, 3)), np.full((1, 8, 8, 3), 200))
    image = noise(1, (20, 30, 3), seed=5)
    drawn = np.asarray(Image.fromarray(image[0]).resize((15, 10), Image.Resampling.BILINEAR))
    assert np.array_equal(fit_images(image, (10, 10, 3))[0], drawn[:, 2:12])


def test_grey_is_repeated_and_colour_turns_grey_as_pillow_does_it():
    grey, colour = noise(2, (8, 8, 1), seed=6), noise(2, (8, 8, 3), seed=7)
    assert np.array_equal(fit_images(grey, (8, 8, 3)), np.repeat(grey, 3, axis=3))
    turned = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in colour])
    assert np.array_equal(fit_images(colour, (8, 8, 1))[..., 0], turned)
    with pytest.raises(EvalError, match="C = 1 or 3"):
        fit_images(np.zeros((2, 8, 8, 4), dtype=np.uint8), (8, 8, 3))


def perturbations(**params):
    return [BenchmarkRequest(name="p-generated", params={"kinds": ["translate", "shot_noise"], **params}, key="k")]


def test_sequences_stay_whole_and_any_number_of_workers_gives_the_same(make_subject, threads):
    subject = make_subject(images=noise(20, (8, 8, 3)))
    (alone,) = evaluate(subject, perturbations())

    def work(worker):
        return evaluate(dataclasses.replace(subject, workers=worker), perturbations())[0]

    for report in threads(3).run(work):
        assert report.outcome.metrics == alone.outcome.metrics
        for name, values in alone.outcome.arrays.items():
            assert np.array_equal(values, report.outcome.arrays[name])
    assert alone.outcome.arrays["translate/top_classes"].shape == (20, 16, 6)
    assert alone.outcome.arrays["shot_noise/top_classes"].shape == (20, 31, 6)


def test_rates_are_those_of_the_recorded_frames(make_subject):
    (report,) = evaluate(make_subject(images=noise(12)), perturbations())
    frames = report.outcome.arrays["translate/top_classes"][:, :, 0].astype(int)
    noises = report.outcome.arrays["shot_noise/top_classes"][:, :, 0].astype(int)
    by_hand = [np.mean(frames[:, 1:] != frames[:, :-1]), np.mean(noises[:, 1:] != noises[:, :1])]
    rows = {row["perturbation"]: row["mfr"] for row in report.outcome.rows}
    assert (rows["translate"], rows["shot_noise"]) == pytest.approx(by_hand)
    assert report.outcome.metrics["mfr"].value == pytest.approx(np.mean(by_hand))


def test_a_baseline_of_the_users_own_normalises_and_one_that_lacks_a_kind_is_refused(make_subject):
    subject = make_subject(images=noise(6))
    folder = subject.data_root / "baselines"
    folder.mkdir()
    text = "what: w\nsource: s\nflip_rates: {translate: 0.5, shot_noise: 0.25}\ntop5_distances: {translate: 2.0%s}\n"
    (folder / "mine.yaml").write_text(text % ", shot_noise: 4.0")
    (folder / "half.yaml").write_text(text % "")
    requests = [*perturbations(baseline="mine"), *perturbations(baseline="half"), *perturbations(baseline="nobody")]
    good, half, unknown = evaluate(subject, requests)
    rows = {row["perturbation"]: row for row in good.outcome.rows}
    assert rows["shot_noise"]["mfr-normalised"] == pytest.approx(rows["shot_noise"]["mfr"] / 0.25)
    assert good.outcome.metrics["mt5d-normalised"].value == pytest.approx(
        (rows["translate"]["mt5d"] / 2 + rows["shot_noise"]["mt5d"] / 4) / 2
    )
    assert "lacks ['shot_noise']" in half.error
    assert "unknown baseline 'nobody'" in unknown.error
