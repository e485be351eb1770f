"""The page of benchmarks: what each measures, on which images, its columns, its parameters, its data and its source."""

from __future__ import annotations

from typing import Final

from benchmarks.pages.markdown import GENERATED, code, names, parameter_table, prose, table
from eval.benchmarks.contract import Benchmark
from eval.benchmarks.registry import BENCHMARKS
from eval.published_files.layout import COLLECTIONS, Collection

INTRODUCTION: Final = f"""# Benchmarks

A benchmark is a dataset plus a protocol. {GENERATED}

A column of a table is `BENCHMARK/METRIC`, or `BENCHMARK/METRIC/DETAIL` for one fine row of it (`c/error/fog`,
`ood/auroc/svhn:energy`). [Metrics](metrics.md) have their formulas. Parameters are set under `benchmarks:` in a sweep, and by
`--set benchmarks.c.severities=[3]` on the command line of sweeps and of `dreamgrid evaluate`. Published and generated
images are different benchmarks and never share a column; how images are read, sampled and kept is in
[evaluating a checkpoint](../guides/evaluation.md).
"""

ORIGINS: Final = {
    "published": "published files in the data root",
    "generated": "made from the test split of the dataset, alike on every machine",
    "none": "the test split of the dataset itself",
}
DETAILS: Final = {
    None: "none",
    "corruption": "its corruptions",
    "perturbation": "its perturbations",
    "set": "its outlier sets",
}
"""Field of the fine rows -> what a column names as DETAIL."""

_HEAD: Final = ("name", "axis", "images", "metrics")


def document() -> str:
    """Return the page."""
    rows = [
        (f"[`{each.name}`](#{each.name})", each.axis, _images(each), names(each.metrics))
        for each in BENCHMARKS.values()
    ]
    return "\n".join([INTRODUCTION, table(_HEAD, rows), *map(card_for, BENCHMARKS.values()), _collections()])


def _images(benchmark: Benchmark) -> str:
    return "the test split" if benchmark.origin == "none" else benchmark.origin


def card_for(benchmark: Benchmark) -> str:
    """Return the card of a benchmark as Markdown."""
    what = (benchmark.config.__doc__ or "").partition("\n\n")[0]
    lines = [
        f"## `{benchmark.name}`",
        "",
        prose(what),
        "",
        f"- title in tables: {benchmark.title}",
        f"- axis: {benchmark.axis}",
        f"- images: {ORIGINS[benchmark.origin]}",
        f"- columns: {names(f'{benchmark.name}/{metric}' for metric in benchmark.metrics)}",
        f"- details: {DETAILS[benchmark.details]}" + _variants(benchmark),
        f"- data: {_data(benchmark)}",
        f"- source: {benchmark.source}",
        "",
        parameter_table(benchmark.config),
    ]
    return "\n".join(lines)


def _variants(benchmark: Benchmark) -> str:
    return f", each also with a score after a colon: {names(benchmark.variants)}" if benchmark.variants else ""


def _data(benchmark: Benchmark) -> str:
    folders = [each for each in COLLECTIONS.values() if each.family == benchmark.name]
    if folders:
        return f"{names(each.name for each in folders)} ([published files](#published-files))"
    if benchmark.datasets(benchmark.config()):
        return "the test splits of the datasets that `sets` names, and folders of images in the data root"
    return "none but the dataset's test split"


def _collections() -> str:
    head = ("folder in the data root", "benchmark", "dataset", "archives", "how to get it")
    rows = [
        (code(each.name), code(each.family), code(each.dataset), _archives(each), _how(each))
        for each in COLLECTIONS.values()
    ]
    text = "As their archives unpack. `dreamgrid data verify` compares them with their published checksums."
    return f"## Published files\n\n{text}\n\n{table(head, rows)}"


def _archives(collection: Collection) -> str:
    """Return the archives whose names or checksums are published."""
    return names(collection.packed) if collection.address else names(collection.archives)


def _how(collection: Collection) -> str:
    return f"`dreamgrid data fetch {collection.name}`" if collection.address else prose(collection.source)
