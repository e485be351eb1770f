"""The state of a method on another number of workers: put together where it can be, refused where ranks disagree."""

import pytest
import torch

from trainers.errors import CheckpointError
from trainers.training.treatment_state import same, state_for

TWO = [
    {"epoch": 3, "players": {0: {"noise": torch.zeros(2)}}},
    {"epoch": 3, "players": {1: {"noise": torch.ones(2)}}},
]


def test_same_number_of_workers_get_their_own_states_back() -> None:
    assert [state_for(TWO, rank, 2) for rank in (0, 1)] == TWO


def test_another_number_gets_what_every_shard_had() -> None:
    for world_size, rank in ((1, 0), (4, 3)):
        merged = state_for(TWO, rank, world_size)
        assert merged["epoch"] == 3
        assert same(merged["players"], {0: {"noise": torch.zeros(2)}, 1: {"noise": torch.ones(2)}})


def test_ranks_that_disagree_can_only_go_on_as_they_were() -> None:
    apart = [{"buffer": torch.zeros(2)}, {"buffer": torch.ones(2)}]
    with pytest.raises(CheckpointError, match="go on with 2 workers"):
        state_for(apart, 0, 1)
    assert state_for(apart, 1, 2) is apart[1]


def test_equality_looks_into_containers() -> None:
    assert same([1, {"a": (torch.ones(1), None)}], [1, {"a": (torch.ones(1), None)}])
    assert not same({"a": torch.ones(1)}, {"a": torch.ones(2)})
    assert not same([1, 2], [1])
