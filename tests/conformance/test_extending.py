"""The guides to extending: their examples, added by the steps in the tree and as a package, go through all that a sweep does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import yaml

from augment.compound import METHOD_KIND, config_for, method_for
from augment.lookup.kinds import Kind
from augment.mixing_sets.registry import MIXING_SET_KIND
from benchmarks.pages.methods import card_for
from benchmarks.pages.metrics import row_for
from eval.benchmarks.registry import BENCHMARK_KIND
from eval.metrics.registry import METRIC_KIND, metric_for
from orchestration.cells.load import load_sweep
from orchestration.cli import main
from orchestration.engine.driver.recorder import Recorder
from orchestration.engine.observer import Observers
from orchestration.planning.plan import make_plan
from orchestration.store.open import open_store
from tests.conftest import Install
from trainers.datasets.registry import DATASET_KIND
from trainers.job import JobPaths, JobRequest
from trainers.models.registry import MODEL_KIND
from trainers.training.group import OneWorker
from trainers.worker.run_job import run_job

REPOSITORY = Path(__file__).parents[2]
GUIDES = ("extending", *(f"own-{kind}" for kind in ("method", "mixing-set", "benchmark", "metric", "dataset", "model")))
PAGES = "".join((REPOSITORY / "docs" / "guides" / f"{name}.md").read_text(encoding="utf-8") for name in GUIDES)
KINDS: dict[str, Kind[Any]] = {
    kind.what: kind for kind in (METHOD_KIND, MIXING_SET_KIND, BENCHMARK_KIND, METRIC_KIND, DATASET_KIND, MODEL_KIND)
}
EXAMPLES = {
    "method": "darken",
    "mixing set": "stripes",
    "benchmark": "inverted",
    "metric": "quadratic",
    "dataset": "bars",
}
EXAMPLES |= {"model": "linear"}
IN_TREE_ONLY = {
    "columns": ["c-generated/error/posterize", "p-generated/mfr"],
    "benchmarks": {"c-generated": {"kinds": ["posterize"], "severities": [3]}, "p-generated": {"kinds": ["fade"]}},
}


class Step(NamedTuple):
    """A row of the page's table."""

    kind: str
    file: str
    mapping: str
    line: str
    digest: str


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES, re.MULTILINE | re.DOTALL)


def files() -> dict[str, str]:
    """Return the examples by the name in their first line."""
    named = (text.split("\n", 1) for text in blocks("python"))
    return {first.removeprefix("# "): text for first, text in named}


def steps() -> list[Step]:
    rows = re.findall(r"^\| ([a-z ]+) \| `(.+?)` \| `(.+?)` \| `(.+?)` \| (?:`(.+?)` )?\|$", PAGES, re.MULTILINE)
    return [Step(*row) for row in rows]


def entry_points() -> dict[str, dict[str, str]]:
    (text,) = blocks("toml")
    found: dict[str, dict[str, str]] = tomllib.loads(text)["project"]["entry-points"]
    return found


def sweep_file(folder: Path, more: Mapping[str, Any] | None = None) -> Path:
    (text,) = blocks("yaml")
    sweep = yaml.safe_load(text)
    if more is not None:
        sweep["table"]["columns"] += more["columns"]
        sweep["benchmarks"] = more["benchmarks"]
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(sweep))
    return path


def test_the_page_has_an_example_and_a_step_for_each_kind() -> None:
    assert sorted(Path(step.file).name for step in steps()) == sorted(files())
    assert {step.kind for step in steps()} == {*KINDS, "corruption", "perturbation", "table format", "verb"}
    assert set(entry_points()) == {kind.group for kind in KINDS.values()}


@pytest.fixture
def package(install: Install) -> Path:
    """The examples as an installed package."""
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in entry_points().items()
    )
    return install({"mine/__init__.py": "", **{f"mine/{name}": text for name, text in files().items()}}, points=points)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("what", KINDS)
def test_a_package_adds_one_of_each_kind(what: str) -> None:
    found = KINDS[what].find(EXAMPLES[what])
    assert found.name == EXAMPLES[what]
    assert found.code["distribution"] == "mine"


