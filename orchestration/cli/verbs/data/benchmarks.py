"""`data generate, verify, match, baselines, sheets`: benchmarks as data, and what they look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from augment.lookup.wording import count
from orchestration.cli import options
from orchestration.cli.output import EXIT_CELLS_FAILED, EXIT_DONE, columns, echo_err, emit
from orchestration.cli.weight_options import WeightOptions
from orchestration.errors import InputError, Mistake
from orchestration.settings import read_settings

if TYPE_CHECKING:
    from orchestration.evaluation.benchmark_data import Choice

Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="Dataset whose test images are corrupted.")]
Family = Annotated[str, typer.Option("--benchmark", help="c, cbar or mnist-c.")]
Kinds = Annotated[
    str | None, typer.Option("--kinds", help="Corruptions, separated by commas [those of the benchmark].")
]
Severities = Annotated[str | None, typer.Option("--severities", help="Severities, separated by commas [all].")]
Frost = Annotated[str, typer.Option("--frost", help="procedural, or images from the folder `frost` of the data root.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the generated sets.")]


def generate_benchmark(
    dataset: Dataset,
    benchmark: Family = "c",
    kinds: Kinds = None,
    severities: Severities = None,
    frost: Frost = "procedural",
    seed: Seed = 0,
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, max=1024, help="Threads; the bytes do not depend on them [one per CPU]."),
    ] = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> int:
    """Generate a benchmark of corrupted test images in the cache, where `run` and `evaluate` read it."""
    from orchestration.evaluation.benchmark_data import generate

    settings = read_settings(data_root=data_root)
    rows = []
    for row in generate(dataset, _choice(benchmark, kinds, severities, frost, seed), settings, threads=threads):
        echo_err(f"{row['corruption']} {row['severity']}: {'made' if row['made'] else 'found'}")
        rows.append(row)
    table = [
        [row["corruption"], str(row["severity"]), str(row["images"]), row["sha256"][:16], row["path"]] for row in rows
    ]
    header = ["generated", "severity", "images", "sha256", "file"]
    emit(rows, lambda: columns(table, header=header, right=(1, 2)), as_json=as_json)
    return EXIT_DONE


def match_benchmark(
    dataset: Dataset,
    benchmark: Family = "c",
    kinds: Kinds = None,
    severities: Severities = None,
    frost: Frost = "procedural",
    images: Annotated[
        int, typer.Option("--images", min=30, max=1_000_000_000, help="Number of images to compare.")
    ] = 500,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> int:
    """Compare the statistics of generated and published images. The exit code is 1 if they do not match."""
    from orchestration.evaluation.benchmark_data import match

    settings = read_settings(data_root=data_root)
    choice = _choice(benchmark, kinds, severities, frost, 0)
    rows = list(match(dataset, choice, settings, images=images))
    table = [
        [
            row["corruption"],
            str(row["severity"]),
            "match" if row["is_match"] else "differ",
            f"{100 * row['within_one_level']:.2f} %",
            "; ".join(row["differences"]),
        ]
        for row in rows
    ]
    header = ["corruption", "severity", "verdict", "within 1 level", "differences"]
    emit(rows, lambda: columns(table, header=header, right=(1, 3)), as_json=as_json)
    return EXIT_DONE if all(row["is_match"] for row in rows) else EXIT_CELLS_FAILED


def measure_baselines(
    model: Annotated[
        str, typer.Option("--model", help="Network: a torchvision model such as alexnet, or one of ours.")
    ],
    weight_options: WeightOptions,
    dataset: Annotated[str, typer.Option("--dataset", help="Dataset whose benchmarks are measured.")] = "imagenet",
    benchmarks: Annotated[
        str,
        typer.Option("--benchmarks", help="Benchmarks out of c, c-generated, p and p-generated, separated by commas."),
    ] = "c,p",
    weights: Annotated[
        Path | None, typer.Option("--weights", help="File of weights [torchvision's for ImageNet].")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the baseline [made from model and data].")] = None,
    max_images: Annotated[
        int | None,
        typer.Option(
            "--max-images", min=1, max=1_000_000_000, help="Use at most this many images; the file records the limit."
        ),
    ] = None,
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> int:
    """Measure the errors, flip rates and top-5 distances of a baseline network that normalise mCE, mFR and mT5D."""
    from orchestration.evaluation.benchmark_data import measure
    from orchestration.evaluation.checkpoints import Reading

    settings = read_settings(data_root=data_root)
    chosen = [part.strip() for part in benchmarks.split(",") if part.strip()]
    label = name or f"{model.replace(':', '-')}-{dataset}-{'-'.join(chosen)}"
    reading = Reading(normalize=weight_options.normalize, state_dict=weight_options.state_dict)
    path, document = measure(
        label, model, dataset, chosen, settings, weights=weights, reading=reading, max_images=max_images
    )
    shown = {"name": label, "path": str(path), **document}
    emit(shown, lambda: _baseline_text(shown), as_json=as_json)
    return EXIT_DONE


def write_sheets(
    dataset: Dataset,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the PNG files, made if missing; files of the same names in it are replaced.",
        ),
    ] = Path("sheets"),
    index: Annotated[int, typer.Option("--index", min=0, help="Index of the test image.")] = 0,
    frost: Frost = "procedural",
    data_root: options.DataRoot = None,
    as_json: options.Json = False,
) -> int:
    """Write contact sheets: every corruption of C at severities 1, 3, 5, of C-bar, of MNIST-C, and sequences of P."""
    from orchestration.evaluation.benchmark_data import sheets

    settings = read_settings(data_root=data_root)
    paths = [str(path) for path in sheets(dataset, settings, output=output, index=index, frost=frost)]
    emit({"sheets": paths}, lambda: "\n".join([*paths, count(len(paths), "sheet")]), as_json=as_json)
    return EXIT_DONE


def _choice(benchmark: str, kinds: str | None, severities: str | None, frost: str, seed: int) -> Choice:
    from orchestration.evaluation.benchmark_data import Choice

    levels = [part.strip() for part in (severities or "").split(",") if part.strip()]
    if not all(level.isdigit() for level in levels):
        text = f"severities must be whole numbers separated by commas, but got '{severities}'"
        raise InputError("options", [Mistake(where="--severities", text=text)])
    return Choice(
        family=benchmark,
        kinds=tuple(part.strip() for part in (kinds or "").split(",") if part.strip()),
        severities=tuple(int(level) for level in levels),
        frost=frost,
        seed=seed,
    )


def _baseline_text(shown: dict[str, Any]) -> str:
    errors, flips, distances = (shown.get(part, {}) for part in ("errors", "flip_rates", "top5_distances"))
    rows = [[kind, "error", f"{100 * sum(values) / len(values):.2f} %"] for kind, values in errors.items()]
    rows += [[kind, "flip rate", f"{100 * value:.2f} %"] for kind, value in flips.items()]
    rows += [[kind, "top-5 distance", f"{value:.4f}"] for kind, value in distances.items()]
    lines = [f"{shown['what']}; {shown['source']}", columns(rows, header=["kind", "measure", "value"], right=(2,))]
    use = f"use it with --set benchmarks.<name>.baseline={shown['name']}"
    return "\n".join([*lines, f"stored in {shown['path']}; {use}"])


VERBS: Final[Mapping[str, Callable[..., int]]] = {
    "generate": generate_benchmark,
    "match": match_benchmark,
    "baselines": measure_baselines,
    "sheets": write_sheets,
}
