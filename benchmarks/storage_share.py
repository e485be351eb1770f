"""What running on an object store costs a training: checkpoints and staged data, as seconds and as a share of a cell.

A cell of CIFAR takes about two GPU-hours and writes a checkpoint at each of its 100 epochs; its data, decoded, are 150 MiB, and a
node fetches them once for all its cells. The shares count every second of a checkpoint as lost, and the staging for one cell.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.harness import Case, Measurement
from clusters.storage import open_storage

if TYPE_CHECKING:
    from trainers.checkpoints import Checkpoints

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
            ours=_saver(remote_uri, state),
            peer=_saver(str(folder / "local"), state),
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
    scale = QUICK_DIVISOR if quick else 1
    sides: Sequence[tuple[str, tuple[float, ...], tuple[float, ...]]] = (
        ("S3", checkpoint.ours_s, staging.ours_s),
        ("local files", checkpoint.peer_s, staging.peer_s),
    )
    found = []
    for name, saving_s, staging_s in sides:
        overhead = tuple(
            scale * (CHECKPOINTS_PER_CELL * saved + staged) for saved, staged in zip(saving_s, staging_s, strict=True)
        )
        case = Case(
            name=f"checkpoints and staging of a cell, {name}",
            ours=_nothing,
            peer=_nothing,
            peer_name="two hours of training",
            target=SHARE_TARGET,
            at_most=True,
        )
        found.append(Measurement(case=case, ours_s=overhead, peer_s=(CELL_S,) * len(overhead)))
    return found


def _state(parameters: int) -> dict[str, Any]:
    import torch

    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(parameters, generator=generator)
    return {"model": {"weights": weights}, "optimizer": {"momentum": weights.clone()}, "step": 1}


def _saver(uri: str, state: dict[str, Any]) -> Callable[[], object]:
    from trainers.checkpoints import Checkpoints

    checkpoints: Checkpoints = Checkpoints(f"{uri}/checkpoints", "0" * 64)
    steps = iter(range(1, 1_000_000))
    return lambda: checkpoints.save(state, next(steps))


def _stager(uri: str, target: Path) -> Callable[[], object]:
    return lambda: open_storage(uri).download_file("data.bin", target)


def _nothing() -> None:
    """The shares follow from other cases."""
