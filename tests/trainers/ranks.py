"""Runs a script on several processes that talk over gloo, as the workers of a job do."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
BEFORE = textwrap.dedent(
    """
    import json, os, sys
    from pathlib import Path
    import torch
    from torch import distributed
    from trainers.training.group import distributed_group

    rank, world_size, folder, options = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4])
    torch.set_num_threads(1)
    if world_size > 1:
        distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=world_size
        )
    group = distributed_group(rank=rank, world_size=world_size, device="cpu")
    result = None
    """
)
AFTER = textwrap.dedent(
    """
    print(json.dumps(result))
    if world_size > 1:
        distributed.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # about one process in twenty aborts while it unloads torch: a thread of gloo still runs
    """
)


def run_ranks(folder: Path, script: str, world_size: int, *, timeout_s: float = 240, **options: Any) -> list[Any]:
    """Run a script on so many ranks and return what each of them left in `result`, as plain values.

    Args:
        folder: A new folder, which the script knows as `folder`.
        script: Knows `rank`, `world_size`, `folder`, `options` and `group`; torch, json, os, sys and Path are imported.
        timeout_s: Seconds that a rank may take.
        options: Plain values that the script finds in `options`.
    """
    folder.mkdir(parents=True)
    path = folder / "script.py"
    path.write_text(BEFORE + textwrap.dedent(script) + AFTER)
    ranks = [
        subprocess.Popen(
            [sys.executable, str(path), str(rank), str(world_size), str(folder), json.dumps(options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={
                "PYTHONPATH": str(REPOSITORY),
                "PATH": "/usr/bin:/bin",
                "HOME": str(Path.home()),
                "OMP_NUM_THREADS": "1",
            },
        )
        for rank in range(world_size)
    ]
    try:
        outputs = [rank.communicate(timeout=timeout_s) for rank in ranks]
    finally:
        # Those that wait for a peer that is gone, or for each other.
        for rank in ranks:
            rank.kill()
    assert all(rank.returncode == 0 for rank in ranks), "\n".join(error for _, error in outputs)
    return [json.loads(output.strip().splitlines()[-1]) for output, _ in outputs]
