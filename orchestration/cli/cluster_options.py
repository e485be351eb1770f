"""How far the cluster of a run may grow, from the options of its command."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.errors import InputError, Mistake

if TYPE_CHECKING:
    from clusters.growth import NodeGroup


def growth_of(address: str | None, cluster_file: Path | None, grow_to: Sequence[str]) -> tuple[NodeGroup, ...]:
    """Return the node groups that a cluster starts on demand.

    Args:
        address: Address of the cluster, or None.
        cluster_file: Its launcher file or KubeRay manifest; by default, on a head node, the file it was started from.
        grow_to: Groups as options name them; they come beside those of a given file, and replace those of the same name.

    Raises:
        InputError: With every option that is written wrongly, or if the file describes no workers.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    if not (cluster_file or grow_to or address):
        return ()
    from clusters.errors import ClusterError
    from clusters.growth import groups_of_file, growth_here, parse_group

    groups: list[NodeGroup] = []
    mistakes: list[Mistake] = []
    try:
        if cluster_file is not None:
            groups += groups_of_file(cluster_file)
        elif not grow_to:
            groups += growth_here(address)
    except ClusterError as error:
        mistakes.append(Mistake(where="--cluster-file", text=str(error)))
    for text in grow_to:
        try:
            groups.append(parse_group(text))
        except ClusterError as error:
            mistakes.append(Mistake(where="--grow-to", text=str(error)))
    if mistakes:
        raise InputError("cluster options", mistakes)
    return tuple({group.name: group for group in groups}.values())
