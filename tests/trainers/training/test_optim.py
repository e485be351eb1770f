import math
from itertools import pairwise

import pytest

from trainers.config import RecipeConfig
from trainers.training.optim import learning_rate


def test_published_cosine_starts_at_a_tenth_and_ends_at_about_a_millionth() -> None:
    recipe = RecipeConfig()
    assert learning_rate(recipe, 0, 391) == 0.1
    assert learning_rate(recipe, 39_099, 391) == pytest.approx(1e-6, rel=0.01)
    assert learning_rate(recipe, 19_550, 391) == pytest.approx((0.1 + 1e-6) / 2)
    t = 12_345
    assert learning_rate(recipe, t, 391) == pytest.approx(
        1e-6 + (0.1 - 1e-6) * (1 + math.cos(math.pi * t / 39_100)) / 2
    )


def test_cosine_falls_at_every_step() -> None:
    rates = [learning_rate(RecipeConfig(epochs=3), step, 20) for step in range(60)]
    assert all(left > right for left, right in pairwise(rates))


def test_steps_fall_at_their_epochs() -> None:
    recipe = RecipeConfig(schedule="step", lr=1.0, step_epochs=(2, 4), step_gamma=0.1, epochs=6)
    assert [round(learning_rate(recipe, step, 10), 6) for step in (0, 19, 20, 39, 40, 59)] == [
        1,
        1,
        0.1,
        0.1,
        0.01,
        0.01,
    ]


def test_warm_up_climbs_to_the_schedule() -> None:
    recipe = RecipeConfig(schedule="constant", lr=1.0, warmup_steps=4)
    assert [learning_rate(recipe, step, 10) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
