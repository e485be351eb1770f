"""The methods: every training-time treatment by name, light to import, built on demand.

Importing this module imports neither NumPy nor Numba nor torch: planning needs names, defaults and semantics only.
`augment.compounds` resolves names, users' own methods and compounds such as "pixmix+cutmix".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from augment import builders
from augment.configs import CutMixConfig, CutoutConfig, MixupConfig, NoConfig, PixMixConfig
from augment.treatment import Stage

if TYPE_CHECKING:
    from augment.treatment import Treatment, TreatmentContext

Defaults = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A training-time treatment, described.

    Attributes:
        name: Key in `METHODS`, as written in sweeps.
        title: Row label in tables.
        semantics: Raised by hand whenever the output for the same input changes.
        config: Frozen dataclass of the hyper-parameters; its defaults are the published ones.
        defaults: Hyper-parameters that a dataset changes: dataset name -> field -> value.
        stages: The stages that the treatment uses.
        needs_mixing_set: Whether a mixing set must be named.
        needs_outliers: Whether an outlier stream must be named.
        build: Makes the treatment; imports its implementation when called.
        what: One sentence for the method card.
        source: Paper and reference code.
        accepts_float: Whether its sample stage takes float32 pictures too, that is, may follow one that returns them.
        returns_float: Whether its sample stage returns float32 pictures.
        num_views: Pictures per sample that its sample stage returns.
        recipe: What the published results change in the recipe: dataset name, or "*" for any -> field -> value.
        starts_from: Method whose trained network it starts from as published, or None for the recipe's own start.
        note: Where this implementation had to choose or differs, for the method card.
    """

    name: str
    title: str
    semantics: int
    config: type
    stages: frozenset[Stage]
    build: Callable[[Any, TreatmentContext], Treatment]
    what: str
    source: str
    defaults: Defaults = field(default_factory=dict)
    needs_mixing_set: bool = False
    needs_outliers: bool = False
    accepts_float: bool = False
    returns_float: bool = False
    num_views: int = 1
    recipe: Defaults = field(default_factory=dict)
    starts_from: str | None = None
    note: str = ""


_PIXMIX_PAPER: Final = "Hendrycks et al., PixMix (CVPR 2022); andyzoujm/pixmix"
_IMAGENET_PIXMIX: Final[Defaults] = {
    "imagenet": {"beta": 4.0, "severity": 1.0},
    "places365": {"beta": 4.0, "severity": 1.0},
}
_CIFAR_MIXUP_RECIPE: Final[Defaults] = {name: {"weight_decay": 1e-4} for name in ("cifar-10", "cifar-100")}

METHODS: Final[Mapping[str, Method]] = {
    "baseline": Method(
        name="baseline",
        title="Baseline",
        semantics=1,
        config=NoConfig,
        stages=frozenset(),
        build=builders.baseline,
        accepts_float=True,
        what="Nothing beyond the recipe's crop and flip.",
        source=_PIXMIX_PAPER,
    ),
    "cutout": Method(
        name="cutout",
        title="Cutout",
        semantics=1,
        config=CutoutConfig,
        stages=frozenset({"sample"}),
        build=builders.cutout,
        accepts_float=True,
        returns_float=True,
        what="Fill one square of half the side, at a random place, with the mean colour.",
        source="DeVries and Taylor, Cutout (2017); uoguelph-mlrg/Cutout",
    ),
    "mixup": Method(
        name="mixup",
        title="Mixup",
        semantics=1,
        config=MixupConfig,
        stages=frozenset({"batch"}),
        build=builders.mixup,
        defaults={"imagenet": {"alpha": 0.2}},
        recipe=_CIFAR_MIXUP_RECIPE,
        what="Blend every picture and its target with another of the shard, by one weight per shard.",
        source="Zhang et al., mixup (ICLR 2018); facebookresearch/mixup-cifar10",
        note="The PixMix paper does not state alpha: 1 on small pictures, 0.2 on ImageNet, as the authors of Mixup have it.",
    ),
    "cutmix": Method(
        name="cutmix",
        title="CutMix",
        semantics=1,
        config=CutMixConfig,
        stages=frozenset({"batch"}),
        build=builders.cutmix,
        defaults={"imagenet": {"probability": 1.0}},
        what="Paste a box of another picture of the shard and share the target by area.",
        source="Yun et al., CutMix (ICCV 2019); clovaai/CutMix-PyTorch",
    ),
    "pixmix": Method(
        name="pixmix",
        title="PixMix",
        semantics=1,
        config=PixMixConfig,
        stages=frozenset({"sample"}),
        build=builders.pixmix,
        defaults=_IMAGENET_PIXMIX,
        needs_mixing_set=True,
        returns_float=True,
        what="Mix in, up to k times, pictures of a mixing set and augmented copies of the picture, by adding or multiplying.",
        source=_PIXMIX_PAPER,
        note="Places365 and small grey pictures: hyper-parameters unpublished; ImageNet's and CIFAR's are used.",
    ),
}


def method_for(name: str) -> Method:
    """Return the method of a name: built in, a user's own, or a compound such as "pixmix+cutmix".

    Raises:
        AugmentError: If a part is unknown, or the parts do not compose; the message says what to write instead.
    """
    from augment.compounds import resolve

    return resolve(name)


def config_for(method: Method, dataset: str, params: Mapping[str, object]) -> Any:
    """Return the hyper-parameters of a method: its own defaults, then the dataset's, then those given.

    Whole numbers given for fractional fields become fractions, so that equal settings are equal.

    Raises:
        AugmentError: If a field is unknown, or a value is of the wrong type or out of range; all mistakes at once.
    """
    from augment.compounds import resolve_config

    return resolve_config(method, dataset, params)
