"""Placement: what fits where."""

from __future__ import annotations

import pytest

from clusters.errors import ClusterError
from clusters.placement import GroupShape, Node, Room, check_fits


def test_a_group_goes_to_the_fullest_node_that_holds_it():
    room = Room([Node(name="big", cpus=8), Node(name="small", cpus=2)])
    placement = room.place(GroupShape(num_workers=2))
    assert placement is not None
    assert placement.nodes == (1, 1)


def test_a_group_spreads_over_nodes_only_when_none_holds_it():
    room = Room([Node(name="a", cpus=2), Node(name="b", cpus=2)])
    placement = room.place(GroupShape(num_workers=3))
    assert placement is not None
    assert sorted(placement.nodes) == [0, 0, 1]


def test_a_worker_never_straddles_nodes():
    room = Room([Node(name="a", cpus=1), Node(name="b", cpus=1)])
    assert room.place(GroupShape(num_workers=1, cpus_per_worker=2)) is None


def test_ten_tenths_of_a_gpu_fit_and_no_eleventh():
    room = Room([Node(name="a", cpus=100, gpus=1)])
    tenth = GroupShape(num_workers=1, gpus_per_worker=0.1)
    for _ in range(10):
        placement = room.place(tenth)
        assert placement is not None
        room.reserve(placement)
    assert room.place(tenth) is None


def test_what_is_released_can_be_reserved_again():
    room = Room([Node(name="a", cpus=2)])
    placement = room.place(GroupShape(num_workers=2))
    assert placement is not None
    room.reserve(placement)
    assert room.is_exhausted
    room.release(placement)
    assert room.place(GroupShape(num_workers=2)) == placement


def test_a_copy_of_a_room_changes_alone():
    room = Room([Node(name="a", cpus=1)])
    placement = room.place(GroupShape(num_workers=1))
    assert placement is not None
    room.copy().reserve(placement)
    assert room.place(GroupShape(num_workers=1)) == placement


def test_a_group_that_can_never_fit_is_refused_with_what_there_is():
    with pytest.raises(
        ClusterError, match=r"needs 4 x \(1 CPU\), but the cluster has a: 2 CPU, 0 GPU; use fewer workers"
    ):
        check_fits(GroupShape(num_workers=4), [Node(name="a", cpus=2)])


def test_a_worker_without_any_resource_is_refused():
    with pytest.raises(ClusterError, match="must reserve a CPU or a GPU"):
        GroupShape(num_workers=1, cpus_per_worker=0)


def test_a_node_that_joins_takes_groups_and_one_that_is_gone_takes_none():
    one = GroupShape(num_workers=1)
    room = Room([Node(name="a", cpus=2)])
    placement = room.place(one)
    assert placement is not None
    room.reserve(placement)
    room.update([Node(name="b", cpus=1)])
    elsewhere = room.place(one)
    assert elsewhere is not None
    assert elsewhere.nodes == (1,)
    room.reserve(elsewhere)
    room.release(placement)
    assert room.place(one) is None
    room.update([Node(name="a", cpus=2), Node(name="b", cpus=1)])
    back = room.place(GroupShape(num_workers=2))
    assert back is not None
    assert back.nodes == (0, 0)


def test_a_kind_of_gpu_is_a_constraint() -> None:
    nodes = [
        Node(name="old", cpus=8, gpus=4, accelerator="V100"),
        Node(name="new", cpus=8, gpus=1, accelerator="A100"),
    ]
    room = Room(nodes)
    one = GroupShape(num_workers=1, gpus_per_worker=1.0, accelerator="A100")
    placement = room.place(one)

    assert placement is not None
    assert placement.nodes == (1,)
    room.reserve(placement)
    assert room.place(one) is None
    assert room.place(GroupShape(num_workers=4, gpus_per_worker=1.0)) is not None


def test_a_kind_of_gpu_that_no_node_has_is_refused_with_what_there_is() -> None:
    shape = GroupShape(num_workers=1, gpus_per_worker=1.0, accelerator="H100")

    with pytest.raises(
        ClusterError, match=r"1 x \(1 CPU \+ 1 H100 GPU\), but the cluster has a: 8 CPU, 1 L4 GPU.*--accelerator"
    ):
        check_fits(shape, [Node(name="a", cpus=8, gpus=1, accelerator="L4")])


def test_room_that_shrinks_keeps_the_kind_of_its_gpus() -> None:
    room = Room([Node(name="a", cpus=8, gpus=1, accelerator="L4")])
    room.update([])
    room.update([Node(name="a", cpus=8, gpus=1, accelerator="L4")])

    assert room.place(GroupShape(num_workers=1, gpus_per_worker=1.0, accelerator="L4")) is not None
