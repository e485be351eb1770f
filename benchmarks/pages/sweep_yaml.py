"""The page of sweep files: every key, from the models that read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.pages.markdown import GENERATED, code, parameter_table, table
from orchestration.cells.load import SWEEPS
from orchestration.sweeps.sweep_file import SweepFile
from orchestration.sweeps.template import sweep_template
from trainers.config import RECIPE_RULES, RecipeConfig
from trainers.recipes import RECIPES

INTRODUCTION: Final = f"""# Sweep files

Every key of a sweep file. {GENERATED}

`dreamgrid new my-sweep.yaml` writes the file below, which runs as it is. All mistakes of a file are reported at once, each
with its line, the rule and the fix; unknown keys are mistakes.

```yaml
{{template}}```

## In editors

The first line of the file names a JSON Schema, with which editors complete keys, show their meaning and underline
mistakes: those that use [yaml-language-server](https://github.com/redhat-developer/yaml-language-server) (Visual Studio
Code with the YAML extension, Neovim, Emacs) and JetBrains' editors. `dreamgrid new` writes the schema next to the sweep;
`dreamgrid schema` prints it:

```sh
dreamgrid schema > dreamgrid.schema.json     # the line in a sweep: # yaml-language-server: $schema=dreamgrid.schema.json
```

## How values are chosen

From the weakest to the strongest: the defaults of a method, a recipe and a benchmark; what a paper changes for a dataset
([methods](methods.md)); `base`; the entry of `axes`; `set` of a size, then its `rows`; `--set PATH=VALUE` on the command line.
Paths join keys with dots: `train.epochs`, `params.beta`, `benchmarks.c.severities`.
"""

TITLES: Final[Mapping[str, str]] = {
    "SweepFile": "The file",
    "PointPatch": "A cell",
    "NamedPoint": "An entry of axes.cells",
    "Axes": "axes",
    "TableSpec": "table",
    "MatrixAxes": "table.matrix",
    "EvaluationSpec": "evaluation",
    "SizeSpec": "A size",
}
"""Model -> heading of its keys, in the order of the page."""

HEAD: Final = ("key", "takes", "default", "meaning", "example")


def document() -> str:
    """Return the page."""
    schema = SweepFile.model_json_schema()
    models: dict[str, Any] = {**schema["$defs"], "SweepFile": schema}
    template = sweep_template("my-sweep", "dreamgrid.schema.json")
    sections = [_section(title, models[name], models["PointPatch"]) for name, title in TITLES.items()]
    return "\n".join([INTRODUCTION.replace("{template}", template), *sections, _recipes(), _more()])


def _section(title: str, model: Mapping[str, Any], point: Mapping[str, Any]) -> str:
    """Return the keys of a model; those of every cell are listed once."""
    text = str(model["description"])
    keys = model["properties"]
    if model is not point and point["properties"].keys() < keys.keys():
        keys = {name: each for name, each in keys.items() if name not in point["properties"]}
        text += " It has all keys of [a cell](#a-cell), and:"
    required = model.get("required", ())
    rows = [_row(name, each, is_required=name in required) for name, each in keys.items()]
    return f"## {title}\n\n{text}\n\n{table(HEAD, rows)}"


def _row(name: str, key: Mapping[str, Any], *, is_required: bool) -> tuple[str, ...]:
    examples = "; ".join(code(_yaml(name, example)) for example in key.get("examples", ()))
    default = "required" if is_required else code(_flow(key["default"])) if "default" in key else "empty"
    return code(name), _takes(key), "" if default == "`null`" else default, key.get("description", ""), examples


def _yaml(name: str, value: object) -> str:
    return f"{name}: {_flow(value)}"


def _flow(value: object) -> str:
    """Return a value in the flow style of YAML, with quotation marks where a text needs them."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value) if value == "" or any(mark in value for mark in ",{}[]:?") else value
    return json.dumps(value)


def _takes(key: Mapping[str, Any]) -> str:
    """Return in words what a key takes, from its JSON Schema."""
    if "$ref" in key:
        title = TITLES.get(key["$ref"].rpartition("/")[2])
        if title is None:
            return "any value"
        return (
            f"[{title.lower() if ' ' in title else code(title)}](#{title.lower().replace(' ', '-').replace('.', '')})"
        )
    if "anyOf" in key:
        return " or ".join(_takes(each) for each in key["anyOf"] if each != {"type": "null"})
    if "enum" in key:
        return "one of " + ", ".join(map(code, key["enum"]))
    match key.get("type"):
        case "array":
            least = f" of at least {key['minItems']}" if "minItems" in key else ""
            return f"list{least}: {_takes(key['items'])}"
        case "object":
            names = key.get("propertyNames", {})
            keys = " or ".join(map(code, names["enum"])) if "enum" in names else "name"
            values = key.get("additionalProperties") or next(iter(key["patternProperties"].values()))
            return f"mapping, {keys}: {_takes(values)}"
        case "integer":
            most = f" to {key['maximum']:,}" if "maximum" in key else " or more"
            return f"whole number, {key['minimum']}{most}"
        case "string":
            longest = f", at most {key['maxLength']} letters" if "maxLength" in key else ""
            pattern = f" of the form {code(key['pattern'])}" if "pattern" in key else ""
            return f"text{longest}{pattern}"
        case _:
            return "any value"


def _recipes() -> str:
    titles = table(("recipe", "what it is"), ((code(name), each.title) for name, each in RECIPES.items()))
    fields = parameter_table(RecipeConfig, rules={name: rule for name, (_, rule) in RECIPE_RULES.items()})
    text = "A recipe says how a network is trained. `train` changes its fields; their defaults are those of the recipe `cifar`."
    return f"## recipe and train\n\n{text}\n\n{titles}\n{fields}"


def _more() -> str:
    builtin = ", ".join(map(code, SWEEPS))
    return f"""## Keys of other things

`params`: the hyper-parameters of the [method](methods.md). `mixing_set_params`: `num_images`, `image_size` and `seed` of
any mixing set, and the parameters of [its own](mixing-sets.md). `model_params`: the options of the
[model](catalogue.md#models). `benchmarks`: the parameters of each [benchmark](benchmarks.md).

## Built-in sweeps

{builtin}. Their files in `orchestration/sweeps/builtin/` are examples of every key; `dreamgrid sweeps` lists their costs
and data.
"""
