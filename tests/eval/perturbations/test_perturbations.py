"""Sequences of benchmark P."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

from eval.corruptions.generate import corrupt
from eval.perturbations.frames import perturb
from eval.perturbations.p.registry import (
    BENCHMARK_PERTURBATIONS,
    PERTURBATIONS,
    benchmark_perturbations,
    num_frames,
    perturbation_scale,
)

each_kind = pytest.mark.parametrize("kind", PERTURBATIONS)


@pytest.fixture(scope="module")
def originals() -> np.ndarray:
    noise = np.random.default_rng(0).random((4, 32, 32, 3))
    smooth = ndimage.gaussian_filter(noise, (0, 1, 1, 0))
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def drift(images: np.ndarray, kind: str, **changes: object) -> np.ndarray:
    return perturb(images, kind, **{"fingerprint": "f", "indices": np.arange(len(images)), **changes})


def test_ten_perturbations_count_and_the_weather_is_a_named_choice() -> None:
    assert len(BENCHMARK_PERTURBATIONS) == 10
    assert "snow" in benchmark_perturbations()
    assert "spatter" not in benchmark_perturbations()
    assert benchmark_perturbations("spatter").index("spatter") == benchmark_perturbations("snow").index("snow")
    with pytest.raises(ValueError, match="must be 'snow' or 'spatter', but got 'rain'"):
        benchmark_perturbations("rain")


def test_frames_per_sequence_are_the_published_ones() -> None:
    at_32 = {kind: num_frames(kind, 32) for kind in PERTURBATIONS}
    at_224 = {kind: num_frames(kind, 224) for kind in PERTURBATIONS}
    assert {kind for kind, frames in at_32.items() if frames != 31} == {"motion_blur", "translate"}
    assert (at_32["motion_blur"], at_32["translate"]) == (21, 16)
    assert {kind for kind, frames in at_224.items() if frames != 31} == {"translate"}
    assert at_224["translate"] == 41
    assert [perturbation_scale(side) for side in (28, 64, 84, 85, 224)] == [32, 32, 32, 224, 224]


@each_kind
@pytest.mark.parametrize("channels", [1, 3])
def test_sequences_have_shape_type_and_leave_the_input_alone(kind: str, channels: int, originals: np.ndarray) -> None:
    images = np.ascontiguousarray(originals[:2, :20, :26, :channels])
    before = images.copy()
    frames = drift(images, kind)
    assert frames.shape == (2, num_frames(kind, 20), 20, 26, channels)
    assert frames.dtype == np.uint8
    assert np.array_equal(images, before)
    assert any(np.any(frames[:, frame] != frames[:, frame + 1]) for frame in range(frames.shape[1] - 1))


@each_kind
def test_any_batch_and_order_gives_the_same_sequences(kind: str, originals: np.ndarray) -> None:
    whole = drift(originals, kind)
    assert np.array_equal(drift(originals[2:3], kind, indices=np.array([2]))[0], whole[2])
    parts = [drift(originals[rows], kind, indices=np.arange(4)[rows]) for rows in (slice(0, 3), slice(3, 4))]
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("kind", [kind for kind, one in PERTURBATIONS.items() if one.is_noise])
def test_noises_start_clean_and_draw_every_frame_anew(kind: str, originals: np.ndarray) -> None:
    frames = drift(originals, kind).astype(int)
    assert np.array_equal(frames[:, 0], originals)
    spread = [np.abs(frames[:, frame] - frames[:, 0]).mean() for frame in range(1, 31)]
    assert max(spread) < 1.1 * min(spread)  # around the first frame, not a walk away from it
    assert np.any(frames[:, 1] != frames[:, 2])
    harder = drift(originals, kind, difficulty=3).astype(int)
    assert np.abs(harder[:, 1] - originals).mean() > 1.3 * spread[0]


@pytest.mark.parametrize(("difficulty", "sigma"), [(1, 0.02), (2, 0.04), (3, 0.06)])
def test_gaussian_noise_has_the_published_levels(difficulty: int, sigma: float) -> None:
    grey = np.full((4, 32, 32, 3), 128, dtype=np.uint8)
    noisy = drift(grey, "gaussian_noise", difficulty=difficulty)[:, 1:]
    assert noisy.std() / 255 == pytest.approx(sigma, rel=0.02)


def moved(image: np.ndarray, **changes: object) -> np.ndarray:
    still = {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": 0.0}
    return np.asarray(transforms.affine(Image.fromarray(image), **{**still, **changes}))


SMOOTHLY = {"interpolation": InterpolationMode.BILINEAR}
MOVES = {
    "translate": lambda image, i: moved(image, translate=[i - 7, 0]),
    "rotate": lambda image, i: moved(image, angle=float(i - 15), **SMOOTHLY),
    "scale": lambda image, i: moved(image, scale=(i * 2 + 70) / 100, **SMOOTHLY),
    "shear": lambda image, i: moved(image, shear=float(i - 15), **SMOOTHLY),
}


@pytest.mark.parametrize("kind", MOVES)
def test_movements_agree_with_torchvision_on_pillow_images(kind: str, originals: np.ndarray) -> None:
    ours = drift(originals[:2], kind).astype(int)
    theirs = np.stack([[MOVES[kind](image, i) for i in range(ours.shape[1])] for image in originals[:2]])
    gap = np.abs(ours - theirs)
    assert gap.max() <= 1
    assert (gap > 0).mean() < 0.005


def test_tilt_agrees_with_a_projection_worked_out_point_by_point(originals: np.ndarray) -> None:
    frame = 25
    angle, side = np.deg2rad(0.75 * (frame - 15)), 32
    focal = np.sqrt(2 * side**2)
    cosine, sine = np.cos(angle), np.sin(angle)

    def seen_at(u: float, v: float) -> np.ndarray:
        x, y, z = u - side / 2, v - side / 2, 1.0
        x, z = cosine * x - sine * z, sine * x + cosine * z
        y, z = cosine * y - sine * z, sine * y + cosine * z
        z += focal
        return np.array([focal * x / z + side / 2, focal * y / z + side / 2])

    corners = [(4.0, 5.0), (27.0, 6.0), (25.0, 28.0), (3.0, 26.0)]
    rows = []
    for u, v in corners:
        px, py = seen_at(u, v)
        rows += [[px, py, 1, 0, 0, 0, -u * px, -u * py, u], [0, 0, 0, px, py, 1, -v * px, -v * py, v]]
    system = np.array(rows)
    backwards = np.append(np.linalg.solve(system[:, :8], system[:, 8]), 1).reshape(3, 3)
    grid = np.mgrid[:side, :side]
    u, v, w = np.einsum("ij,jhw->ihw", backwards, np.stack([grid[1], grid[0], np.ones((side, side))]))
    image = originals[0, ..., 0].astype(float)
    padded = np.pad(image, 2)
    theirs = ndimage.map_coordinates(padded, (v / w + 2, u / w + 2), order=1)
    assert np.abs(drift(originals[:1], "tilt")[0, frame, ..., 0] - theirs).max() <= 1


def test_middle_frames_of_symmetric_movements_are_the_image_itself(originals: np.ndarray) -> None:
    for kind, middle in (("rotate", 15), ("shear", 15), ("scale", 15), ("translate", 7)):
        assert np.array_equal(drift(originals, kind)[:, middle], originals)
    assert np.abs(drift(originals, "tilt")[:, 15, 1:-1, 1:-1].astype(int) - originals[:, 1:-1, 1:-1]).max() <= 45
    assert np.abs(drift(originals, "brightness")[:, 15].astype(int) - originals).max() <= 1


def test_zoom_blur_is_the_running_mean_of_enlargements(originals: np.ndarray) -> None:
    ours = drift(originals[:1], "zoom_blur")[0].astype(int)
    total = originals[0].astype(float)
    for frame in range(1, 31):
        total += moved(originals[0], scale=1 + 0.004 * frame, **SMOOTHLY)
        assert np.abs(ours[frame] - np.floor(total / (frame + 1))).max() <= 1


def test_motion_blur_ends_on_the_angle_zero_of_the_corruption(originals: np.ndarray) -> None:
    from eval.corruptions.c.blur import move

    expected = move(originals.astype(np.float64), 6, 1.8, np.zeros(4))
    assert np.array_equal(drift(originals, "motion_blur")[:, 20], expected)


def test_gaussian_blur_agrees_with_the_library(originals: np.ndarray) -> None:
    ours = drift(originals[:1], "gaussian_blur")[0]
    for frame in (0, 15, 30):
        blurred = ndimage.gaussian_filter(
            originals[0] / 255.0, (*[0.3 + 0.015 * frame] * 2, 0), mode="nearest", truncate=7
        )
        assert np.abs(ours[frame] - (blurred * 255).astype(int)).max() <= 1


def test_brightness_rises_with_the_frames(originals: np.ndarray) -> None:
    means = drift(originals, "brightness").mean(axis=(0, 2, 3, 4))
    assert np.all(np.diff(means) > 0)


def test_spatter_runs_down_as_a_library_convolution_of_the_columns() -> None:
    from eval.perturbations.p.photometric import run_down

    layer = np.random.default_rng(0).random((1, 12, 5, 1)).astype(np.float32)
    for flow in ([0.2, 0.8], [0.05, 0.1, 0.15, 0.7]):
        expected = np.apply_along_axis(lambda column: np.convolve(column, flow, mode="same"), 0, layer[0, ..., 0])  # noqa: B023
        assert np.allclose(run_down(layer, np.array(flow))[0, ..., 0], expected, atol=1e-6)


def test_snow_falls_from_one_layer_of_flakes(originals: np.ndarray) -> None:
    frames = drift(originals, "snow").astype(int)
    assert frames.mean() > originals.mean()
    assert np.abs(np.diff(frames, axis=1)).mean() < np.abs(frames - frames[::-1]).mean()


def test_perturbations_and_corruptions_of_one_name_draw_differently(originals: np.ndarray) -> None:
    noisy = corrupt(originals, "gaussian_noise", 1, fingerprint="f", indices=np.arange(4)).astype(int) - originals
    frame = drift(originals, "gaussian_noise")[:, 1].astype(int) - originals
    assert abs(np.corrcoef(noisy.reshape(-1), frame.reshape(-1))[0, 1]) < 0.05


def test_bad_input_is_refused(originals: np.ndarray) -> None:
    with pytest.raises(ValueError, match="unknown perturbation 'tild' \\(did you mean 'tilt'"):
        drift(originals, "tild")
    with pytest.raises(ValueError, match="must be 1, 2 or 3, but got 4"):
        drift(originals, "tilt", difficulty=4)
    with pytest.raises(ValueError, match="must be a uint8 array"):
        drift(originals / 255.0, "tilt")


def test_an_entry_bears_the_name_that_it_is_listed_by() -> None:
    assert [each.name for each in PERTURBATIONS.values()] == list(PERTURBATIONS)


def test_the_registry_imports_no_heavy_library() -> None:
    code = "import sys, eval.perturbations.p.registry; sys.exit(bool({'numba', 'scipy', 'torch'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
