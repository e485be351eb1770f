"""The published kind of training loop as a process of its own, with the defaults of Python and glibc, for `benchmarks.train`.

    python -m benchmarks.train_peer FOLDER [REFERENCE]

FOLDER holds `images.npy`, `labels.npy` and `mixing_set.npy`. Each line on stdin asks for one epoch; the answer is a line with its
CPU seconds. With a REFERENCE, a checkout of the published code, its operations are used instead of our own in their place.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.pil_pipeline import PixMixFromFiles, mixings, operations, published, train_epoch, write_mixing_files
from trainers.models.contract import ModelInput
from trainers.models.registry import model_for

BATCH: Final = 64
MODEL: Final = "wrn-16-1"
DROPOUT: Final = 0.3
GIVEN: Final = ModelInput(image_size=32, num_channels=3, num_classes=10)
NUM_FILES: Final = 128
ARRAYS: Final = ("images", "labels", "mixing_set")


@dataclass(slots=True)
class PeerProcess:
    """The process, as a context manager; call it for the CPU seconds of one more epoch.

    Args:
        folder: An empty folder for what the process reads.
        arrays: Images, labels and mixing images.
        reference: A checkout of the published code, or None.
    """

    folder: Path
    arrays: Sequence[NDArray[Any]]
    reference: Path | None
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> PeerProcess:
        for name, array in zip(ARRAYS, self.arrays, strict=True):
            np.save(self.folder / f"{name}.npy", array)
        command = [sys.executable, "-m", "benchmarks.train_peer", str(self.folder)]
        self._process = subprocess.Popen(
            [*command, str(self.reference)] if self.reference else command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parent.parent,
        )
        return self

    def __call__(self) -> float:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("epoch\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the peer ended with code {self._process.wait(30)}; its message is above")
        return float(answer)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def main() -> None:
    """Answer until stdin ends."""
    folder, reference = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None
    images, labels, mixing_set = (np.load(folder / f"{name}.npy") for name in ARRAYS)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    ops, mixes = (operations(rng, 32), mixings(rng)) if reference is None else published(reference)
    files = write_mixing_files(mixing_set[:NUM_FILES], folder)
    dataset = PixMixFromFiles(files, images, labels, mixing_set, ops, mixes, rng)
    network = model_for(MODEL).build({"dropout": DROPOUT}, GIVEN)
    for _ in sys.stdin:
        started = time.process_time()
        train_epoch(network, dataset, BATCH)
        sys.stdout.write(f"{time.process_time() - started}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
