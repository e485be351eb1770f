"""What running on an object store costs a training: checkpoints and staged data, as seconds and as a share of a cell.

A cell of CIFAR takes about two GPU-hours and writes a checkpoint at each of its 100 epochs; its data, decoded, are 150 MiB, and a
node fetches them once for all its cells. Training is held while a checkpoint is packed; to object storage it travels while
training goes on. The shares count what training is held, with the staging whole for one cell; beside it stands the share with
every second until a checkpoint has arrived.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.harness import Case, Measurement
from clusters.storage.open import open_storage

if TYPE_CHECKING:
    from trainers.training.checkpoints import Checkpoints

CELL_S: Final = 7200.0
CHECKPOINTS_PER_CELL: Final = 100
CHECKPOINT_PARAMETERS: Final = 8_950_000
"""Of a WRN-40-4; a checkpoint also holds one momentum for each."""

STAGED_MIB: Final = 150
SHARE_TARGET: Final = 0.02
QUICK_DIVISOR: Final = 8


def staging_cases(folder: Path, remote_uri: str, *, quick: bool) -> list[Case]:
    """Return the cases to measure: one checkpoint and one staging, on the object store against a local folder.

    Args:
        folder: Local folder to work in.
        remote_uri: Prefix of the object store.
        quick: Whether a fraction of the bytes will do; seconds are scaled up.
    """
    divisor = QUICK_DIVISOR if quick else 1
    state = _state(CHECKPOINT_PARAMETERS // divisor)
    source = folder / "data.bin"
    source.write_bytes(os.urandom(STAGED_MIB * 2**20 // divisor))
    for uri in (str(folder / "local"), remote_uri):
        open_storage(uri).upload_file(source, "data.bin")
    return [
        Case(
            name="write a checkpoint of a WRN-40-4, S3",
            ours=_Saver(remote_uri, state),
            peer=_Saver(str(folder / "local"), state),
            peer_name="local files",
        ),
        Case(
            name=f"stage {STAGED_MIB} MiB on a node, S3",
            ours=_stager(remote_uri, folder / "from-remote"),
            peer=_stager(str(folder / "local"), folder / "from-local"),
            peer_name="local files",
        ),
    ]


def share_measurements(checkpoint: Measurement, staging: Measurement, *, quick: bool) -> list[Measurement]:
    """Return which share of a cell both take, on the object store and on local files, from what was measured.

    Args:
        checkpoint: Of one checkpoint.
        staging: Of staging once.
        quick: Whether a fraction of the bytes was measured.
    """
    savers: tuple[_Saver, _Saver] = (checkpoint.case.ours, checkpoint.case.peer)  # type: ignore[assignment]
    rounds = len(checkpoint.ours_s)
    sides: Sequence[tuple[str, tuple[float, ...], tuple[float, ...]]] = (
        ("checkpoints and staging of a cell, S3", savers[0].held_s(rounds), staging.ours_s),
        ("the same until each checkpoint is written, S3", checkpoint.ours_s, staging.ours_s),
        ("checkpoints and staging of a cell, local files", savers[1].held_s(rounds), staging.peer_s),
    )
    scale = QUICK_DIVISOR if quick else 1
    return [_share(name, saving_s, staging_s, scale) for name, saving_s, staging_s in sides]


def _share(name: str, saving_s: tuple[float, ...], staging_s: tuple[float, ...], scale: int) -> Measurement:
    """Return a cell's seconds for its checkpoints and one staging, against its two hours; the target is for what is held."""
    overhead = [
        scale * (CHECKPOINTS_PER_CELL * saved + staged) for saved, staged in zip(saving_s, staging_s, strict=True)
    ]
    case = Case(
        name=name,
        ours=_nothing,
        peer=_nothing,
        peer_name="two hours of training",
        target=SHARE_TARGET if name.startswith("checkpoints") else None,
        at_most=True,
    )
    return Measurement(case=case, ours_s=tuple(overhead), peer_s=(CELL_S,) * len(overhead))


def _state(parameters: int) -> dict[str, Any]:
    import torch

    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(parameters, generator=generator)
    return {"model": {"weights": weights}, "optimizer": {"momentum": weights.clone()}, "step": 1}


class _Saver:
    """Saves one state again and again; a call ends when the checkpoint stands."""

    def __init__(self, uri: str, state: dict[str, Any]) -> None:
        from trainers.training.checkpoints import Checkpoints

        self._checkpoints: Checkpoints = Checkpoints(f"{uri}/checkpoints", "0" * 64)
        self._state = state
        self._steps = iter(range(1, 1_000_000))

    def __call__(self) -> None:
        self._checkpoints.save(self._state, next(self._steps))

    def held_s(self, rounds: int) -> tuple[float, ...]:
        """Return for how long each save holds a training whose checkpoint before has arrived."""
        held = []
        for _ in range(rounds):
            with self._checkpoints.sending():
                started = time.perf_counter()
                self()
                held.append(time.perf_counter() - started)
        return tuple(held)


def _stager(uri: str, target: Path) -> Callable[[], object]:
    return lambda: open_storage(uri).download_file("data.bin", target)


def _nothing() -> None:
    """The shares follow from other cases."""
