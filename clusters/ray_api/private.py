"""What DreamGrid takes of Ray that has no public form: the only file that may name Ray's private modules.

Each symbol is guarded: where a release of Ray no longer has it, its function does what its docstring says for that case, and
`dreamgrid doctor` reports it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final


def draining_nodes() -> frozenset[str]:
    """Return the ids of the nodes that are being drained: preempted, or scaled down.

    Where Ray cannot be asked this is empty: the cells of such a node are then lost with it instead of being stopped before, and
    go on from their last checkpoint.
    """
    try:
        return frozenset(_draining_state().get_draining_nodes())
    except (ImportError, AttributeError):
        return frozenset()


def keep_credentials_out_of_trials() -> bool:
    """Stop Ray Tune from copying the driver's AWS credentials into the runtime environment of trials.

    Ray writes runtime environments into its logs and shows them to anybody who may list actors. Workers find credentials in their
    own node's environment, files or role.

    Returns:
        False where this Ray has no such list, so that it may copy them.
    """
    try:
        class_cache = _trial_environment()
        names = set(class_cache.ENV_VARS_TO_PROPAGATE)
    except (ImportError, AttributeError):
        return False
    class_cache.ENV_VARS_TO_PROPAGATE = {name for name in names if not name.startswith("AWS_")}
    return True


@contextlib.contextmanager
def nodes_on_loopback() -> Iterator[None]:
    """Let a node that is started meanwhile take loopback for its address, as RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 does.

    Ray reads that variable when it is imported, which may have been before. Where Ray has no such constant nothing is changed: a
    node that is started then listens on every interface, behind its token.
    """
    try:
        constants = _constants()
        before = constants.ENABLE_RAY_CLUSTER
    except (ImportError, AttributeError):
        yield
        return
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before


def missing_symbols() -> dict[str, str]:
    """Return which private symbols this Ray lacks, with what follows from it; empty where all are there."""
    return {name: consequence for name, (look, consequence) in SYMBOLS.items() if not _has(name, look)}


def _draining_state() -> Any:
    from ray._private.state import state

    return state


def _trial_environment() -> Any:
    from ray.tune.execution import class_cache

    return class_cache


def _constants() -> Any:
    from ray._private import ray_constants

    return ray_constants


def _has(name: str, look: Callable[[], Any]) -> bool:
    try:
        return hasattr(look(), name)
    except (ImportError, AttributeError):
        return False


SYMBOLS: Final[Mapping[str, tuple[Callable[[], Any], str]]] = {
    "get_draining_nodes": (
        _draining_state,
        "nodes that are about to leave are not noticed before they are gone; cells there go on from their last checkpoint",
    ),
    "ENV_VARS_TO_PROPAGATE": (
        _trial_environment,
        "Ray may copy AWS_* variables of the driver into its logs: use a role or ~/.aws/credentials instead",
    ),
    "ENABLE_RAY_CLUSTER": (
        _constants,
        "a private Ray listens on every interface, behind its token, where Ray was imported before",
    ),
}
"""Symbol -> the object that has it, and what its absence means."""
