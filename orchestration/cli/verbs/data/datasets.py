"""`data`: datasets and benchmarks, whether they are there and whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from augment.files.absent import fetch_command
from eval.benchmarks.suite.files import missing_files
from eval.outliers.sets import IMAGE_SETS, outlier_folder
from eval.published_files.layout import COLLECTIONS
from orchestration.cli import options
from orchestration.cli.output import EXIT_DONE, EXIT_REFUSED, columns, emit
from orchestration.cli.verbs.data import benchmarks as benchmark_verbs
from orchestration.cli.verbs.data import fetch as fetch_verbs
from orchestration.errors import EnvironmentRefused
from orchestration.settings import read_settings
from trainers.datasets.registry import DATASETS, missing_data

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...",
        help="Datasets, benchmark files (CIFAR-10-C), outlier sets, mixing images, released networks, or `generated` "
        "[all that exist].",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    text = "List, fetch, verify and generate datasets and benchmarks."
    verbs = {"list": list_data, **fetch_verbs.VERBS, "verify": verify_data, **benchmark_verbs.VERBS}
    options.add_group(app, "data", text, verbs)


def list_data(data_root: options.DataRoot = None, as_json: options.Json = False) -> int:
    """List datasets, published benchmarks and outlier sets, and how to get those that are not in the data root."""
    root = read_settings(data_root=data_root).data_root
    rows = [*_dataset_rows(root), *_benchmark_rows(root), *_outlier_rows(root)]
    emit(rows, lambda: _list_text(rows), as_json=as_json)
    return EXIT_DONE


def _list_text(rows: list[dict[str, Any]]) -> str:
    header = ["name", "kind", "pixels", "classes", "train", "test", "there"]
    table = [[str(row.get(key, "")) for key in header[:6]] + ["yes" if row["is_there"] else "no"] for row in rows]
    missing = [f"  {row['name']}: {row['get_it_with']}" for row in rows if row["get_it_with"]]
    lines = [
        columns(table, header=header, right=(2, 3, 4, 5)),
        *(["", "get what is missing:", *missing] if missing else []),
    ]
    return "\n".join(lines)


def verify_data(names: Names = None, data_root: options.DataRoot = None, as_json: options.Json = False) -> int:
    """Read all files of datasets, published benchmarks and generated sets, and compare their checksums and archives.

    Archives are looked for in the data root and next to what is unpacked. Files that were compared with one count as published
    from then on, archive or not, until they change.
    """
    from orchestration.evaluation.data_check import BROKEN, MISSING, check_data

    if data_root is not None and not Path(data_root).is_dir():
        raise EnvironmentRefused(f"--data-root must be a folder, but {data_root} is not one; check the path")
    rows = list(check_data(names, read_settings(data_root=data_root)))
    table = [[row["name"], row["state"], row["detail"]] for row in rows]
    emit(rows, lambda: columns(table, header=["data", "state", "detail"]), as_json=as_json)
    bad = {BROKEN, MISSING} if names else {BROKEN}
    return EXIT_REFUSED if any(row["state"] in bad for row in rows) else EXIT_DONE


def _dataset_rows(root: Path) -> list[dict[str, Any]]:
    rows = []
    for name, spec in DATASETS.items():
        missing = missing_data([name], root)
        rows.append(
            {
                "name": name,
                "kind": "dataset",
                "title": spec.title,
                "pixels": spec.image_size,
                "classes": spec.num_classes,
                "train": spec.num_train,
                "test": spec.num_test,
                "is_there": not missing,
                "get_it_with": spec.fetch_hint(root) if missing else "",
            }
        )
    return rows


def _benchmark_rows(root: Path) -> list[dict[str, Any]]:
    rows = []
    for folder, each in COLLECTIONS.items():
        is_there = not missing_files(each.family, {}, each.dataset, root)
        title = f"benchmark '{each.family}' of {each.dataset}"
        fetched = fetch_command(folder, root)
        way = "" if is_there else fetched if each.address else f"{root / folder}: {each.source}"
        rows.append({"name": folder, "kind": "benchmark", "title": title, "is_there": is_there, "get_it_with": way})
    return rows


def _outlier_rows(root: Path) -> list[dict[str, Any]]:
    rows = []
    for name, each in IMAGE_SETS.items():
        is_there = outlier_folder(name, root) is not None
        way = "" if is_there else f"{root / each.folders[0]}: {each.what}"
        rows.append({"name": name, "kind": "outliers", "title": each.what, "is_there": is_there, "get_it_with": way})
    return rows
