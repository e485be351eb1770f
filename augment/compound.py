"""Names to methods: built-in ones, users' own, and compounds such as "pixmix+cutmix".

A compound applies its parts in the order of its name. What does not compose is refused here, while planning.

Users add methods through entry points of the group `dreamgrid.methods`: each names a `Method` object.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from augment.errors import AugmentError
from augment.heavy import Tensor, nn
from augment.kernels.counters import SampleKeys, StepKeys
from augment.lookup.kinds import Kind
from augment.lookup.parameters import typed_values
from augment.method import Method
from augment.registry import METHODS
from augment.treatment import Images, LossOutput, Stage, Treatment, TreatmentContext

METHOD_KIND: Final = Kind(what="method", group="dreamgrid.methods", type=Method, builtin=METHODS, error=AugmentError)
SEPARATOR: Final = "+"
UNSTATED: Final[Mapping[str, str]] = {
    "pixmix+cutmix": "in which order PixMix and CutMix are composed (PixMix first here)"
}
"""Published compound -> what its source leaves unstated about it, beyond what is unstated about its parts."""


def method_for(name: str) -> Method:
    """Return the method of a name: built in, a user's own, or a compound such as "pixmix+cutmix".

    Raises:
        AugmentError: If a part is unknown, or the parts do not compose; the message says what to write instead.
    """
    names = [part.strip() for part in name.split(SEPARATOR)]
    parts = [METHOD_KIND.find(part, where=f" in {name!r}" if part != name else "") for part in names]
    if len(parts) == 1:
        return parts[0]
    problems = _problems(parts)
    if problems:
        raise AugmentError(f"method {name!r} cannot be composed: " + "; ".join(problems))
    return _composed(parts)


def config_for(method: Method, dataset: str, params: Mapping[str, Any]) -> Any:
    """Return the hyper-parameters of a method: its own defaults, then the dataset's, then those given.

    Whole numbers given for fractional fields become fractions, so that equal settings are equal.

    Raises:
        AugmentError: If a field is unknown, or a value is of the wrong type or out of range; all mistakes at once.
    """
    if issubclass(method.config, CompoundConfig):
        known = {part.name: part for part in method.config.methods}
        strangers = {name: params[name] for name in params.keys() - known.keys()}
        filled = {name: _values(part, dataset, params.get(name, {})) for name, part in known.items()}
        return method.config(**filled, **strangers)
    values = _values(method, dataset, params)
    try:
        return method.config(**values)
    except ValueError as error:
        raise AugmentError(f"{method.name}: {error}") from error


def _values(method: Method, dataset: str, params: Mapping[str, object]) -> dict[str, object]:
    given = {**method.defaults.get(dataset, {}), **params}
    return typed_values(method.config, given, of=method.name, what="hyper-parameter", error=AugmentError)


def _problems(parts: list[Method]) -> list[str]:
    """Return every reason why these methods do not compose in this order."""
    found = [
        f"{name!r} is named {times} times; name it once"
        for name, times in Counter(part.name for part in parts).items()
        if times > 1
    ]
    found += [f"{part.name!r} changes nothing; leave it out" for part in parts if not part.stages]
    for stage in ("loss", "extra"):
        owners = [part.name for part in parts if stage in part.stages]
        if len(owners) > 1:
            found.append(f"only one part may define the {stage} stage, but {' and '.join(owners)} do; drop one")
    return found + _order_problems([part for part in parts if "sample" in part.stages]) + _view_problems(parts)


def _order_problems(parts: list[Method]) -> list[str]:
    found = []
    for first, second in itertools.pairwise(parts):
        if first.num_views > 1:
            found.append(f"{first.name!r} returns several views, so it must be the last to change images")
        elif first.returns_float and not second.accepts_float:
            turned = second.returns_float and not first.accepts_float
            fix = "they exclude each other" if turned else f"write '{second.name}{SEPARATOR}{first.name}'"
            found.append(f"{second.name!r} needs uint8 images, but {first.name!r} before it returns float32: {fix}")
    return found


def _view_problems(parts: list[Method]) -> list[str]:
    viewing = [part.name for part in parts if part.num_views > 1]
    mixing = [part.name for part in parts if "batch" in part.stages]
    if viewing and mixing:
        return [f"{viewing[0]!r} compares several views of one image, which {mixing[0]!r} would mix; drop one"]
    return []


def _composed(parts: list[Method]) -> Method:
    defaults: dict[str, dict[str, object]] = {}
    recipe: dict[str, dict[str, object]] = {}
    for part in parts:
        for dataset, changes in part.defaults.items():
            defaults.setdefault(dataset, {})[part.name] = changes
        for dataset, changes in part.recipe.items():
            recipe.setdefault(dataset, {}).update(changes)
    name = SEPARATOR.join(part.name for part in parts)
    return Method(
        name=name,
        parts=tuple(parts),
        title=" + ".join(part.title for part in parts),
        semantics=sum(part.semantics for part in parts),  # versions only rise, so any change gives a new sum
        config=_compound_config(parts),
        defaults=defaults,
        stages=frozenset().union(*(part.stages for part in parts)),
        needs_mixing_set=any(part.needs_mixing_set for part in parts),
        needs_outliers=any(part.needs_outliers for part in parts),
        build=partial(_build, parts),
        what=" Then: ".join(part.what for part in parts),
        source="; ".join(dict.fromkeys(part.source for part in parts)),
        accepts_float=parts[0].accepts_float,
        returns_float=any(part.returns_float for part in parts),
        num_views=max(part.num_views for part in parts),
        recipe=recipe,
        starts_from=next((part.starts_from for part in parts if part.starts_from), None),
        kernels=tuple(dict.fromkeys(call for part in parts for call in part.kernels)),
        passes=max(part.passes for part in parts),
        unstated=UNSTATED.get(name, ""),
        note=" ".join(part.note for part in parts if part.note),
    )


class CompoundConfig:
    """Hyper-parameters of a compound: those of each part under the part's name; what is not given is at its default."""

    methods: ClassVar[tuple[Method, ...]] = ()

    def __init__(self, **params: Mapping[str, Any]) -> None:
        unknown = params.keys() - {part.name for part in self.methods}
        if unknown:
            known = ", ".join(part.name for part in self.methods)
            raise ValueError(f"hyper-parameters of a compound go under its parts ({known}), but got {sorted(unknown)}")
        self.parts = {part.name: part.config(**params.get(part.name, {})) for part in self.methods}


