"""What holds of a training on any number of workers: exact resume, and signals that every rank sees at the same step."""

from pathlib import Path
from typing import Any

import pytest

from tests.trainers.ranks import run_ranks

TRAINING = """
    import copy
    import numpy as np
    from augment.treatment import LossOutput, Treatment
    from trainers.config import RecipeConfig
    from trainers.errors import JobPreempted, JobStopped, NonFiniteLoss
    from trainers.models.contract import ModelInput
    from trainers.models.normalize import Classifier, Normalize
    from trainers.models.registry import model_for
    from trainers.training.input.images import ResidentImages
    from trainers.training.input.loader import Loader
    from trainers.training.loop import LoopHooks, Training
    from trainers.training.input.order import Order

    # Batches of 24, 24 and 5 samples in 12 shards: in the last batch some of four workers have none.
    NUM_IMAGES, RECIPE = 53, RecipeConfig(
        epochs=2, batch_size=24, batch_shards=12, crop_padding=2, lr=0.05, ema_decay=0.9, grad_clip=1.0,
    )

    def train(state=None, treatment=None, is_resumed=False, **hooks):
        '''Train, from the state that rank 0 has if it is resumed.

        Returns the training, the states that it saved and what ended it.
        '''
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (NUM_IMAGES, 12, 12, 1), dtype=np.uint8)
        order = Order(samples=np.arange(NUM_IMAGES), batch_size=24, num_shards=12, seed=5)
        treatment = treatment or Treatment()
        loader = Loader(
            source=ResidentImages(images, rng.integers(0, 10, NUM_IMAGES), crop_padding=2, flip=True),
            treatment=treatment, order=order, rank=rank, world_size=world_size, threads=0, device=group.device,
        )
        torch.manual_seed(1)
        network = model_for("wrn-10-1").build(
            {"dropout": 0.3}, ModelInput(image_size=12, num_channels=1, num_classes=10)
        )
        training = Training(
            recipe=RECIPE, seed=5, model=Classifier(Normalize((0.5,), (0.5,)), network), treatment=treatment,
            steps_per_epoch=order.steps_per_epoch, group=group, device=group.device,
        )
        if is_resumed:
            training.load_state_dict(copy.deepcopy(group.broadcast(state)))
        saved, ended = {}, None
        given = {"checkpoint_every_s": 1e9, "stop_requested": lambda training: False, **hooks}
        asked = {
            name: (lambda call=call: call(training)) for name, call in given.items() if callable(call)
        }
        try:
            with loader:
                training.run(loader, LoopHooks(
                    epoch_ended=lambda row: None, progress=lambda done, total: None,
                    save=lambda state, step: saved.__setitem__(step, copy.deepcopy(state)), **{**given, **asked},
                ))
        except (JobStopped, JobPreempted, NonFiniteLoss) as error:
            ended = error
        return training, saved, ended

    def bits(training):
        '''Weights, running statistics, averages and losses, to compare.'''
        # But for batch norm's counters of batches, which nothing reads: a rank counts those of shard 0 alone.
        state = training.model.state_dict().items()
        tensors = [*(value for name, value in state if "num_batches" not in name), *training.average.values]
        losses = [row.loss for row in training.progress.rows]
        return [tensor.double().flatten().tolist() for tensor in tensors], losses
"""

RESUME = """
    straight, saved, _ = train(checkpoint_every_s=0.0)
    result = {"saved": sorted(saved), "weights": bits(straight), "differing": []}
    for step, state in saved.items():
        resumed, _, _ = train(state, is_resumed=True)
        if bits(resumed) != bits(straight):
            result["differing"].append(step)
"""

SIGNALS = """
    class ExplodesOnTheLastRank(Treatment):
        def loss(self, model, images, targets, extra, keys):
            loss, logits = super().loss(model, images, targets, extra, keys)
            return LossOutput(loss * float("nan") if (keys.step, keys.shard) == (3, 11) else loss, logits)

    last = rank == world_size - 1
    straight, _, _ = train()
    result = {"straight": bits(straight)}
    cases = {
        "stop": dict(stop_requested=lambda training: last and training.progress.step >= 2),
        "leave": dict(is_leaving=lambda training: last and training.progress.step >= 3),
        "explode": dict(treatment=ExplodesOnTheLastRank()),
    }
    for name, hooks in cases.items():
        stopped, saved, ended = train(**hooks)
        result[name] = [type(ended).__name__, stopped.progress.step, sorted(saved)]
        if name != "explode":
            resumed, _, _ = train(saved[stopped.progress.step], is_resumed=True)
            result[name].append(bits(resumed) == bits(straight))
"""


def agreed(ranks: list[Any]) -> Any:
    """Return what all ranks found alike."""
    assert all(found == ranks[0] for found in ranks)
    return ranks[0]


@pytest.mark.ddp
@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 3, pytest.param(4, marks=pytest.mark.long)])
def test_resumed_after_any_step_it_ends_bit_identical(tmp_path: Path, workers: int) -> None:
    found = agreed(run_ranks(tmp_path / "ranks", TRAINING + RESUME, workers))
    assert found["saved"] == [1, 2, 3, 4, 5, 6]
    assert found["differing"] == []


@pytest.mark.ddp
@pytest.mark.parametrize("workers", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_what_one_rank_asks_for_or_meets_all_ranks_do_at_the_same_step(tmp_path: Path, workers: int) -> None:
    found = agreed(run_ranks(tmp_path / "ranks", TRAINING + SIGNALS, workers))
    # The request is looked at when a step begins, and kept when that step ends.
    assert found["stop"] == ["JobStopped", 3, [3], True]
    assert found["leave"] == ["JobPreempted", 4, [3, 4], True]
    assert found["explode"] == ["NonFiniteLoss", 4, [3]]
