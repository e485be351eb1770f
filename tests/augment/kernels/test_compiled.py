"""Machine code is found again by content: in another folder, not after a change; and compiling is reported to the user."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from augment.kernels.compiled import kernel, read_only
from augment.kernels.counters import SampleKeys, uniforms
from augment.kernels.numba_cache import SealedFiles
from augment.kernels.sources import CACHE_VARIABLE, imported_modules, sources_hash
from trainers.worker.warm_kernels import KERNELS

REPOSITORY = Path(__file__).resolve().parents[3]
CODE = """
from augment.kernels.compiled import num_compiled, warm
from augment.kernels.counters import WARM_UP
warm(WARM_UP)
print(num_compiled())
"""


def a_copy(folder: Path) -> Path:
    """Copy the sources that the counters' kernels need into a folder."""
    for room in ("kernels", "lookup"):
        (folder / "augment" / room).mkdir(parents=True)
    kernels = [f"kernels/{name}" for name in ("__init__", "compiled", "numba_cache", "counters", "sources")]
    for name in ("__init__", "errors", "lookup/__init__", "lookup/imports", *kernels):
        shutil.copy(REPOSITORY / "augment" / f"{name}.py", folder / "augment" / f"{name}.py")
    return folder


def warm_in(folder: Path, cache: Path) -> tuple[int, str]:
    """Warm the counters in a fresh process inside a folder; return the kernels it compiled and what it said."""
    environment = {**os.environ, CACHE_VARIABLE: str(cache), "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout), done.stderr


def test_the_same_code_in_another_folder_loads_what_was_compiled(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, told = warm_in(a_copy(tmp_path / "one"), cache)
    assert first == 3  # the two blocks and the generator that they share
    assert told.count("compiling kernels for this processor, once") == 1
    again, silent = warm_in(a_copy(tmp_path / "elsewhere" / "two"), cache)
    assert (again, silent) == (0, "")
    changed = a_copy(tmp_path / "three")
    source = changed / "augment" / "kernels" / "counters.py"
    source.write_text(source.read_text().replace("SC 2011", "SC 2011 "))
    assert warm_in(changed, cache)[0] == first


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["one bit", "truncated", "emptied", "deleted"])
def test_damaged_machine_code_counts_as_absent_and_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, damage: str
) -> None:
    """A bit of machine code decides every pixel that comes out of a kernel."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    files = SealedFiles(cache_path=str(tmp_path / "hash"), filename_base="f", source_stamp="s")
    (tmp_path / "hash").mkdir()
    files.save("int64", b"code " * 100)
    assert files.load("int64") == b"code " * 100
    (path,) = tmp_path.rglob(f"*.{suffix}")
    whole = path.read_bytes()
    flipped = whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :]
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes({"one bit": flipped, "truncated": whole[:-1], "emptied": b""}[damage])
    assert files.load("int64") is None
    files.save("int64", b"code " * 100)
    assert files.load("int64") == b"code " * 100


def test_numba_keeps_the_code_of_our_kernels_sealed_and_leaves_that_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from numba.core import caching

    uniforms(SampleKeys(0, 0, np.arange(2)), 1, stream="a kernel that runs installs the cache")
    assert caching.IndexDataCacheFile is SealedFiles
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "ours"))
    (tmp_path / "theirs").mkdir()
    theirs = SealedFiles(cache_path=str(tmp_path / "theirs"), filename_base="f", source_stamp="s")
    theirs.save("int64", "code")
    assert theirs.load("int64") == "code"
    assert pickle.dumps("code", protocol=-1)[-6:] in next((tmp_path / "theirs").glob("*.nbc")).read_bytes()[-6:]


def test_a_module_that_a_kernel_module_imports_counts_for_its_hash(tmp_path: Path) -> None:
    def hash_in(top: Path, value: int) -> str:
        (top / "augment").mkdir(parents=True)
        (top / "augment" / "first.py").write_text("from augment import second\n")
        (top / "augment" / "second.py").write_text(f"VALUE = {value}\n")
        return sources_hash("augment.first", top)

    before = hash_in(tmp_path / "a", 1)
    assert hash_in(tmp_path / "b", 1) == before
    assert hash_in(tmp_path / "c", 2) != before


def test_every_module_with_kernels_is_warmed_at_installation() -> None:
    found = {
        path.relative_to(REPOSITORY).with_suffix("").as_posix().replace("/", ".")
        for package in ("augment", "eval")
        for path in (REPOSITORY / package).rglob("*.py")
        if "\n@kernel(" in path.read_text()
    }
    covered = {name for call in KERNELS for name in imported_modules(call.__module__)}
    assert found <= covered, "add these to the list of their package, for trainers.worker.warm_kernels"


def test_fixed_options_of_kernels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"kernel options \['parallel'\] are fixed for all kernels"):
        kernel(parallel=True)


def test_a_read_only_view_leaves_the_array_writable() -> None:
    import numpy as np

    array = np.zeros((4, 4))[:, ::2]
    view = read_only(array)
    assert view.flags.c_contiguous
    assert not view.flags.writeable
    array[0, 0] = 1.0
