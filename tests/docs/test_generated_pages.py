"""The pages of the reference are as generated, and what they are generated from is described as a whole."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from augment.mixing_sets.registry import MIXING_SETS
from augment.registry import METHODS
from benchmarks.pages import environment, exit_codes, sweep_yaml
from benchmarks.pages.markdown import described_fields, parameter_table, prose, table, value_text
from benchmarks.pages.registry import FOLDER, PAGES
from eval.benchmarks.registry import BENCHMARKS
from orchestration.sweeps.sweep_file import SweepFile
from trainers.config import RecipeConfig

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("augment", "clusters", "dreamgrid", "eval", "orchestration", "trainers")
CONFIGS = {
    **{f"method {each.name}": each.config for each in METHODS.values()},
    **{f"mixing set {each.name}": each.config for each in MIXING_SETS.values()},
    **{f"benchmark {each.name}": each.config for each in BENCHMARKS.values()},
    "recipe": RecipeConfig,
}
SCHEMA: dict[str, Any] = SweepFile.model_json_schema()
NO_VARIABLES = re.compile(
    r"AUPR_(IN|OUT)|CERTIFICATE_VERIFY_FAILED|DRAIN_NODE_REASON_PREEMPTION|ENV_VARS_TO_PROPAGATE|ENABLE_RAY_CLUSTER|INTERNAL_ERROR"
    r"|EXTENDED_ARG|IMPORT_(FROM|NAME)|INVALID_PARAMETER_VALUE|LONG_BIN(GET|PUT)|LSUN_test|NEWOBJ_EX|PERMISSION_DENIED|REQUEST_LIMIT_EXCEEDED"
    r"|RESOURCE_(ALREADY_EXISTS|DOES_NOT_EXIST|EXHAUSTED)|STACK_GLOBAL|STRICT_PACK|TEMPORARILY_UNAVAILABLE|WARM_UP"
)
"""Texts of the code that look like variables: codes of other programs, opcodes of Python and pickle, symbols of Ray."""
IN_ONE_WORD = frozenset({"COLUMNS", "NETRC", "PYTHONPATH", "PYTHONUNBUFFERED", "RANK", "TEMP", "TMPDIR"})


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_the_generated_one(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), "generate it again: python -m benchmarks.pages"


@pytest.mark.parametrize("what", CONFIGS)
def test_every_parameter_is_described(what: str) -> None:
    assert [each.name for each in fields(CONFIGS[what]) if each.name not in described_fields(CONFIGS[what])] == []


def test_values_are_written_as_in_a_sweep_file() -> None:
    values = [None, True, 2 / 255, 1 / 3, 0.3, 14230.0, 1e-6, (1, "a"), "x"]

    assert [*map(value_text, values)] == ["null", "true", "2/255", "1/3", "0.3", "1.423e+04", "1e-06", "[1, a]", "x"]


def test_marks_of_markdown_in_descriptions_are_escaped_outside_of_code() -> None:
    assert prose("None of\n a < b * c, but `a * b`") == r"null of a \< b \* c, but `a * b`"
    assert table(("a",), [("x|y",)]) == "| a |\n| --- |\n| x\\|y |\n"


def test_a_table_of_parameters_has_bounds_defaults_and_rules() -> None:
    lines = parameter_table(RecipeConfig, hidden=("lr",), rules={"epochs": "be at least 0"}).splitlines()

    assert lines[2].startswith("| `epochs` | a whole number, at least 0, at most 1,000,000 | `100` | Passes over")
    assert not [line for line in lines if line.startswith("| `lr`")]


def keys() -> Iterator[tuple[str, str]]:
    """Yield each key of a sweep file with the model that has it."""
    for model, described in SCHEMA["$defs"].items():
        yield from ((model, key) for key in described.get("properties", ()))
    yield from (("SweepFile", key) for key in SCHEMA["properties"])


@pytest.mark.parametrize(("model", "key"), [*keys()])
def test_every_key_of_a_sweep_file_has_a_meaning_and_an_example_that_it_takes(model: str, key: str) -> None:
    described = (SCHEMA if model == "SweepFile" else SCHEMA["$defs"][model])["properties"][key]

    assert described["description"]
    assert "examples" in described or "enum" in described
    assert f"| `{key}` |" in sweep_yaml.document()
    validator = Draft202012Validator({"$defs": SCHEMA["$defs"], **described})
    assert [
        error.message for example in described.get("examples", ()) for error in validator.iter_errors(example)
    ] == []


def test_the_examples_of_keys_are_yaml() -> None:
    found = re.findall(r"\| `([\w]+)` \|.*\| (`\1: .*`) \|$", sweep_yaml.document(), re.MULTILINE)

    assert len(found) > 40
    for key, examples in found:
        for example in examples.strip("`").split("`; `"):
            assert list(yaml.safe_load(example)) == [key]


def constants() -> Iterator[tuple[str, Path]]:
    """Yield the texts of the packages' code, each with its file."""
    for package in PACKAGES:
        for path in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value, path


def test_every_environment_variable_of_the_code_is_on_the_page_and_the_other_way_round() -> None:
    form = re.compile(r"_?[A-Z][A-Z0-9]*(_[A-Za-z0-9]+)+")
    found = {text for text, _ in constants() if form.fullmatch(text) or text in IN_ONE_WORD}
    found -= {text for text in found if NO_VARIABLES.fullmatch(text)}

    assert sorted(found - environment.variables()) == []
    assert sorted(environment.variables() - found) == []


def verbs_with_codes() -> dict[str, set[str]]:
    """Return each function of a verb's file -> the exit codes but "done" that it names."""
    found: dict[str, set[str]] = {}
    for path in (REPOSITORY / "orchestration" / "cli" / "verbs").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                names = {
                    each.id for each in ast.walk(node) if isinstance(each, ast.Name) and each.id.startswith("EXIT_")
                }
                if names - {"EXIT_DONE"}:
                    found.setdefault(node.name, set()).update(names - {"EXIT_DONE"})
    return found


def test_every_verb_that_returns_a_code_itself_is_on_the_page() -> None:
    functions = {
        "verify_data": "data verify",
        "match_benchmark": "data match",
        "check": "cluster check",
        "_evaluate_kept": "evaluate",
    }
    named = {functions.get(name, name): codes for name, codes in verbs_with_codes().items()}

    assert named.keys() == exit_codes.OWN.keys()
