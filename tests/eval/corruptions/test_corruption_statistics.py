"""Random corruptions against the statistics that their formulas imply."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, stats

from eval.corruptions.contract import Draws
from eval.corruptions.generate import corrupt
from eval.corruptions.ice import FROST_FILES
from eval.errors import EvalError


def at_level(level: int, kind: str, severity: int, *, count: int = 40, side: int = 32) -> np.ndarray:
    images = np.full((count, side, side, 3), level, dtype=np.uint8)
    return corrupt(images, kind, severity, fingerprint="f", indices=np.arange(count)).astype(np.float64)


@pytest.mark.parametrize(("severity", "sigma"), [(1, 0.04), (5, 0.10)])
def test_gaussian_noise_has_the_published_deviation_and_truncates(severity: int, sigma: float) -> None:
    noisy = at_level(128, "gaussian_noise", severity)
    assert noisy.std() / 255 == pytest.approx(sigma, rel=0.01)
    assert noisy.mean() == pytest.approx(127.5, abs=0.15)  # truncation takes half a level


def test_gaussian_noise_is_independent_over_values() -> None:
    noisy = at_level(128, "gaussian_noise", 5) - 127.5
    for shifted in (
        np.roll(noisy, 1, axis=1),
        np.roll(noisy, 1, axis=2),
        np.roll(noisy, 1, axis=3),
        np.roll(noisy, 1, axis=0),
    ):
        assert abs((noisy * shifted).mean() / noisy.var()) < 0.01


@pytest.mark.parametrize(("severity", "photons"), [(1, 500), (5, 50)])
def test_shot_noise_is_a_truncated_poisson_count(severity: int, photons: float) -> None:
    level = 60
    noisy = at_level(level, "shot_noise", severity).astype(int)
    counts = np.arange(0, int(photons) + 1)
    outputs = (np.clip(counts / photons, 0, 1) * 255).astype(int)
    expected = np.bincount(outputs, stats.poisson.pmf(counts, photons * level / 255), minlength=256)
    observed = np.bincount(noisy.reshape(-1), minlength=256) / noisy.size
    assert np.abs(observed - expected).sum() < 0.03
    assert noisy.mean() == pytest.approx((expected * np.arange(256)).sum(), rel=0.005)


def test_impulse_noise_flips_single_values_in_equal_parts() -> None:
    noisy = at_level(100, "impulse_noise", 5)
    assert (noisy == 255).mean() == pytest.approx(0.035, abs=0.002)
    assert (noisy == 0).mean() == pytest.approx(0.035, abs=0.002)
    assert ((noisy == 255).sum(axis=3) == 3).mean() < 0.001


def test_speckle_noise_grows_with_the_value() -> None:
    assert at_level(100, "speckle_noise", 5).std() / 255 == pytest.approx(0.2 * 100 / 255, rel=0.015)
    assert at_level(0, "speckle_noise", 5).max() == 0


def test_the_sampled_noise_follows_its_table_at_every_level() -> None:
    from eval.corruptions.c.noise import add_noise, gaussian_cumulative, noise_table

    ramp = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(4000, axis=0)
    draws = Draws(3, "levels", 1, np.arange(4000))
    noisy = add_noise(ramp, noise_table(gaussian_cumulative, 0.05), draws).reshape(4000, 256)
    cumulative = gaussian_cumulative(0.05)
    cumulative[:, 255] = 1
    for output in (20, 100, 200):
        assert np.abs((noisy <= output).mean(axis=0) - cumulative[:, output]).max() < 0.04


def test_motion_angles_are_uniform_over_ninety_degrees() -> None:
    angles = -45 + 90 * Draws(0, "c/f/motion_blur", 1, np.arange(4000)).uniforms(1, "angle")[:, 0]
    assert stats.kstest(angles, stats.uniform(-45, 90).cdf).pvalue > 0.001


def test_glass_moves_content_by_at_most_delta_and_never_by_plus_delta_in_one_exchange() -> None:
    from eval.corruptions.c.glass import displace

    rows = np.repeat(np.arange(16, dtype=np.uint8)[:, None], 16, axis=1)[None, :, :, None]
    moved = displace(
        np.repeat(rows, 3, axis=3), Draws(0, "g", 1, np.zeros(1, dtype=np.int64)), 1, 1, likelihood=1.0, copies=True
    )
    change = moved[0, 2:16, 2:16, 0].astype(int) - np.arange(2, 16)[:, None]
    assert set(np.unique(change)) == {-1, 0}
    assert (change == 0).mean() == pytest.approx(0.5, abs=0.12)


def test_plasma_maps_fill_zero_to_one_and_get_smoother_with_faster_decay() -> None:
    from eval.corruptions.c.weather import plasma_maps

    draws = Draws(0, "fog", 1, np.arange(20))
    rough, smooth = plasma_maps(draws, 32, 1.4), plasma_maps(draws, 32, 3.0)
    for maps in (rough, smooth):
        assert maps.min(axis=(1, 2)).tolist() == [0.0] * 20
        assert maps.max(axis=(1, 2)).tolist() == [1.0] * 20
    assert np.abs(np.diff(rough, axis=1)).mean() > 2 * np.abs(np.diff(smooth, axis=1)).mean()


def test_plasma_maps_agree_with_a_direct_diamond_square() -> None:
    from eval.corruptions.c.weather import plasma_maps
    from eval.corruptions.fields import uniform_fields

    side, decay = 16, 1.75
    draws = Draws(0, "fog", 1, np.arange(1))
    noise = (2 * uniform_fields(draws, "heights", side, side) - 1)[0]
    field = np.zeros((side, side))
    step, wibble = side, 100.0
    while step >= 2:
        half = step // 2
        corners = field[::step, ::step]
        total = corners + np.roll(corners, -1, 0)
        total = total + np.roll(total, -1, 1)
        field[half::step, half::step] = total / 4 + wibble**2 * noise[half::step, half::step]
        centres = field[half::step, half::step]
        flat = centres + np.roll(centres, 1, 0) + corners + np.roll(corners, -1, 1)
        field[::step, half::step] = flat / 4 + wibble**2 * noise[::step, half::step]
        tall = centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 0)
        field[half::step, ::step] = tall / 4 + wibble**2 * noise[half::step, ::step]
        step, wibble = half, wibble / decay
    field = (field - field.min()) / np.ptp(field)
    assert np.allclose(plasma_maps(draws, side, decay)[0], field)


def test_fog_brightens_dark_images_and_keeps_their_maximum() -> None:
    foggy = at_level(60, "fog", 5)
    assert foggy.min() >= 0
    assert foggy.max() <= 60
    assert foggy.std() > 3


def test_snow_whitens_and_adds_flakes() -> None:
    snowy = at_level(60, "snow", 5)
    assert snowy.mean() > 80
    turned = snowy[:, ::-1, ::-1]
    assert np.array_equal(snowy, turned)  # on a flat image, the flakes are symmetric under a half turn


def test_elastic_affine_moves_points_by_the_jitter() -> None:
    from eval.corruptions.c.elastic import inverse_affine

    draws = Draws(0, "elastic", 1, np.arange(2000))
    inverse = inverse_affine(draws, 32, 32, 2.0)
    centre = inverse @ np.array([16.0, 16.0, 1.0])
    assert np.abs(centre - 16).max() < 5
    assert np.abs(centre.mean(axis=0) - 16).max() < 0.1
    assert np.array_equal(inverse_affine(draws, 32, 32, 0.0).round(9)[0], np.array([[1, 0, 0], [0, 1, 0]]))


def test_elastic_displacement_is_the_blurred_noise_of_the_library() -> None:
    from eval.corruptions.c.elastic import displacement
    from eval.corruptions.fields import uniform_fields

    draws = Draws(0, "elastic", 1, np.arange(1))
    for sigma in (0.5, 3.0, 40.0):
        noise = 2 * uniform_fields(draws, "down", 24, 20) - 1
        expected = ndimage.gaussian_filter(noise[0], sigma, mode="reflect", truncate=3) * 7
        assert np.allclose(displacement(draws, "down", 24, 20, 7.0, sigma)[0], expected, atol=1e-5)


def test_elastic_warp_agrees_with_two_library_samplings() -> None:
    from eval.corruptions.c.elastic import displacement, elastic_transform, inverse_affine
    from eval.corruptions.contract import Setting

    image = (ndimage.gaussian_filter(np.random.default_rng(0).random((1, 32, 32, 3)), (0, 2, 2, 0)) * 400 % 255).astype(
        np.uint8
    )
    draws = Draws(0, "elastic", 4, np.arange(1))
    setting = Setting(parameters=(0.1, 0.04, 0.05), scale=32, draws=draws)
    ours = elastic_transform.run(image, setting)[0]
    rows, columns = np.mgrid[:32, :32]
    matrix = inverse_affine(draws, 32, 32, 32 * 0.05)[0]
    points = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ matrix.T
    unit = image[0] / 255.0
    down, across = (displacement(draws, name, 32, 32, 3.2, 1.28)[0] for name in ("down", "across"))
    theirs = np.empty_like(unit)
    for c in range(3):
        straight = ndimage.map_coordinates(unit[..., c], (points[..., 1], points[..., 0]), order=1, mode="mirror")
        theirs[..., c] = ndimage.map_coordinates(straight, (rows + down, columns + across), order=1, mode="reflect")
    assert np.abs(ours - (theirs * 255).astype(int)).max() <= 1


def test_an_image_of_frost_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    from eval.corruptions.ice import frost_from_folder

    for name in FROST_FILES:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(EvalError, match=r"frost1\.png must be an image of frost, but cannot be decoded"):
        frost_from_folder(tmp_path)


def test_frost_lays_a_piece_of_the_given_images_over() -> None:
    from eval.corruptions.contract import FrostImages

    grey = [np.full((700, 900, 3), level, dtype=np.uint8) for level in (50, 100, 150, 200, 250)]
    frost = FrostImages(tuple(grey), "flat", "flat")
    images = np.full((200, 32, 32, 3), 100, dtype=np.uint8)
    frosty = corrupt(images, "frost", 5, fingerprint="f", indices=np.arange(200), frost=frost)
    expected = {int(75 + 0.45 * level) for level in (50, 100, 150, 200, 250)}
    assert set(np.unique(frosty)) == expected


def test_procedural_ice_is_labelled_and_repeats() -> None:
    from eval.corruptions.ice import procedural_ice

    ice = procedural_ice()
    assert ice.label == "procedural ice"
    assert len(ice.images) == 5
    assert all(60 < image.mean() < 190 and image.std() > 20 for image in ice.images)
    assert all(np.array_equal(a, b) for a, b in zip(ice.images, procedural_ice.__wrapped__().images, strict=True))
