"""Every mixing set keeps the same promises: shape, range, structure, and images that depend on their own index alone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from augment.kernels.counters import SampleKeys, uniforms
from augment.mixing_sets.build import ensure_mixing_set, open_mixing_set
from augment.mixing_sets.contract import SetRequest
from augment.mixing_sets.from_files import published, random_images
from augment.mixing_sets.identity import config_for, identity, identity_digest
from augment.mixing_sets.registry import MIXING_SETS

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SEMANTICS = Path(__file__).with_name("mixing_set_semantics.json")
COARSE = frozenset({"fvis", "resnet-fvis", "fractals-fvis", "stylegan-oriented", "spectrum-color-wmm"})
NUM = 6


def request_of(tmp_path: Path, **changes: Any) -> SetRequest:
    fields: dict[str, Any] = {
        "num_images": NUM, "image_size": 36, "num_channels": 3, "seed": 5, "data_root": tmp_path / "data",
        "cache_dir": tmp_path / "cache",
    }  # fmt: skip
    return SetRequest(**{**fields, **changes})


def params_of(name: str) -> Mapping[str, object]:
    """Return parameters that make a set quick, and offline where it reads files or networks."""
    fvis = {"parents": ["random:3"], "steps": 2, "batch": 3, "lr": 0.5}
    quick: dict[str, dict[str, object]] = {
        "fvis": fvis,
        "resnet-fvis": fvis,
        "fractals-fvis": {**fvis, "fractal_share": 0.5},
        "spectrum-color-wmm": {"iterations": 1},
        "stylegan-oriented": {"resolution": 32, "max_channels": 4, "images_per_network": 3},
        "fractaldb": {"num_categories": 4, "search_side": 64, "search_points": 2000, "points": 5000, "render_side": 72},
    }
    return quick.get(name, {})


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with a few images where the sets of origin "files" look for them."""
    root = tmp_path_factory.mktemp("files")
    noise = uniforms(SampleKeys(0, 0, np.arange(NUM)), 40 * 50 * 3, stream="test/files")
    pixels = (noise * 256).astype(np.uint8).reshape(NUM, 40, 50, 3)
    for number, part in enumerate(("pictures", *published.PIXMIX_FOLDERS)):
        folder = root / part if part == "pictures" else root / published.PIXMIX_FOLDER / part
        folder.mkdir(parents=True)
        for i, image in enumerate(pixels):
            Image.fromarray(np.roll(image, number)).save(folder / f"{i}.png")
    np.save(root / random_images.RANDOM_IMAGES_FILE, pixels[:, :32, :32])
    return root


@pytest.fixture(autouse=True)
def few_published_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(published, "PIXMIX_FOLDERS", dict.fromkeys(published.PIXMIX_FOLDERS, NUM))
    monkeypatch.setenv("DREAMGRID_CACHE", str(tmp_path / "hashes"))


def render(name: str, tmp_path: Path, indices: list[int], **changes: Any) -> NDArray[np.uint8]:
    mixing_set = MIXING_SETS[name]
    source = mixing_set.build(config_for(mixing_set, params_of(name)), request_of(tmp_path, **changes))
    return source.render(np.array(indices, dtype=np.int64))


