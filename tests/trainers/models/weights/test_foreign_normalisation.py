"""The normalisation of foreign weights: what a person may write, what trying others shows, and that a state carries it along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainers.datasets.registry import dataset_for
from trainers.errors import JobStopped
from trainers.job import JobRequest
from trainers.models.from_torchvision import published_normalisation
from trainers.models.normalize import Classifier, Normalize, restore
from trainers.models.weights.normalisation import USUAL, Normalisation, parse_normalisation
from trainers.models.weights.trial import NUM_IMAGES, try_usual
from trainers.training.checkpoints import Checkpoints
from trainers.training.group import OneWorker
from trainers.training.networks import build_classifier
from trainers.worker.run_job import run_job

HALF = Normalisation(mean=(0.5,), std=(0.5,), source="assumed")
NONE = Normalisation(mean=(0.0,), std=(1.0,), source="as --normalize says")


@pytest.mark.parametrize(
    ("given", "channels", "mean", "std"),
    [
        ("none", 1, (0.0,), (1.0,)),
        ("none", 3, (0.0,) * 3, (1.0,) * 3),
        ("imagenet", 3, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("0.5 0.25", 3, (0.5,) * 3, (0.25,) * 3),
        ("0.1,0.2,0.3 1", 3, (0.1, 0.2, 0.3), (1.0,) * 3),
        ("0.1, 0.2, 0.3  0.4,0.5,0.6", 3, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
        ([0, 1], 1, (0.0,), (1.0,)),
        (((0.1, 0.2, 0.3), 1), 3, (0.1, 0.2, 0.3), (1.0,) * 3),
    ],
)
def test_a_normalisation_is_a_name_or_two_values(given: Any, channels: int, mean: Any, std: Any) -> None:
    made = parse_normalisation(given, channels, source="it")
    assert (made.mean, made.std) == (mean, std)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("imagnet", "or the name of a usual one, but got 'imagnet'; write a name"),
        ("0.5", "a mean and a std"),
        ("a b", "must be numbers"),
        ([True, 1], "must be numbers"),
        ([[], 1], "must be numbers"),
        ("imagenet", "must have 1 value or one for each of 1 channel, but got 3"),
        ("0.5 0", "stds above 0"),
        ("0.5 nan", "stds above 0"),
        ("127 58", "divide values for pixels of 0 to 255 by 255"),
        (7, "a mean and a std"),
    ],
)
def test_what_is_no_normalisation_is_refused_with_what_to_write(given: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse_normalisation(given, 1, source="it")


def test_a_normalisation_says_what_to_write_for_it() -> None:
    for text in ("imagenet", "bytes", "0.1 0.2", "0.1,0.2,0.3 0.4,0.5,0.6"):
        assert parse_normalisation(text, 3, source="it").option == text


class Threshold(nn.Module):
    """Two classes told apart by the mean of what the network is given: class 1 above a threshold."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(threshold))

    def forward(self, x: Tensor) -> Tensor:
        margin = x.mean(dim=(1, 2, 3)) - self.threshold
        return torch.stack([-margin, margin], dim=1)


def brightness_set(num: int = 2000) -> tuple[Any, Any]:
    """Flat grey images whose value is uniform over 0 to 255, sorted by class: 1 from 154 (0.6) on."""
    values = np.sort(np.random.default_rng(0).integers(0, 256, num)).astype(np.uint8)
    images = np.broadcast_to(values[:, None, None, None], (num, 4, 4, 1))
    return images, (values > 0.6 * 255).astype(np.int64)


def test_a_wrong_assumption_is_warned_of_with_the_better_one() -> None:
    """A network of pixels in [0, 1] (threshold 0.6) that is given (x - 0.5) / 0.5 takes 0.6 for 0.8: a fifth goes wrong."""
    images, labels = brightness_set()
    model = Classifier(Normalize(HALF.mean, HALF.std), Threshold(0.6))
    trial = try_usual(model, images, labels, HALF)
    assert (trial.num_images, trial.better) == (NUM_IMAGES, "none")
    assert trial.error == pytest.approx(0.2, abs=0.02)
    assert trial.errors["none"] == 0
    assert trial.warning == (
        f"with images normalised by 'none' this network makes 0.0 % errors over 500 test images, with mean 0.5, std 0.5 (half) "
        f"as assumed {100 * trial.error:.1f} %; if it was trained so, use --normalize none (in a released row, normalize: none)"
    )
    assert float(model.normalize.mean) == 0.5


def test_a_right_assumption_is_not_warned_of() -> None:
    images, labels = brightness_set()
    trial = try_usual(Classifier(Normalize(NONE.mean, NONE.std), Threshold(0.6)), images, labels, NONE)
    assert (trial.error, trial.better, trial.warning) == (0, None, None)
    assert "none" not in trial.errors


def test_a_small_difference_is_no_reason_to_warn() -> None:
    """Thirty images of two thousand, none of them two points of the error rate."""
    images, labels = brightness_set()
    own = Normalisation(mean=(0.01,), std=(1.0,), source="it")
    assert try_usual(Classifier(Normalize(own.mean, own.std), Threshold(0.6)), images, labels, own).better is None


def test_the_state_of_foreign_weights_carries_their_normalisation() -> None:
    foreign = Classifier(Normalize((0.1,), (0.3,), is_kept=True), Threshold(0.0))
    ours = Classifier(Normalize((0.5,), (0.5,)), Threshold(0.0))
    assert ours.state_dict().keys() == {"network.threshold"}
    restore(ours, foreign.state_dict())
    assert (ours.normalize.mean.item(), ours.normalize.std.item()) == pytest.approx((0.1, 0.3))
    assert ours.state_dict().keys() == foreign.state_dict().keys()


def test_a_network_that_starts_from_foreign_weights_is_normalised_as_they_are(
    small_job: Callable[..., JobRequest], make_sink: Any
) -> None:
    """Also where its training was interrupted: the state of a step brings the normalisation back."""
    straight, interrupted = (small_job(init_from="ee" * 32, folder=folder) for folder in ("straight", "interrupted"))
    parent = build_classifier(straight.config, dataset_for("digits"))
    parent.normalize = Normalize((0.1,), (0.3,), is_kept=True)
    for request in (straight, interrupted):
        Checkpoints(request.paths.checkpoints, "ee" * 32).save_final({"model": parent.state_dict()})
    whole = run_job(straight, group=OneWorker(torch.device("cpu")), sink=make_sink())
    asked = make_sink()
    asked.stop_requested = lambda: len(asked.of("epoch")) > 0
    with pytest.raises(JobStopped):
        run_job(interrupted, group=OneWorker(torch.device("cpu")), sink=asked)
    resumed = run_job(interrupted, group=OneWorker(torch.device("cpu")), sink=make_sink())
    assert resumed.training.resumed_from_step is not None
    assert resumed.training.environment["weights_sha256"] == whole.training.environment["weights_sha256"]
    state = Checkpoints(interrupted.paths.checkpoints, interrupted.train_key).final().state["model"]
    assert (state["normalize.mean"].item(), state["normalize.std"].item()) == pytest.approx((0.1, 0.3))


def test_torchvisions_weights_bring_their_own_normalisation() -> None:
    assert published_normalisation("alexnet", "imagenet1k-v1") == USUAL["imagenet"]
