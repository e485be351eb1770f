"""The page of everything that a sweep or a command may name, from the literal mappings; large kinds have their own pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from augment.mixing_sets.registry import MIXING_SETS
from benchmarks.pages.markdown import GENERATED, code, names, table
from eval.benchmarks.registry import BENCHMARKS
from eval.corruptions.families import FAMILIES as CORRUPTION_FAMILIES
from eval.perturbations.p.registry import PERTURBATIONS
from eval.tables.formats.registry import FORMATS
from orchestration.cli.verb_list import VERBS
from trainers.datasets.registry import DATASETS
from trainers.models.registry import FAMILIES as MODEL_FAMILIES
from trainers.models.registry import MODELS

INTRODUCTION: Final = f"""# Catalogue

Everything that a sweep or a command may name, besides [methods](methods.md) and [metrics](metrics.md). {GENERATED}
[Extending](../guides/extending.md) says how to add your own.
"""


def document() -> str:
    """Return the page."""
    return "\n".join(
        [
            INTRODUCTION,
            _linked("Mixing sets", "mixing-sets.md", MIXING_SETS),
            _linked("Benchmarks", "benchmarks.md", BENCHMARKS),
            _section("Corruptions", ("of", "names"), _corruptions()),
            _section("Datasets", ("name", "side", "channels", "classes", "training", "test", "source"), _datasets()),
            _section("Models", ("name", "least side", "options", "source"), _models()),
            _section("Verbs", ("verb", "what it does"), _verbs()),
            f"## Table formats\n\n{names(FORMATS)}\n",
        ]
    )


def _section(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    return f"## {title}\n\n{table(head, rows)}"


def _linked(title: str, page: str, known: Iterable[str]) -> str:
    links = ", ".join(f"[{code(name)}]({page}#{name})" for name in known)
    return f"## {title}\n\n{links}\n"


def _verbs() -> Iterable[Sequence[object]]:
    for name, verb in VERBS.items():
        yield f"[{code(name)}](command-line.md#dreamgrid-{name})", verb.text


def _corruptions() -> Iterable[Sequence[object]]:
    for family in CORRUPTION_FAMILIES.values():
        yield f"`{family.name}`", _counted((name, kind.is_extra) for name, kind in family.kinds.items())
    yield "`p` (sequences)", _counted((name, kind.is_extra) for name, kind in PERTURBATIONS.items())


def _counted(kinds: Iterable[tuple[str, bool]]) -> str:
    known = list(kinds)
    extras = [name for name, is_extra in known if is_extra]
    text = names(name for name, is_extra in known if not is_extra)
    return f"{text}; only by name: {names(extras)}" if extras else text


def _datasets() -> Iterable[Sequence[object]]:
    for each in DATASETS.values():
        sizes = (each.image_size, each.num_channels, each.num_classes, f"{each.num_train:,}", f"{each.num_test:,}")
        yield f"`{each.name}`", *sizes, each.source


def _models() -> Iterable[Sequence[object]]:
    for each in MODELS.values():
        options = ", ".join(f"`{name}` = {value}" for name, value in each.params.items())
        yield f"`{each.name}`", each.min_image_size, options, each.source
    for pattern in MODEL_FAMILIES:
        yield f"`{pattern}`", "", "", "any member of the family"