@pytest.mark.parametrize("what", KINDS)
def test_no_package_takes_a_built_in_name(install: Install, what: str) -> None:
    kind = KINDS[what]
    builtin = next(iter(kind.builtin))
    module, mapping = next(
        (step.mapping.removesuffix(f":{name}").removesuffix(".py").replace("/", "."), name)
        for step in steps()
        for name in [step.mapping.partition(":")[2]]
        if step.kind == what
    )
    source = f"from {module} import {mapping}\nTAKEN = {mapping}[{builtin!r}]\n"
    install({"mine/__init__.py": source}, points=f"[{kind.group}]\nx = mine:TAKEN\n")
    with pytest.raises(type(kind.error("")), match=rf"the name {builtin!r} of entry point 'x' .* is taken"):
        kind.find("anything")


def test_no_package_takes_a_name_of_a_family_of_models(install: Install) -> None:
    source = "from dataclasses import replace\nfrom trainers.models.registry import MODELS\n"
    source += "WIDE = replace(MODELS['wrn-40-4'], name='wrn-28-10')\n"
    install({"mine/__init__.py": source}, points="[dreamgrid.models]\nx = mine:WIDE\n")
    with pytest.raises(type(MODEL_KIND.error("")), match=r"the name 'wrn-28-10' of entry point 'x' .* is taken"):
        MODEL_KIND.find("anything")


@pytest.mark.parametrize("what", KINDS)
def test_an_entry_point_of_another_type_is_an_error(install: Install, what: str) -> None:
    kind = KINDS[what]
    install({"mine/__init__.py": "NUMBER = 3\n"}, points=f"[{kind.group}]\nx = mine:NUMBER\n")
    with pytest.raises(type(kind.error("")), match=f"must name a {kind.type.__name__}, but is int"):
        kind.find("anything")


@pytest.mark.usefixtures("package")
def test_what_a_package_adds_is_planned_with_its_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(sweep_file(tmp_path)), "--storage", str(tmp_path / "storage"), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["columns"] == ["clean/error", "clean/quadratic", "inverted/error"]
    assert plan["counts"]["to_run"] == 2
    assert plan["cost"]["device_hours"] > 0


