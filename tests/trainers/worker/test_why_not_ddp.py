"""What torch's DistributedDataParallel would do to a global batch that does not divide evenly, beside what we do.

Two processes over gloo, a global batch of 5 samples: rank 0 has 3, rank 1 has 2. DDP gives every rank's mean gradient the same
weight, so that samples of rank 1 count half as much again; and a last batch of one sample leaves rank 1 without any, so that
its peers wait in the reduction for a backward pass that never comes. Weights could be put right by scaling the loss, but DDP
also broadcasts buffers at each forward pass and reduces after each backward pass, of which a step has one per logical shard.
"""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SCRIPT = textwrap.dedent(
    """
    import json, os, sys
    import torch
    from torch import distributed, nn
    from trainers.training.group import distributed_group
    from trainers.training.shards import StepSum

    rank, folder = int(sys.argv[1]), sys.argv[2]
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    inputs, targets = torch.arange(10.0).reshape(5, 2), torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0]])
    mine = slice(0, 3) if rank == 0 else slice(3, 5)

    def network():
        torch.manual_seed(0)
        return nn.Linear(2, 1)

    whole = network()
    nn.functional.mse_loss(whole(inputs), targets).backward()

    ddp = nn.parallel.DistributedDataParallel(network())
    nn.functional.mse_loss(ddp(inputs[mine]), targets[mine]).backward()

    ours = network()
    total = StepSum(ours, distributed_group(rank=rank, world_size=2, device="cpu"))
    total.start()
    share = len(targets[mine]) / 5
    (nn.functional.mse_loss(ours(inputs[mine]), targets[mine]) * share).backward()
    total.finish()
    if rank == 0:
        print(json.dumps({
            "whole": whole.weight.grad.flatten().tolist(),
            "ddp": ddp.module.weight.grad.flatten().tolist(),
            "ours": total.gradients[:2].tolist(),
        }))
    distributed.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # about one process in twenty aborts while it unloads torch: a thread of gloo still runs
    """
)


@pytest.mark.ddp
def test_gradients_are_those_of_the_whole_batch_where_ddp_would_weigh_workers_alike(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    root = Path(__file__).resolve().parents[3]
    ranks = [
        subprocess.Popen(
            [sys.executable, str(tmp_path / "script.py"), str(rank), str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "OMP_NUM_THREADS": "1"},
        )
        for rank in (0, 1)
    ]
    outputs = [rank.communicate(timeout=200) for rank in ranks]
    assert all(rank.returncode == 0 for rank in ranks), outputs[0][1]
    found = json.loads(outputs[0][0].strip().splitlines()[-1])
    assert found["ours"] == pytest.approx(found["whole"], rel=1e-6)
    assert found["ddp"] != pytest.approx(found["whole"], rel=0.01)
