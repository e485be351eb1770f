"""The gradient of a global batch: what DistributedDataParallel sums is what one process computes by hand, shard by shard."""

from pathlib import Path

import pytest

from tests.trainers.ranks import run_ranks

TWO_RANKS = [[[3], [2]], [[4, 4], [4, 4]], [[5, 4], [4, 3]], [[2], [0]], [[7, 6, 5], [4, 3, 2]]]
"""Samples of the shards of each rank; of a shard without samples the loader makes nothing."""

STEP = """
    import copy
    import numpy as np
    from torch import nn
    from augment.treatment import Treatment
    from trainers.config import RecipeConfig
    from trainers.training.input.loader import Batch, Shard
    from trainers.training.loop import LoopHooks, Training
    from trainers.training.shards import running_statistics

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
                nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
            )
            self.unused = nn.Parameter(torch.ones(3))

        def forward(self, images):
            return self.body(images)

    def network():
        torch.manual_seed(0)
        return Network().to(memory_format=torch.channels_last)

    def by_hand(shards, total, sent):
        '''Each rank adds up its shards, then the ranks are added up; each shard on a copy of the network.'''
        statistics, loss, ranks = None, 0.0, []
        for of_rank in shards:
            gradients = [torch.zeros_like(parameter) for parameter in network().parameters()]
            for shard in of_rank:
                model = network().train()
                images = shard.images.permute(0, 3, 1, 2).to(torch.float32).div_(255.0)
                own = nn.functional.cross_entropy(model(images), shard.labels)
                (own * (len(shard.labels) / total)).backward()
                loss += float(own) * len(shard.labels) / total
                for gradient, parameter in zip(gradients, model.parameters()):
                    if parameter.grad is not None:
                        gradient += parameter.grad
                if shard.number == 0:
                    statistics = list(running_statistics(model))
            ranks.append([gradient.to(sent) for gradient in gradients])
        return [sum(parts).to(torch.float32) for parts in zip(*ranks)], statistics, loss

    def shards_of_ranks(layout):
        rng, number, found = np.random.default_rng(1), 0, []
        for sizes in layout:
            numbers = range(number, number + len(sizes))
            shards = [
                Shard(
                    number=one, images=torch.from_numpy(rng.integers(0, 256, (size, 9, 9, 1), dtype=np.uint8)),
                    labels=torch.from_numpy(rng.integers(0, 5, size)), extra=None,
                )
                for one, size in zip(numbers, sizes) if size
            ]
            found.append(sorted(shards, key=lambda shard: (shard.number == 0, shard.number)))
            number += len(sizes)
        return found

    passes = 0
    forward = nn.parallel.DistributedDataParallel.forward

    def counted(self, *given):
        global passes
        passes += 1
        return forward(self, *given)

    nn.parallel.DistributedDataParallel.forward = counted

    class OneBatch:
        '''In place of a loader.'''
        def __init__(self, batch):
            self._batch = batch

        def epoch(self, epoch, first):
            yield self._batch

    def largest_difference(found, wanted):
        return max(float((one - other).abs().max()) for one, other in zip(found, wanted))

    result, sent = [], {"none": torch.float32, "bf16": torch.bfloat16}[options["compression"]]
    for layout in options["layouts"]:
        passes = 0
        shards, total = shards_of_ranks(layout), sum(map(sum, layout))
        model, rows = network(), []
        training = Training(
            recipe=RecipeConfig(epochs=1, lr=0.1, gradient_compression=options["compression"]), seed=0, model=model,
            treatment=Treatment(), steps_per_epoch=1, group=group, device=group.device,
        )
        batch = Batch(step=0, num_samples=total, shards=tuple(shards[rank]), wait_s=0.0)
        training.run(OneBatch(batch), LoopHooks(
            epoch_ended=rows.append, progress=lambda done, total: None, save=lambda state, step: None,
            checkpoint_every_s=1e9, stop_requested=lambda: False,
        ))
        gradients, statistics, loss = by_hand(shards, total, sent)
        result.append({
            "gradient": largest_difference([parameter.grad for parameter in model.parameters()], gradients),
            "statistics": largest_difference(running_statistics(model), statistics),
            "loss": abs(training.progress.rows[0].loss - loss),
            "passes": passes - max(1, len(shards[rank])),
            "weights": [float(parameter.double().sum()) for parameter in model.parameters()],
        })
"""


@pytest.mark.ddp
@pytest.mark.parametrize("compression", ["none", pytest.param("bf16", marks=pytest.mark.slow)])
def test_the_gradient_of_two_workers_is_bit_by_bit_that_of_one_process(tmp_path: Path, compression: str) -> None:
    first, second = run_ranks(tmp_path / "two", STEP, 2, layouts=TWO_RANKS, compression=compression)
    assert first == second
    for layout, found in zip(TWO_RANKS, first, strict=True):
        assert (found["gradient"], found["statistics"], found["passes"]) == (0.0, 0.0, 0), layout
        assert found["loss"] == pytest.approx(0.0, abs=1e-6), layout


@pytest.mark.ddp
@pytest.mark.slow
def test_the_gradient_of_three_workers_is_that_of_one_process_within_rounding(tmp_path: Path) -> None:
    layouts = [[[3], [2], [2]], [[5, 4], [4, 3], [3, 3]], [[1], [1], [0]], [[2], [0], [0]]]
    ranks = run_ranks(tmp_path / "three", STEP, 3, layouts=layouts, compression="none")
    assert ranks[0] == ranks[1] == ranks[2]
    for layout, found in zip(layouts, ranks[0], strict=True):
        assert found["gradient"] < 1e-6, layout
        assert found["statistics"] == 0.0, layout