@pytest.mark.usefixtures("package")
def test_what_a_package_adds_is_trained_evaluated_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep, storage = sweep_file(tmp_path), tmp_path / "storage"
    store = open_store(str(storage))
    recorder = Recorder(store, Observers([]))
    paths = JobPaths(checkpoints=str(tmp_path), data_root=str(tmp_path), cache_dir=str(tmp_path / "cache"))
    for cell in make_plan(load_sweep(str(sweep)), store=store).cells:
        request = JobRequest(
            train_key=cell.train_key,
            config=cell.config,
            benchmarks=cell.benchmarks,
            paths=paths,
            threads=1,
            dataset_identity=cell.dataset_identity,
            sources=cell.sources,
        )
        recorder.result(cell, run_job(request, group=OneWorker(torch.device("cpu")), sink=Silent()))

    assert main(["table", str(sweep), "--storage", str(storage), "--format", "json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [[entry is not None for entry in row] for row in table["entries"]] == [[True] * 3] * 2
    assert any(note.startswith("Clean Quadratic: metric 'quadratic' of mine 1.0 (sha256:") for note in table["notes"])


@pytest.mark.slow
def test_the_package_of_the_guides_is_installed_by_pip_and_planned(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    (source / "mine").mkdir(parents=True)
    (text,) = blocks("toml")
    (source / "pyproject.toml").write_text(text)
    for name, example in {"__init__.py": "", **files()}.items():
        (source / "mine" / name).write_text(example)
    offline = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    python(source, "-m", "pip", "install", *offline, "--target", str(site), ".")

    arguments = ("plan", str(sweep_file(tmp_path)), "--storage", str(tmp_path / "storage"), "--json")
    plan = json.loads(python(REPOSITORY, "-m", "dreamgrid", *arguments, PYTHONPATH=f"{REPOSITORY}{os.pathsep}{site}"))
    assert plan["counts"]["to_run"] == 2
    assert plan["columns"] == ["clean/error", "clean/quadratic", "inverted/error"]


class Silent:
    """A sink of events that nobody looks at."""

    def epoch(self, *_: object) -> None: ...
    def progress(self, *_: object) -> None: ...
    def trained(self, *_: object) -> None: ...
    def benchmark(self, *_: object) -> None: ...


@pytest.mark.usefixtures("package")
def test_what_a_package_adds_composes_and_has_a_card() -> None:
    assert method_for("darken+cutout").stages == {"sample"}
    assert config_for(method_for("darken"), "digits", {}) == method_for("darken").config(least=0.5)
    assert "- unstated by the sources: how dark (at most half here)" in card_for(method_for("darken"))
    assert row_for(metric_for("quadratic"))[:3] == ("`quadratic`", "Quadratic", "calibration")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with the examples in it, by the steps of the page: a file, an import and a line each."""
    root = tmp_path_factory.mktemp("tree") / "copy"
    skipped = shutil.ignore_patterns(".*", "__pycache__", "_build", "build", "dist")
    shutil.copytree(REPOSITORY, root, ignore=skipped)
    shutil.copy(REPOSITORY / ".rayignore", root)
    for step in steps():
        add(root, step)
    return root


def add(root: Path, step: Step) -> None:
    file = root / step.file
    assert not file.exists()
    file.write_text(files()[file.name])
    place, _, mapping = step.mapping.partition(":")
    registry = root / place
    before, name, after = registry.read_text().partition(f"\n{mapping}: Final")
    assert name
    end = re.search(r"^    \}\n\)|^\}", after, re.MULTILINE)
    assert end is not None
    after = f"{after[: end.start()]}    {step.line}\n{after[end.start() :]}"
    if step.kind != "verb":  # which is imported when it runs
        folder = ".".join(Path(step.file).parent.parts)
        future = "from __future__ import annotations\n"
        before = before.replace(future, f"{future}\nfrom {folder} import {file.stem}\n", 1)
    registry.write_text(before + name + after)


def python(root: Path, *arguments: str, **environment: str) -> str:
    """Run Python in a tree and return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "MLFLOW_DISABLE_TELEMETRY": "true", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def command(root: Path, *arguments: str) -> str:
    return python(root, "-m", "orchestration.cli", *arguments)


def test_what_the_tree_adds_is_planned_with_its_cost(tree: Path, tmp_path: Path) -> None:
    sweep = str(sweep_file(tmp_path, IN_TREE_ONLY))
    plan = json.loads(command(tree, "plan", sweep, "--storage", str(tmp_path / "storage"), "--json"))
    assert plan["counts"]["to_run"] == 2
    assert plan["columns"][-2:] == IN_TREE_ONLY["columns"]
    assert plan["cost"]["device_hours"] > 0


def test_a_verb_of_the_tree_runs_and_is_in_the_help(tree: Path, tmp_path: Path) -> None:
    assert command(tree, "rows", str(sweep_file(tmp_path))).split() == ["Darken", "PixMix"]
    assert "List the rows of a sweep." in command(tree, "--help")


def test_the_pages_of_the_tree_list_what_was_added(tree: Path) -> None:
    python(tree, "-m", "benchmarks.pages")
    pages = "".join(page.read_text() for page in (tree / "docs" / "reference").glob("*.md"))
    assert [name for name in (*EXAMPLES.values(), "posterize", "fade", "tsv", "rows") if f"`{name}`" not in pages] == []


def test_a_table_of_the_tree_is_printed_in_the_added_format(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    sweep = str(sweep_file(tmp_path))
    printed = command(tree, "table", sweep, "--storage", str(tmp_path / "storage"), "--format", "tsv")
    assert printed.splitlines()[0].split("\t") == ["row", "clean/error", "clean/quadratic", "inverted/error"]


@pytest.mark.slow
def test_the_conformance_suites_take_what_was_added_once_its_digests_are_written(tree: Path) -> None:
    digests = [step.digest for step in steps() if step.digest]
    added = " or ".join(Path(step.file).stem for step in steps())
    pytest_of = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow and not ray", "-k", added)
    python(tree, *pytest_of, *digests, DREAMGRID_WRITE_DIGESTS="1")
    python(tree, *pytest_of, "tests/conformance", "tests/eval", "tests/trainers/models", "tests/trainers/datasets")


@pytest.mark.slow
def test_the_examples_pass_the_linter_and_the_import_contracts(tree: Path) -> None:
    added = [step.file for step in steps()]
    python(tree, "-m", "ruff", "check", "--no-cache", *added)
    python(tree, "-m", "ruff", "format", "--no-cache", "--check", *added)
    python(tree, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(cache_dir=None))")


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.ray
def test_a_run_with_all_that_was_added_fills_the_whole_table(tree: Path, tmp_path: Path) -> None:
    sweep, storage = str(sweep_file(tmp_path, IN_TREE_ONLY)), ("--storage", str(tmp_path / "storage"))
    command(tree, "run", sweep, *storage)
    lines = command(tree, "table", sweep, *storage, "--format", "tsv").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["row", "Darken", "PixMix"]
    assert all(value for line in lines for value in line.split("\t"))
