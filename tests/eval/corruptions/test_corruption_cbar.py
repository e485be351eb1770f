"""C-bar: its ten kinds per scale against formulas and libraries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage import draw

from eval.corruptions.cbar.registry import CBAR_CORRUPTIONS, cbar_kinds
from eval.corruptions.generate import corrupt


@pytest.fixture(scope="module")
def textures() -> np.ndarray:
    noise = np.random.default_rng(0).random((6, 32, 32, 3))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2, 0))
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def bar(images: np.ndarray, kind: str, severity: int = 3) -> np.ndarray:
    return corrupt(images, kind, severity, fingerprint="f", indices=np.arange(len(images)), family="cbar")


def flat(level: int, count: int = 40) -> np.ndarray:
    return np.full((count, 32, 32, 3), level, dtype=np.uint8)


def test_ten_kinds_count_at_each_scale_and_five_are_shared() -> None:
    small, large = cbar_kinds(32), cbar_kinds(224)
    assert len(small) == len(large) == 10
    assert len(set(small) & set(large)) == 5
    assert set(small) | set(large) == set(CBAR_CORRUPTIONS)
    assert cbar_kinds(64) == small


def test_severities_are_the_generators_numbers() -> None:
    assert CBAR_CORRUPTIONS["sparkles"].at(1, 32) == (0.7,)
    assert CBAR_CORRUPTIONS["sparkles"].at(5, 224) == (6.0,)
    assert CBAR_CORRUPTIONS["caustic_refraction"].at(5, 32) == (9.15,)  # published at 224 px only


def test_a_single_frequency_is_a_sine_alike_in_all_channels() -> None:
    noise = bar(flat(128), "single_frequency_greyscale", 2).astype(float) - 127.5
    assert np.array_equal(noise[..., 0], noise[..., 1])
    power = np.abs(np.fft.fft2(noise[..., 0])) ** 2
    strongest = np.sort(power.reshape(40, -1), axis=1)[:, ::-1]
    assert (strongest[:, :8].sum(axis=1) / power.reshape(40, -1).sum(axis=1)).mean() > 0.75
    assert np.abs(noise).max() <= 1.5 * 19.6 + 1
    assert noise.std() == pytest.approx(1.5 * 19.6 / np.sqrt(2), rel=0.05)


def test_rings_are_a_sawtooth_of_the_published_height() -> None:
    noise = bar(flat(128), "cocentric_sine_waves", 1).astype(float) - 127.5
    assert np.abs(noise).max() <= 3 * 12.8 / 2 + 1
    assert noise.std() == pytest.approx(3 * 12.8 / np.sqrt(12), rel=0.05)


def test_plasma_takes_its_share_of_the_image() -> None:
    white, black = bar(flat(255), "plasma_noise", 1).astype(float), bar(flat(0), "plasma_noise", 1).astype(float)
    strength = 4.75 * 6.4
    assert black.max() <= strength
    assert white[black > 0].mean() - black[black > 0].mean() == pytest.approx(255 - strength, abs=0.6)


def test_perlin_haze_is_opaque_by_its_alpha_and_repeats_over_channels() -> None:
    white, black = bar(flat(255), "perlin_noise", 5).astype(float), bar(flat(0), "perlin_noise", 5).astype(float)
    assert np.array_equal(black[..., 0], black[..., 2])
    assert (white - black).mean() == pytest.approx(255 * (1 - 0.44), abs=1.0)
    assert black.min() >= 255 * 0.44 * 0.5 - 1


def test_blue_noise_keeps_the_share_of_a_normal_tail_and_has_little_low_frequency() -> None:
    from scipy import stats

    kept = bar(flat(200, 60), "blue_noise_sample", 5)[..., 0] > 0
    assert kept.mean() == pytest.approx(stats.norm.sf(4.2 * 0.3 - 2.5), abs=0.02)
    power = (np.abs(np.fft.fft2(kept - kept.mean(axis=(1, 2), keepdims=True))) ** 2).mean(axis=0)
    assert power[:4, :4].mean() < 0.7 * power[12:20, 12:20].mean()


@pytest.mark.parametrize("shape", [(32, 32), (9, 14), (11, 9)])
def test_coloured_noise_has_unit_deviation_and_the_wanted_spectrum(shape: tuple[int, int]) -> None:
    from eval.corruptions.cbar.spectral import amplitudes, coloured_noise

    phases = np.random.default_rng(0).uniform(0, 2 * np.pi, shape)
    for spectrum in ("blue", "brownish"):
        noise = coloured_noise(phases, spectrum)
        assert noise.shape == shape
        assert noise.std() == pytest.approx(1)
    brownish = amplitudes("brownish", 32, 32)
    assert brownish[16, 16] == 1
    assert brownish[16, 20] == pytest.approx(1 / 17)


def test_brownish_noise_is_smooth_and_independent_per_channel() -> None:
    noise = bar(flat(128, 60), "brownish_noise", 1).astype(float) - 128
    assert np.abs(np.diff(noise, axis=2)).mean() < 0.6 * np.abs(noise).mean()
    assert abs(np.corrcoef(noise[..., 0].reshape(-1), noise[..., 1].reshape(-1))[0, 1]) < 0.2


def test_the_checkerboard_cuts_half_the_cells_with_the_published_probability() -> None:
    holes = (bar(flat(0, 300), "checkerboard_cutout", 5)[..., 0] == 128).mean()
    assert holes == pytest.approx(0.5 * 0.5, abs=0.015)


def test_sparkles_only_brighten_and_inverse_sparkles_leave_one_window(textures: np.ndarray) -> None:
    bright = bar(textures, "sparkles", 3).astype(int)
    assert (bright >= textures).all()
    window = bar(flat(0), "inverse_sparkles", 5)
    assert window.min(axis=(1, 2, 3)).max() < 60  # black shows at the centre of every star
    assert np.quantile(window, 0.9) > 150


def test_a_sparkle_follows_its_formula_at_a_pixel() -> None:
    from eval.corruptions.cbar.marks import _stars

    image, centres = np.full((1, 8, 8, 3), 100.0), np.array([[[3.2, 4.1]]])
    lengths = np.linspace(1, 3, 200).reshape(1, 1, 200)
    _stars(image, centres, np.array([[60]]), lengths, 1.0, False)
    y, x = 6, 2
    place = (np.arctan2(x - 4.1, y - 3.2) + np.pi) / (2 * np.pi) * 60
    ray, part = int(place), place % 1
    length = lengths[0, 0, ray] * (1 - part) + lengths[0, 0, ray + 1] * part
    glow = length**2 / ((y - 3.2) ** 2 + (x - 4.1) ** 2 + 1e-4)
    share = np.clip((1 - (part - 0.5) ** 2) * glow, 0, 1)
    assert image[0, y, x, 0] == pytest.approx(100 + share * 155)


def test_lines_are_those_of_the_library() -> None:
    from eval.corruptions.cbar.marks import _draw_lines

    generator = np.random.default_rng(1)
    for _ in range(30):
        row0, column0, row1, column1 = (int(v) for v in generator.integers(-10, 42, 4))
        ours = np.full((1, 32, 32, 1), 250, dtype=np.uint8)
        _draw_lines(ours, np.array([[[row0, column0, row1, column1]]], dtype=np.int64))
        theirs = np.full((32, 32), 250.0)
        rows, columns, coverage = draw.line_aa(row0, column0, row1, column1)
        inside = (rows >= 0) & (columns >= 0) & (rows < 32) & (columns < 32)
        for row, column, share in zip(rows[inside], columns[inside], coverage[inside], strict=True):
            theirs[row, column] = (1 - share) * 250 + share * 128
        assert np.abs(ours[0, ..., 0].astype(int) - theirs.astype(int)).max() <= 1


def test_circular_motion_blur_is_the_weighted_mean_of_library_rotations(textures: np.ndarray) -> None:
    ours = bar(textures[:1], "circular_motion_blur", 5)[0]
    places = 2 * np.arange(21) / 20 - 1
    weights = np.exp(-2 * places**2)
    turns = [ndimage.rotate(textures[0] / 255.0, place * 9.0, reshape=False) for place in places]
    theirs = np.clip(np.tensordot(weights / weights.sum(), np.stack(turns), 1) * 255, 0, 255).astype(int)
    assert np.abs(ours - theirs).max() <= 1


def test_chromatic_aberration_is_the_librarys_zoom_of_one_channel_each(textures: np.ndarray) -> None:
    ours = bar(textures, "transverse_chromatic_abberation", 5)
    matched = set()
    for image, result in zip(textures, ours, strict=True):
        for channel in range(3):
            for factor in (1.0, 1.25, 1.5):
                zoomed = ndimage.zoom(image[..., channel], factor, prefilter=False)
                edge = (len(zoomed) - 32) // 2
                if np.abs(zoomed[edge : edge + 32, edge : edge + 32].astype(int) - result[..., channel]).max() <= 1:
                    matched.add((channel, factor))
                    break
            else:
                pytest.fail("a channel matches no zoom factor")
    assert len(matched) > 5


def test_ripples_move_pixels_by_at_most_the_amplitude() -> None:
    ramp = np.broadcast_to((np.arange(32) * 7)[None, :, None, None], (20, 32, 32, 3)).astype(np.uint8)
    moved = bar(ramp, "ripple", 5).astype(float)[:, 4:28, 4:28]
    assert np.abs(moved - ramp[:, 4:28, 4:28]).max() <= 7 * 8 * 0.0025 * 32 + 1
    assert np.abs(moved - ramp[:, 4:28, 4:28]).mean() > 0.5


def test_pinching_keeps_cell_centres_and_borders_of_the_last_column(textures: np.ndarray) -> None:
    twirled = bar(textures, "pinch_and_twirl", 5).astype(int)
    assert np.abs(twirled[:, 30:, 30:] - textures[:, 30:, 30:]).max() == 0  # 3 cells of 10 px leave 2 px alone
    for centre in (5, 15, 25):
        assert np.abs(twirled[:, centre, centre] - textures[:, centre, centre]).max() <= 1


def test_refraction_obeys_snells_law_and_leaves_level_water_alone() -> None:
    from eval.corruptions.cbar.warps import refraction

    slope = np.array([[0.01, 0.5, -1.0]])
    shift_y, shift_x = refraction(slope, np.zeros_like(slope), 10.0)
    angle = np.arctan(np.abs(slope))
    expected = np.sign(slope) * 10 * np.sin(angle - np.arcsin(np.sin(angle) / 4))
    assert shift_y[0, 0] == 0
    assert np.allclose(shift_y[0, 1:], expected[0, 1:], atol=1e-3)
    assert np.abs(shift_x).max() == 0


def test_caustics_are_light_between_zero_and_one_with_bright_threads() -> None:
    from eval.corruptions.cbar.warps import caustics

    light = caustics(np.linspace(0.5, 2, 6), np.linspace(24, 40, 6), 32, 32)
    assert 0 <= light.min() <= light.max() <= 1
    assert np.quantile(light, 0.98) > 2 * np.median(light)
