"""The registry of mixing sets and the build of their arrays: once per node, resumable, verified."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augment.mixing_sets.build import MixingSetFile, ensure_mixing_set, open_mixing_set
from augment.mixing_sets.contract import MixingSet, MixingSetError
from augment.mixing_sets.identity import identity, identity_digest
from augment.mixing_sets.images import contact_sheet
from augment.mixing_sets.registry import MIXING_SETS, mixing_set_for

FRACTALS = MIXING_SETS["fractals"]
REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True, kw_only=True)
class RampConfig:
    step: int = 1
    pause_s: float = 0.0


class RampSource:
    """Image i is filled with i * step; every rendered index is noted in a file."""

    chunk = 4
    is_threaded = True

    def __init__(self, config: RampConfig, request: Any) -> None:
        self.config, self.request = config, request

    def render(self, indices: Any) -> Any:
        time.sleep(self.config.pause_s)
        with (self.request.data_root / "rendered.txt").open("a") as notes:
            notes.write("".join(f"{i}\n" for i in indices))
        side, channels = self.request.image_size, self.request.num_channels
        values = (indices * self.config.step % 256).astype(np.uint8)
        return np.broadcast_to(values[:, None, None, None], (len(indices), side, side, channels)).copy()


RAMP = MixingSet(
    name="ramp", title="Ramp", semantics=1, config=RampConfig, origin="procedural", num_images=40,
    build=RampSource, what="Flat images.", source="this test",
)  # fmt: skip


def ensure_ramp(folder: Path, num_images: int = 18, **options: Any) -> MixingSetFile:
    keywords: dict[str, Any] = {"image_size": 8, "num_channels": 3, "seed": 0, "params": {}, **options}
    return ensure_mixing_set(RAMP, num_images=num_images, cache_dir=folder, data_root=folder, **keywords)


def rendered(folder: Path) -> list[int]:
    return sorted(int(line) for line in (folder / "rendered.txt").read_text().split())


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(MixingSetError, match=r"unknown mixing set 'fractal' \(did you mean 'fractals'\?\); known: "):
        mixing_set_for("fractal")


def test_unknown_parameters_are_named_all_at_once_with_the_nearest_one() -> None:
    with pytest.raises(MixingSetError, match=r"'densty' of mixing set 'fractals' \(did you mean 'density'\?\).* 'zzz'"):
        identity(FRACTALS, 10, 36, 3, 0, {"densty": 3, "zzz": 1})


def test_a_value_out_of_range_is_refused_with_the_rule() -> None:
    with pytest.raises(MixingSetError, match="flame_share and ifs_share must be at least 0 and sum to at most 1"):
        identity(FRACTALS, 10, 36, 3, 0, {"flame_share": 0.9, "ifs_share": 0.9})


def test_all_broken_numbers_of_a_request_are_named() -> None:
    with pytest.raises(
        MixingSetError, match=r"num_images must be .* image_size must be .* num_channels must be .* seed must be"
    ):
        identity(FRACTALS, 0, 0, 2, -1, {})


def test_the_identity_holds_defaults_and_changes_with_every_part_of_the_request() -> None:
    request: dict[str, Any] = {
        "mixing_set": FRACTALS, "num_images": 10, "image_size": 36, "num_channels": 3, "seed": 0, "params": {},
    }  # fmt: skip
    base = identity(**request)
    assert base["config"]["density"] == 4.0
    assert identity(**{**request, "params": {"density": 4.0}}) == base
    changes = {"num_images": 11, "image_size": 32, "num_channels": 1, "seed": 1, "params": {"density": 7.0}}
    digests = {identity_digest(identity(**{**request, key: value})) for key, value in changes.items()}
    assert len(digests | {identity_digest(base)}) == 6


def test_an_identity_is_plain_json() -> None:
    facts = identity(FRACTALS, 10, 36, 3, 0, {})
    assert json.loads(json.dumps(facts)) == facts


def test_the_registry_imports_nothing_heavy() -> None:
    heavy = "{'numba', 'torch', 'scipy'} & set(sys.modules)"
    code = f"import sys, augment.mixing_sets.registry; print({heavy})"
    out = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


@pytest.mark.parametrize(("training", "stored"), [(32, 36), (28, 32), (224, 256)])
def test_images_are_stored_at_the_published_side(training: int, stored: int) -> None:
    assert FRACTALS.stored_side(training) == stored


def test_a_set_is_built_once_and_then_found(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    first = ensure_ramp(tmp_path, progress=lambda done, total: seen.append((done, total)))
    second = ensure_ramp(tmp_path)
    assert first.was_built
    assert not second.was_built
    assert first.sha256 == second.sha256
    assert rendered(tmp_path) == list(range(18))
    assert seen[0] == (0, 18)
    assert seen[-1] == (18, 18)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_set_opens_as_a_read_only_map_of_its_images(tmp_path: Path) -> None:
    images = open_mixing_set(ensure_ramp(tmp_path))
    assert isinstance(images, np.memmap)
    assert not images.flags.writeable
    assert images.shape == (18, 8, 8, 3)
    assert (images[:, 3, 5, 1] == np.arange(18)).all()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_any_number_of_threads_writes_the_same_bytes(tmp_path: Path, threads: int) -> None:
    file = ensure_ramp(tmp_path, threads=threads)
    expected = np.broadcast_to(np.arange(18, dtype=np.uint8)[:, None, None, None], (18, 8, 8, 3))
    assert (np.load(file.path) == expected).all()


def test_a_damaged_array_is_built_again_and_the_reason_told(tmp_path: Path) -> None:
    first = ensure_ramp(tmp_path)
    with first.path.open("r+b") as handle:
        handle.seek(300)
        handle.write(b"\xff")
    again = ensure_ramp(tmp_path)
    assert again.was_built
    assert again.reason is not None
    assert "its bytes have changed" in again.reason
    assert again.sha256 == first.sha256


def test_an_array_without_its_digest_is_built_again(tmp_path: Path) -> None:
    first = ensure_ramp(tmp_path)
    first.path.with_name("set.json").unlink()
    again = ensure_ramp(tmp_path)
    assert again.was_built
    assert again.reason is not None
    assert "set.json cannot be read" in again.reason


def test_a_request_beyond_the_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MixingSetError, match=r"MiB free; ask for fewer images or set DREAMGRID_CACHE"):
        ensure_ramp(tmp_path, num_images=2**31, image_size=1024)


def test_a_file_that_is_no_array_of_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wrong.npy").write_bytes(b"nothing")
    with pytest.raises(MixingSetError, match=r"is not an array of images .* call ensure_mixing_set"):
        open_mixing_set(tmp_path / "wrong.npy")
    np.save(tmp_path / "floats.npy", np.zeros((2, 3, 3, 1)))
    with pytest.raises(MixingSetError, match=r"uint8 array, but .* contains float64"):
        open_mixing_set(tmp_path / "floats.npy")


def _build_in_process(folder: str) -> tuple[bool, str]:
    file = ensure_ramp(Path(folder), num_images=40, params={"pause_s": 0.1}, threads=1)
    return file.was_built, file.sha256


def test_two_processes_at_once_build_a_set_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        results = pool.map(_build_in_process, [str(tmp_path)] * 2, chunksize=1)
    assert sorted(was_built for was_built, _ in results) == [False, True]
    assert len({digest for _, digest in results}) == 1
    assert rendered(tmp_path) == list(range(40))


def _kill_after_chunks(folder: Path, chunks: int) -> None:
    """Build in a child process and kill it without warning once so many chunks are logged."""
    child = multiprocessing.get_context("fork").Process(target=_build_in_process, args=(str(folder),))
    child.start()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        logs = list(folder.glob("mixing-sets/*/partial.jsonl"))
        if logs and len(logs[0].read_text().splitlines()) > chunks:
            break
        time.sleep(0.01)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()


def test_a_killed_build_goes_on_where_it_stopped(tmp_path: Path) -> None:
    _kill_after_chunks(tmp_path, chunks=3)
    before = rendered(tmp_path)
    assert 12 <= len(before) < 40
    whole_folder = tmp_path / "whole"
    whole_folder.mkdir()
    resumed = ensure_ramp(tmp_path, num_images=40, params={"pause_s": 0.1})
    whole = ensure_ramp(whole_folder, num_images=40, params={"pause_s": 0.1})
    assert resumed.sha256 == whole.sha256
    assert len(rendered(tmp_path)) <= 40 + 4  # at most the chunk that was being rendered is rendered twice


def test_a_resumed_build_renders_again_what_was_damaged_meanwhile(tmp_path: Path) -> None:
    _kill_after_chunks(tmp_path, chunks=3)
    (data,) = tmp_path.glob("mixing-sets/*/partial.npy")
    with data.open("r+b") as handle:
        handle.seek(128 + 8 * 8 * 3 * 5)  # image 5, in the second chunk
        handle.write(b"\xee" * 10)
    with data.with_suffix(".jsonl").open("a") as log:
        log.write('{"chunk": 7, "sha')  # a torn line
    resumed = ensure_ramp(tmp_path, num_images=40, params={"pause_s": 0.1})
    assert (open_mixing_set(resumed)[5] == 5).all()
    assert rendered(tmp_path).count(5) == 2


@pytest.mark.parametrize("channels", [1, 3])
def test_a_contact_sheet_shows_every_image_in_order(tmp_path: Path, channels: int) -> None:
    from PIL import Image

    images = np.full((5, 4, 6, channels), 7, np.uint8) * np.arange(1, 6, dtype=np.uint8)[:, None, None, None]
    contact_sheet(images, tmp_path / "new" / "sheet.png", 2)
    sheet = np.asarray(Image.open(tmp_path / "new" / "sheet.png").convert("L"))
    assert sheet.shape == (3 * 4 + 2 * 2, 2 * 6 + 2)
    assert [sheet[0, 0], sheet[0, 8], sheet[6, 0], sheet[6, 8], sheet[12, 0]] == [7, 14, 21, 28, 35]
    assert sheet[12, 8] == 255


def test_a_contact_sheet_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a contact sheet needs"):
        contact_sheet(np.zeros((0, 4, 4, 3), np.uint8), tmp_path / "sheet.png", 2)