def _compound_config(parts: list[Method]) -> type[CompoundConfig]:
    return type("CompoundConfig", (CompoundConfig,), {"methods": tuple(parts)})


def _build(parts: list[Method], config: CompoundConfig, context: TreatmentContext) -> Treatment:
    return Composed([(part.name, part.build(config.parts[part.name], context), part.stages) for part in parts])


class Composed(Treatment):
    """Applies its parts one after the other; at most one of them defines the loss, and at most one the extra stream.

    Which parts go together is decided while planning.
    """

    def __init__(self, parts: Sequence[tuple[str, Treatment, frozenset[Stage]]]) -> None:
        self._parts = {name: part for name, part, _ in parts}
        self._sampling = [part for _, part, stages in parts if "sample" in stages]
        self._batching = [part for _, part, stages in parts if "batch" in stages]
        self._losing = next((part for _, part, stages in parts if "loss" in stages), Treatment())
        self._extra = next((part for _, part, stages in parts if "extra" in stages), Treatment())
        self.num_views = max(part.num_views for part in self._parts.values())
        self.stored_copy = next((part.stored_copy for part in self._parts.values() if part.stored_copy), None)
        self.num_extra_per_sample = self._extra.num_extra_per_sample

    def sample(self, images: NDArray[np.uint8], keys: SampleKeys) -> Images:
        """Apply the sample stages in order."""
        current: Any = images
        for part in self._sampling:
            current = part.sample(current, keys)
        result: Images = current
        return result

    def batch(self, model: nn.Module, images: Tensor, targets: Tensor, keys: StepKeys) -> tuple[Tensor, Tensor]:
        """Apply the batch stages in order."""
        for part in self._batching:
            images, targets = part.batch(model, images, targets, keys)
        return images, targets

    def loss(
        self, model: nn.Module, images: Tensor, targets: Tensor, extra: Tensor | None, keys: StepKeys
    ) -> LossOutput:
        """Compute the loss of the part that defines one, else cross-entropy."""
        return self._losing.loss(model, images, targets, extra, keys)

    def extra(self, keys: SampleKeys) -> NDArray[np.uint8] | None:
        """Return the extra stream of the part that has one."""
        return self._extra.extra(keys)

    def start_epoch(self, model: nn.Module, epoch: int) -> None:
        """Prepare every part for an epoch."""
        for part in self._parts.values():
            part.start_epoch(model, epoch)

    def state_dict(self) -> Mapping[str, Any]:
        """Return the states of the parts by method name."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the states of the parts."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
