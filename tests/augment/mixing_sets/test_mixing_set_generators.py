"""The generators against their definitions: fractals, FractalDB, dead leaves, spectrum models, StyleGAN kernels, files, FVis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from augment.feature_visualisation.untrained import untrained_network
from augment.files.decode import middle_square
from augment.mixing_sets.contract import MixingSetError, SetRequest
from augment.mixing_sets.from_files.folder import FolderConfig, build_folder
from augment.mixing_sets.identity import config_for, identity, identity_digest, missing_set_files
from augment.mixing_sets.images import resize_image, to_channels
from augment.mixing_sets.procedural.dead_leaves import paint_squares, radius_steps
from augment.mixing_sets.procedural.fractaldb import draw_system, filling_rate, play_affine, weigh
from augment.mixing_sets.procedural.fractals.flame_genomes import draw_contractive
from augment.mixing_sets.procedural.fractals.flame_lanes import LANES, permute_lanes, splat_lanes, step_lanes
from augment.mixing_sets.procedural.lane_math import angle_turns, cos_turns, log2_lanes, sin_turns
from augment.mixing_sets.procedural.pixels import image_words, native_side, store, structure
from augment.mixing_sets.procedural.spectrum.model import impose_spectrum, match_sorted
from augment.mixing_sets.procedural.spectrum.steerable import build, collapse, filters
from augment.mixing_sets.procedural.stylegan import kernel_dictionary, pink_noise
from augment.mixing_sets.registry import MIXING_SETS
from augment.mixing_sets.trained.fvis import FvisSetConfig, FvisSource, choose_units


def request(tmp_path: Path, **changes: Any) -> SetRequest:
    fields: dict[str, Any] = {
        "num_images": 8, "image_size": 16, "num_channels": 3, "seed": 0, "data_root": tmp_path, "cache_dir": tmp_path,
    }  # fmt: skip
    return SetRequest(**{**fields, **changes})


def test_vectorised_functions_agree_with_the_library() -> None:
    turns = np.linspace(-3, 3, 4001).astype(np.float32)
    sines = np.array([sin_turns.py_func(t) for t in turns])
    cosines = np.array([cos_turns.py_func(t) if hasattr(cos_turns, "py_func") else cos_turns(t) for t in turns[:5]])
    assert np.abs(sines - np.sin(2 * np.pi * turns.astype(np.float64))).max() < 2e-5
    assert np.abs(cosines - np.cos(2 * np.pi * turns[:5].astype(np.float64))).max() < 2e-5
    angles = np.linspace(-np.pi, np.pi, 721)[1:-1].astype(np.float32)
    found = np.array([angle_turns.py_func(np.sin(a), np.cos(a)) for a in angles])
    assert np.abs(found * 2 * np.pi - angles).max() < 5e-5
    values = np.geomspace(1e-3, 1e6, 500).astype(np.float32)
    out, expected = np.empty(500, np.float32), np.log2(values.astype(np.float64))
    log2_lanes(values, values.view(np.int32), out)
    assert np.abs(out - expected).max() < 1e-4


def test_a_contractive_system_has_its_sigma_factor() -> None:
    for index in range(20):
        affine = np.zeros((2 + index % 3, 6), np.float32)
        draw_contractive(image_words(0, "test", 0, index), affine)
        singular = np.linalg.svd(affine[:, [0, 1, 3, 4]].reshape(-1, 2, 2).astype(np.float64), compute_uv=False)
        factor = (singular[:, 0] + 2 * singular[:, 1]).sum()
        assert (5 + len(affine)) / 2 - 1e-4 <= factor <= (6 + len(affine)) / 2 + 1e-4
        assert singular.max() <= 1 + 1e-5
        assert (np.abs(affine[:, [2, 5]]) <= 1).all()


def test_a_round_of_the_chaos_game_applies_each_map_to_its_lanes() -> None:
    lanes = np.random.default_rng(0).uniform(-1, 1, (7, LANES)).astype(np.float32)
    before = lanes.copy()
    affine = np.array([[0.5, 0, 1, 0, 0.5, 0], [0, -1, 0, 1, 0, 2]], np.float32)
    post = np.tile(np.array([1, 0, 0, 0, 1, 0], np.float32), (2, 1))
    kinds, weights = np.zeros((2, 2), np.int64), np.array([[1, 0], [1, 0]], np.float32)
    hues = np.array([0.0, 1.0], np.float32)
    step_lanes(lanes, np.array([300, LANES]), affine, post, kinds, weights, hues, np.uint64(0))
    assert np.allclose(lanes[0, :300], 0.5 * before[0, :300] + 1)
    assert np.allclose(lanes[0, 300:], -before[1, 300:])
    assert np.allclose(lanes[1, 300:], before[0, 300:] + 2)
    assert np.allclose(lanes[2, 300:], 0.5 * (before[2, 300:] + 1), atol=1e-6)


def test_a_permutation_of_lanes_loses_no_point() -> None:
    lanes, other = np.tile(np.arange(LANES, dtype=np.float32), (7, 1)), np.zeros((7, LANES), np.float32)
    permute_lanes(lanes, other, np.uint32(12345), np.uint32(99))
    assert sorted(other[0]) == list(range(LANES))
    assert other[0, (12345 * 7 + 99) % LANES] == 7


def test_points_outside_the_image_fall_into_the_last_cell() -> None:
    lanes = np.zeros((7, LANES), np.float32)
    lanes[0, : LANES // 2] = 50.0
    camera = np.array([[1, 0, 1.5, 0, 1, 2.5]], np.float32)
    canvas, palette = np.zeros((17, 4), np.float32), np.ones((256, 4), np.float32)
    splat_lanes(lanes, np.empty((2, LANES), np.int32), camera, palette, canvas, 4)
    assert canvas[16, 3] == LANES // 2
    assert canvas[2 * 4 + 1, 3] == LANES // 2


def test_storing_averages_blocks_and_clips() -> None:
    image = np.zeros((4, 4, 3), np.float32)
    image[:2, :2, 0] = [[0.0, 1.0], [2.0, -1.0]]
    out = np.empty((2, 2, 3), np.uint8)
    store(image, out)
    assert out[0, 0].tolist() == [128, 0, 0]
    assert out[1].max() == 0
    grey = np.empty((2, 2, 1), np.uint8)
    store(image, grey)
    assert grey[0, 0, 0] == (19595 * 128 + 32768) >> 16


@pytest.mark.parametrize(("side", "native"), [(36, 108), (32, 96), (256, 256), (64, 128), (9, 99)])
def test_small_images_are_rendered_at_a_multiple_of_their_side(side: int, native: int) -> None:
    assert native_side(side, 96) == native


def test_a_flat_image_has_no_structure_and_noise_has_much() -> None:
    entropy, commonest, step = structure(np.full((32, 32, 3), 0.5, np.float32))
    assert (entropy, commonest, step) == (0.0, 1.0, 0.0)
    noise = np.random.default_rng(0).random((32, 32, 3)).astype(np.float32)
    entropy, commonest, step = structure(noise)
    assert entropy > 6
    assert commonest < 0.05
    assert step > 0.1


def test_fractals_pass_their_own_filter(tmp_path: Path) -> None:
    source = MIXING_SETS["fractals"].build(config_for(MIXING_SETS["fractals"], {}), request(tmp_path, image_size=48))
    for image in source.render(np.arange(12)):
        counts = np.bincount((image @ np.array([0.299, 0.587, 0.114])).astype(int).ravel(), minlength=256)
        shares = counts[counts > 0] / counts.sum()
        assert -(shares * np.log2(shares)).sum() > 4.0
    hues = source.render(np.arange(24)).reshape(24, -1, 3).astype(float).mean(axis=1)
    assert len({int(np.argmax(hue)) for hue in hues}) == 3, "the set leans to one colour"


def test_a_category_of_fractaldb_fills_its_frame(tmp_path: Path) -> None:
    config = config_for(MIXING_SETS["fractaldb"], {"search_side": 128, "search_points": 10_000})
    source: Any = MIXING_SETS["fractaldb"].build(config, request(tmp_path))
    for category in range(3):
        maps = source.category(category)
        orbit = play_affine(maps, image_words(0, "other", 0, category), 10_000)
        low, high = orbit.min(0), orbit.max(0)
        cells = ((orbit - low) / (high - low) * 115).astype(int)
        lit = len({(int(x), int(y)) for x, y in cells})
        assert lit / 128**2 > 0.15, "another orbit of the system fills about as much as the search found"


def test_random_systems_of_fractaldb_mostly_fail_the_search() -> None:
    rates = []
    for index in range(40):
        words = image_words(0, "test", 0, index)
        maps = draw_system(words)
        assert 2 <= len(maps) <= 7
        assert np.abs(maps).max() <= 1
        rates.append(filling_rate(maps, words, 128, 10_000))
    assert 0 < np.mean(np.array(rates) >= 0.2) < 0.5


def test_a_weight_vector_changes_one_coefficient() -> None:
    maps = draw_system(image_words(0, "test", 0, 1))
    assert (weigh(maps, 0, 0.4) == maps).all()
    for vector, factor in ((1, 0.2), (2, 0.6), (3, 1.4), (4, 1.8)):
        assert np.allclose(weigh(maps, vector, 0.4)[:, 0], factor * maps[:, 0])
        assert (weigh(maps, vector, 0.4)[:, 1:] == maps[:, 1:]).all()
    assert np.allclose(weigh(maps, 24, 0.4)[:, 5], 1.8 * maps[:, 5])


def test_radii_of_dead_leaves_follow_their_density() -> None:
    radii, cumulative = radius_steps(0.03)
    assert radii[0] == 0.03
    assert radii[-1] == 1.0
    density = np.diff(np.concatenate([[0.0], cumulative]))
    expected = radii**-3 - 1
    assert np.allclose(density, expected / expected.sum())


def test_dead_leaves_cover_the_canvas_with_squares() -> None:
    out = np.zeros((64, 64, 3), np.uint8)
    paint_squares(image_words(0, "test", 0, 0), radius_steps(0.03), 5000, out)
    assert (out.any(axis=2)).all()
    single = np.zeros((64, 64, 3), np.uint8)
    paint_squares(image_words(0, "test", 0, 3), radius_steps(0.1), 1, single)
    rows, columns = np.nonzero(single.any(axis=2))
    assert (np.ptp(rows) + 1) * (np.ptp(columns) + 1) == len(rows)


@pytest.mark.parametrize(("side", "scales", "orientations"), [(32, 2, 4), (64, 3, 4), (32, 3, 2)])
def test_a_pyramid_collapses_to_its_image(side: int, scales: int, orientations: int) -> None:
    image = np.random.default_rng(0).normal(size=(side, side))
    given = filters(side, scales, orientations)
    bands, low = build(image, given)
    assert [len(band) for band in bands] == [side] + [side >> s for s in range(scales) for _ in range(orientations)]
    assert np.abs(collapse(bands, low, given) - image).max() < 1e-9


def test_a_grating_is_found_by_the_band_of_its_orientation() -> None:
    columns = np.arange(64)
    grating = np.tile(np.cos(2 * np.pi * columns * 16 / 64), (64, 1))
    bands, _ = build(grating, filters(64, 3, 4))
    energies = [float((band**2).mean()) for band in bands[1:5]]
    assert np.argmax(energies) == 0
    assert energies[0] > 50 * energies[2]


def test_matching_gives_exactly_the_wanted_values_in_the_order_of_the_pixels() -> None:
    plane = np.array([[3.0, -1.0], [7.0, 0.0]])
    assert match_sorted(plane, np.array([10.0, 20.0, 30.0, 40.0])).tolist() == [[30.0, 10.0], [40.0, 20.0]]


def test_imposing_a_spectrum_keeps_phase_mean_and_spread() -> None:
    plane = np.random.default_rng(0).normal(5.0, 2.0, (16, 16))
    magnitude = np.random.default_rng(1).random((16, 16)) + 0.5
    magnitude = magnitude + magnitude[(-np.arange(16))[:, None] % 16, (-np.arange(16))[None, :] % 16]
    magnitude[0, 0] = 0.0
    shaped = impose_spectrum(plane, magnitude)
    ratio = np.abs(np.fft.fft2(shaped)).ravel()[1:] / magnitude.ravel()[1:]
    assert shaped.mean() == pytest.approx(plane.mean())
    assert shaped.std() == pytest.approx(plane.std())
    assert ratio.std() < 1e-9 * ratio.mean() + 1e-9


def test_the_dictionary_has_40_kernels_and_edges_without_mean() -> None:
    kernels = kernel_dictionary()
    assert kernels.shape == (40, 3, 3)
    assert torch.equal(kernels[20:], -kernels[:20])
    assert kernels[:16].mean((1, 2)).abs().max() < 1e-6
    assert kernels[0].tolist() == [[1.0, 0.0, -1.0]] * 3
    assert kernels[16].tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert len({tuple(kernel.flatten().round(decimals=4).tolist()) for kernel in kernels}) >= 32


def test_pink_noise_has_more_power_at_low_frequencies() -> None:
    noise = pink_noise(torch.Generator().manual_seed(0))[0, 0]
    assert float(noise.std()) == pytest.approx(1.0, abs=1e-3)
    power = torch.fft.fft2(noise).abs() ** 2
    assert float(power[0, 2:8].mean()) > 10 * float(power[0, 100:200].mean())


def test_images_become_their_middle_square() -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40, 0] = 200
    assert (middle_square(Image.fromarray(wide), 10)[:, :, 0] == 200).mean() > 0.75


def test_resizing_agrees_with_pillow_and_leaves_the_right_size_alone() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((13, 13), Image.Resampling.BILINEAR))
    assert (resize_image(pixels, 13) == expected).all()
    assert (resize_image(pixels, 40) == pixels).all()
    assert to_channels(pixels[None], 1).shape == (1, 40, 40, 1)


def test_the_identity_of_a_folder_is_pending_until_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "cache"))
    assert identity(MIXING_SETS["folder"], 4, 8, 3, 0, {"folder": "art"}, data_root=tmp_path)["content"] == "pending"
    (tmp_path / "art").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "art" / "a.png")
    assert len(identity(MIXING_SETS["folder"], 4, 8, 3, 0, {"folder": "art"}, data_root=tmp_path)["content"]) == 64


def folder_set(tmp_path: Path, num: int, **params: object) -> NDArray[np.uint8]:
    request = SetRequest(
        num_images=num, image_size=16, num_channels=3, seed=0, data_root=tmp_path, cache_dir=tmp_path / "cache"
    )
    return build_folder(FolderConfig(folder="art", **params), request).render(np.arange(num))  # type: ignore[arg-type]


def noise_in(folder: Path, number: int) -> None:
    folder.mkdir()
    for index in range(number):
        pixels = np.random.default_rng(index).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:03d}.png")


def test_one_broken_image_of_a_hundred_is_left_out_and_named_and_two_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise_in(tmp_path / "art", 99)
    (tmp_path / "art" / "broken.png").write_bytes(b"no image")

    assert len(np.unique(folder_set(tmp_path, 100), axis=0)) == 99
    assert "art/broken.png cannot be decoded" in caplog.text

    (tmp_path / "art" / "more.png").write_bytes(b"no image")

    with pytest.raises(MixingSetError, match=r"at most 1% .* but 2 of 101 are"):
        folder_set(tmp_path, 101)


def test_a_mixing_set_of_sixteen_bits_is_that_of_eight(tmp_path: Path) -> None:
    """Everything above 255 became white."""
    levels = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    (tmp_path / "art").mkdir()
    Image.fromarray(levels.astype(np.uint16) * 257).save(tmp_path / "art" / "a.png")

    assert np.array_equal(folder_set(tmp_path, 1)[0], np.repeat(levels[..., None], 3, axis=2))


def test_jpeg_is_decoded_exactly_unless_the_fast_way_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    coarse = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((128, 128), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "art" / "000.jpg", quality=90)
    with Image.open(tmp_path / "art" / "000.jpg") as stored:
        exact = middle_square(stored.convert("RGB"), 16)

    assert np.array_equal(folder_set(tmp_path, 1)[0], exact)

    fast = folder_set(tmp_path, 1, fast_jpeg=True)[0]

    assert 0 < np.abs(fast.astype(int) - exact).max() <= 8
    identities = [
        identity(MIXING_SETS["folder"], 1, 16, 3, 0, {"folder": "art", "fast_jpeg": fast}, data_root=tmp_path)
        for fast in (False, True)
    ]
    assert identity_digest(identities[0]) != identity_digest(identities[1])
    assert identities[1]["fast_jpeg"] == 1


def test_the_plan_says_what_a_worker_would_refuse_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / "a.svg").write_text("<svg/>")

    (line,) = missing_set_files(MIXING_SETS["folder"], {"folder": "art"}, tmp_path)

    assert "1 of 1 are: a.svg" in line
    (line,) = missing_set_files(MIXING_SETS["folder"], {"folder": "none"}, tmp_path)
    assert "none, which does not exist" in line


def test_missing_files_are_told_with_the_way_out(tmp_path: Path) -> None:
    cases = {
        "folder": r"needs a folder of images, but .* does not exist; .*set folder=NAME",
        "pixmix-images": r"have 14230 files in fractals/images, but .* has 0; unpack fractals_and_fvis\.tar",
        "random-images-300k": r"needs .*300K_random_images\.npy, which does not exist",
        "fvis": r"need at least one network, but parents is empty; name trained cells",
    }
    for name, message in cases.items():
        with pytest.raises(MixingSetError, match=message):
            MIXING_SETS[name].build(config_for(MIXING_SETS[name], {}), request(tmp_path))


def test_random_images_keep_their_border_and_are_mirrored_by_half(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, None, :, None], (64, 32, 32, 3))
    np.save(tmp_path / "300K_random_images.npy", ramp)
    mixing_set = MIXING_SETS["random-images-300k"]
    assert mixing_set.stored_side(32) == 40
    source = mixing_set.build(config_for(mixing_set, {}), request(tmp_path, image_size=40))
    images = source.render(np.arange(64))
    assert images[:, :4].max() == images[:, :, -4:].max() == 0
    rising = images[:, 20, 5, 0] < images[:, 20, 30, 0]
    assert 16 < rising.sum() < 48
    assert (images[rising][:, 4:36, 4:36] == ramp[:1]).all()


def test_networks_are_asked_from_the_provider_by_their_key(tmp_path: Path) -> None:
    asked: list[str] = []

    def provide(key: str) -> Any:
        asked.append(key)
        return untrained_network(1, 3)

    config = FvisSetConfig(parents=("a" * 64, "b" * 64), steps=1, batch=4)
    source = FvisSource(config, request(tmp_path, models=provide))
    assert source.render(np.arange(4)).shape == (4, 16, 16, 3)
    assert asked == ["a" * 64, "b" * 64]
    with pytest.raises(MixingSetError, match="no provider of trained networks was given"):
        FvisSource(config, request(tmp_path)).render(np.arange(1))


def test_units_take_turns_before_pairs_begin() -> None:
    units = range(7)
    assert sorted(choose_units(units, i, seed=0) for i in units) == [(unit,) for unit in units]
    assert len(set(choose_units(units, len(units), seed=0))) == 2


def test_the_parts_of_fractals_fvis_have_the_versions_of_the_registry() -> None:
    parts = identity(MIXING_SETS["fractals-fvis"], 4, 8, 3, 0, {})["parts"]
    assert parts == {"fractals": 1, "fvis": 2} == {name: MIXING_SETS[name].semantics for name in parts}
    share = config_for(MIXING_SETS["fractals-fvis"], {}).fractal_share
    assert round(share * 18_930) == 14_230