@pytest.fixture(autouse=True)
def data_folder(files: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(files)


@pytest.fixture(params=sorted(MIXING_SETS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_key_is_the_name_and_the_card_is_filled_in(name: str) -> None:
    mixing_set = MIXING_SETS[name]
    assert mixing_set.name == name
    assert mixing_set.semantics >= 1
    assert mixing_set.num_images >= 1
    assert mixing_set.what.endswith(".")
    assert mixing_set.source


def test_images_have_the_asked_shape_and_structure(name: str, tmp_path: Path) -> None:
    images = render(name, tmp_path, list(range(NUM)))
    assert images.shape == (NUM, 36, 36, 3)
    assert images.dtype == np.uint8
    assert (images.reshape(NUM, -1).std(axis=1) > 4).all()
    assert len({image.tobytes() for image in images}) == NUM


def test_an_image_depends_on_its_own_index_alone(name: str, tmp_path: Path) -> None:
    together = render(name, tmp_path, [0, 1, 2, 3])
    assert (render(name, tmp_path, [3, 1])[0] == together[3]).all()
    assert (render(name, tmp_path, [2])[0] == together[2]).all()


def test_an_image_repeats_with_its_seed(name: str, tmp_path: Path) -> None:
    assert (render(name, tmp_path, [1]) == render(name, tmp_path, [1])).all()


def test_another_seed_gives_other_images_of_rendered_sets(name: str, tmp_path: Path) -> None:
    if MIXING_SETS[name].origin == "files":
        pytest.skip("files are what they are")
    assert (render(name, tmp_path, [0, 1]) != render(name, tmp_path, [0, 1], seed=6)).any()


def test_grey_images_are_the_luma_of_the_coloured_ones(name: str, tmp_path: Path) -> None:
    if MIXING_SETS[name].origin == "trained":
        pytest.skip("a network for grey images is visualised in grey")
    grey = render(name, tmp_path, [0, 1], num_channels=1)
    red, green, blue = np.moveaxis(render(name, tmp_path, [0, 1]).astype(np.int64), -1, 0)
    assert grey.shape == (2, 36, 36, 1)
    assert (grey[..., 0] == (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).all()


@pytest.mark.parametrize("side", [9, 31, 64])
def test_odd_and_small_sides_are_rendered(name: str, tmp_path: Path, side: int) -> None:
    assert render(name, tmp_path, [0], image_size=side).shape == (1, side, side, 3)


def test_no_image_is_asked_for_and_none_given(name: str, tmp_path: Path) -> None:
    assert render(name, tmp_path, []).shape == (0, 36, 36, 3)


def test_the_built_array_holds_the_rendered_images(name: str, tmp_path: Path) -> None:
    request = request_of(tmp_path)
    file = ensure_mixing_set(
        MIXING_SETS[name], num_images=NUM, image_size=36, num_channels=3, seed=5, params=params_of(name),
        cache_dir=request.cache_dir, data_root=request.data_root, models=request.models,
    )  # fmt: skip
    assert (open_mixing_set(file) == render(name, tmp_path, list(range(NUM)))).all()


def test_the_identity_names_no_path(name: str, tmp_path: Path) -> None:
    facts = identity(MIXING_SETS[name], NUM, 36, 3, 5, params_of(name), data_root=tmp_path)
    assert str(tmp_path) not in json.dumps(facts)
    assert facts["semantics"] == MIXING_SETS[name].semantics
    assert len(identity_digest(facts)) == 64


def outcome(name: str, images: NDArray[np.uint8]) -> str | list[float]:
    """Return a digest, or for sets made by other libraries' kernels, whose last bits differ between processors, coarse values."""
    if name not in COARSE:
        return hashlib.sha256(images).hexdigest()
    values = images.astype(np.float64)
    return [round(float(value), 2) for value in (*values.mean(axis=(1, 2, 3)), *values.std(axis=(1, 2, 3)))]


def test_changed_images_need_a_raised_semantics_version(name: str, tmp_path: Path) -> None:
    found = outcome(name, render(name, tmp_path, [0, 1, 2, 3]))
    stored: dict[str, Any] = json.loads(SEMANTICS.read_text())
    key = f"{name}@{MIXING_SETS[name].semantics}"
    if os.environ.get("DREAMGRID_WRITE_DIGESTS") and key not in stored:
        stored[key] = found
        SEMANTICS.write_text(json.dumps(dict(sorted(stored.items())), indent=1) + "\n")
    assert key in stored, f"no outcome is stored for {key}; run this test with DREAMGRID_WRITE_DIGESTS=1"
    is_same = found == stored[key] if isinstance(found, str) else found == pytest.approx(stored[key], abs=1.0)
    assert is_same, f"the images of {name!r} changed: raise its semantics in the registry and write the new outcome"
