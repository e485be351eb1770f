from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers.config import RecipeConfig
from trainers.errors import ImpossibleJob
from trainers.training.input.order import (
    Order,
    check_workers,
    even_cuts,
    shards_of,
    training_samples,
    validation_samples,
)


def order_of(num: int, batch_size: int, pieces: int, seed: int = 0) -> Order:
    return Order(samples=np.arange(100, 100 + num), batch_size=batch_size, num_shards=pieces, seed=seed)


@settings(deadline=None)
@given(num=st.integers(1, 200), batch=st.integers(1, 50), pieces=st.integers(1, 8), epoch=st.integers(0, 5))
def test_an_epoch_visits_every_sample_exactly_once(num: int, batch: int, pieces: int, epoch: int) -> None:
    order = order_of(num, batch, pieces)
    visits = order.epoch(epoch)
    seen = [piece for step in range(order.steps_per_epoch) for piece in order.batch(visits, step)]
    assert sorted(np.concatenate(seen).tolist()) == list(range(100, 100 + num))
    assert np.array_equal(np.concatenate(seen), visits)


@settings(deadline=None)
@given(num=st.integers(1, 200), batch=st.integers(1, 50), pieces=st.integers(1, 8))
def test_batches_are_full_but_the_last_and_pieces_are_even(num: int, batch: int, pieces: int) -> None:
    order = order_of(num, batch, pieces)
    visits = order.epoch(0)
    sizes = [[len(piece) for piece in order.batch(visits, step)] for step in range(order.steps_per_epoch)]
    assert [sum(pieces) for pieces in sizes[:-1]] == [batch] * (order.steps_per_epoch - 1)
    assert sum(sizes[-1]) == num - batch * (order.steps_per_epoch - 1)
    assert all(max(step) - min(step) <= 1 for step in sizes)


@settings(deadline=None)
@given(shards=st.integers(1, 12), micro=st.integers(1, 3), divisor=st.integers(1, 12))
def test_workers_share_the_pieces_without_gap_or_overlap(shards: int, micro: int, divisor: int) -> None:
    world_size = divisor if shards % divisor == 0 else 1
    held = [shards_of(rank, world_size, shards * micro) for rank in range(world_size)]
    assert sorted(piece for pieces in held for piece in pieces) == list(range(shards * micro))
    assert held[0][-1] == 0


@settings(deadline=None)
@given(total=st.integers(0, 100), parts=st.integers(1, 20))
def test_even_cuts_cover_everything_in_order(total: int, parts: int) -> None:
    cuts = even_cuts(total, parts)
    assert cuts[0][0] == 0
    assert cuts[-1][1] == total
    assert all(left[1] == right[0] for left, right in pairwise(cuts))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    order, other = order_of(50, 10, 1, seed=1), order_of(50, 10, 1, seed=2)
    assert np.array_equal(order.epoch(3), order_of(50, 7, 2, seed=1).epoch(3))
    assert not np.array_equal(order.epoch(0), order.epoch(1))
    assert not np.array_equal(order.epoch(0), other.epoch(0))


def test_published_cifar_recipe_has_391_steps_in_an_epoch() -> None:
    assert order_of(50_000, 128, 1).steps_per_epoch == 391


def test_held_out_images_are_never_trained_on() -> None:
    recipe = RecipeConfig(validation_images=20, train_images=50)
    held_out, trained = validation_samples(100, recipe), training_samples(100, recipe)
    assert len(held_out) == 20
    assert len(trained) == 50
    assert not set(held_out) & set(trained)
    assert len(training_samples(100, RecipeConfig(validation_images=20))) == 80


def test_holding_everything_out_is_refused() -> None:
    with pytest.raises(ImpossibleJob, match="validation_images must be below the 10 training images, but got 10"):
        training_samples(10, RecipeConfig(validation_images=10))


def test_number_of_workers_must_divide_the_shards() -> None:
    check_workers(RecipeConfig(batch_shards=4), 2)
    with pytest.raises(ImpossibleJob, match=r"must divide batch_shards \(4\), but got 3"):
        check_workers(RecipeConfig(batch_shards=4), 3)
