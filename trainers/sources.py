"""What a job reads beside its configuration, by name, and what identified it while planning: code of plug-ins. Light.

A driver notes it with each request, and a worker looks at what it has itself: a package of another version, or one that was
edited in the middle of a sweep, must not be recorded under the key of the planned one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from augment.compounds import method_for
from augment.mixing_sets.registry import mixing_set_for
from augment.plugins import Versioned
from trainers.errors import CorruptData
from trainers.models.registry import model_for

if TYPE_CHECKING:
    from trainers.config import JobConfig
    from trainers.job import JobRequest


def code_sources(described: Mapping[str, Versioned]) -> dict[str, str]:
    """Return what identifies the code of the plug-ins among some descriptions, by what they are called in messages."""
    return {name: each.code["source"] for name, each in described.items() if each.code is not None}


def sources_of(config: JobConfig) -> dict[str, str]:
    """Return what identifies the code of the plug-ins that a job uses, as this machine has it."""
    described: dict[str, Versioned] = {f"method {name!r}": method_for(name) for name in _parts(config)}
    described[f"model {config.model!r}"] = model_for(config.model)
    if config.mixing_set is not None:
        described[f"mixing set {config.mixing_set.name!r}"] = mixing_set_for(config.mixing_set.name)
    return code_sources(described)


def check_sources(request: JobRequest) -> None:
    """Compare what a job reads with what was planned.

    Raises:
        CorruptData: If anything differs; names all of it.
    """
    if not request.sources:
        return
    found = sources_of(request.config)
    wrong = [name for name, planned in request.sources.items() if found.get(name) != planned]
    if wrong:
        raise CorruptData(
            f"the code of {' and of '.join(wrong)} must be what it was while planning, since results are recorded under its "
            "hash, but it is different on this worker; plan again, and install the same version of the package on all machines"
        )


def _parts(config: JobConfig) -> Iterable[str]:
    return (part.strip() for part in config.method.split("+"))
