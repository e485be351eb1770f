"""Code on the pages: Python compiles and runs, page by page; sweeps load and plan; JSON and TOML are whole.

A comment above a block says why it does not run (`<!-- not run: needs a GPU -->`), or which test loads a sweep
(`<!-- run by: tests/conformance/test_extending.py -->`).
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import yaml

from orchestration.cells.load import load_sweep
from orchestration.planning.plan import make_plan
from orchestration.store.open import open_store
from orchestration.sweeps.schema import parse_document
from orchestration.sweeps.sweep_file import SweepFile
from orchestration.sweeps.yaml_reader import parse_yaml
from tests.docs.markdown_files import REPOSITORY, Block, all_blocks, blocks_of, markdown_files

PYTHON = all_blocks("python")
RUN_ELSEWHERE = {
    "docs/reference/python-api.md": "tests/dreamgrid/test_page.py",
    **{
        f"docs/guides/{name}.md": "tests/conformance/test_extending.py"
        for name in (
            "extending",
            *(f"own-{kind}" for kind in ("method", "mixing-set", "benchmark", "metric", "dataset", "model")),
        )
    },
}
"""Page -> the test that runs its code, by its own rules."""
YAML = all_blocks("yaml")


def place(block: Block) -> str:
    return block.place


def runnable(page: Path) -> list[Block]:
    """Return the blocks of a page that run, in their order, in one namespace."""
    if str(page.relative_to(REPOSITORY)) in RUN_ELSEWHERE:
        return []
    return [block for block in blocks_of(page, "python") if not block.mark[0]]


@pytest.mark.parametrize("block", PYTHON, ids=place)
def test_python_compiles_and_says_why_it_does_not_run(block: Block) -> None:
    compile(block.text, block.place, "exec")
    assert block.mark == ("", "") or (block.mark[0] == "not run" and len(block.mark[1].split()) > 1), (
        "say what it needs"
    )


def test_the_tests_that_run_other_pages_exist() -> None:
    assert [
        page
        for page, test in RUN_ELSEWHERE.items()
        if not (REPOSITORY / page).is_file() or not (REPOSITORY / test).is_file()
    ] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in markdown_files() if runnable(page)], ids=lambda page: str(page.relative_to(REPOSITORY))
)
def test_python_runs_from_the_top_of_the_page_to_its_end(page: Path, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(block.text for block in runnable(page)), encoding="utf-8")
    done = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def is_sweep(value: object) -> bool:
    return isinstance(value, dict) and {"name", "title"} <= value.keys()


@pytest.mark.parametrize("block", YAML, ids=place)
def test_a_sweep_loads_and_plans_and_a_part_of_one_has_its_shape(block: Block, tmp_path: Path) -> None:
    text, value = block.text, yaml.safe_load(block.text)
    if block.mark[0] == "not a sweep":
        return
    if isinstance(value, list):  # rows
        text, value = "axes:\n  cells:\n" + textwrap.indent(text, "    "), {"axes": {"cells": value}}
    assert value.keys() <= SweepFile.model_fields.keys(), (
        "a part of a sweep has its keys; mark anything else as no sweep"
    )
    if is_sweep(value) and not block.mark[0]:
        path = tmp_path / "sweep.yaml"
        path.write_text(text, encoding="utf-8")
        assert make_plan(load_sweep(str(path)), store=open_store(str(tmp_path / "storage"))).cells
    else:
        _, mistakes = parse_document(parse_yaml(text, subject=block.place)[0])
        assert [str(each) for each in mistakes if not str(each).endswith("add it")] == []


@pytest.mark.parametrize("block", all_blocks("json", "toml"), ids=place)
def test_json_and_toml_are_whole(block: Block) -> None:
    assert json.loads(block.text) if block.language == "json" else tomllib.loads(block.text)
