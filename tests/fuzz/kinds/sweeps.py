"""Sweep files, `--set`, `--seeds`, `--workers` and price files, as `plan` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml
from hypothesis import strategies as st

from augment.mixing_sets.registry import MIXING_SETS
from augment.registry import METHODS
from eval.benchmarks.registry import BENCHMARKS
from orchestration.cells.load import SWEEPS
from orchestration.planning.costs.machines import PRICE_FILE
from tests.fuzz.harness import Kind, Verdict, command_line
from tests.fuzz.mutations import ODD_VALUES, mutated_bytes, mutated_tree

_FILES: Final = tuple(SWEEPS[name] for name in ("demo", "table-10", "mnist-report-1", "mixing-sets"))
_BOMBS: Final = (
    b"base: &a [*a]\n",
    b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (k + 1, k + 1, b",".join([b"*%c" % k] * 9)) for k in range(97, 107)),
    b"base: " + b"[" * 50_000,
    b"base: " + b"{a: " * 3000 + b"1" + b"}" * 3000,
    b"name: " + b"9" * 6000,
    b"name: !!python/object/apply:os.system ['true']\n",
    b"\x00",
    b"",
    b"%YAML 9.9\n---\na: 1\n",
    b"- 1\n",
    b"union: [demo, demo]\n",
)  # fmt: skip
_NUMBERS: Final = [
    "0",
    "-1",
    "1e400",
    "1/0",
    "nan",
    "inf",
    "9" * 400,
    "1" + "0" * 12,
    "2147483648",
    "1e9",
    "0.5",
    "1/3",
    "١",
]
_TEXTS: Final = ["", "null", "[1, 2", "[]", "{a: 1}", "true", "~", "'", "*a", "&a [*a]", "\x00", "[" * 3000, "x" * 3000]
_PATHS: Final = (
    *(
        f"train.{name}"
        for name in ("epochs", "batch_size", "lr", "precision", "step_epochs", "train_images", "batch_shards")
    ),
    *("method", "dataset", "model", "seed", "mixing_set", "outliers", "recipe", "model_params.dropout", "workers"),
    *(f"mixing_set_params.{name}" for name in ("num_images", "image_size", "seed", "density", "canvas")),
    *(f"method_params.{name}" for name in ("max_rounds", "beta", "alpha", "width", "steps", "hidden")),
    *(
        f"benchmarks.{name}.{field}"
        for name in ("pgd", "c-generated")
        for field in ("steps", "max_images", "severities")
    ),
    *("", ".", "a", "train", "train.", "benchmarks.pgd", "=", "a.b.c.d", "train.epochs.x", "evaluation.precision"),
)
_NAMES: Final = (
    *METHODS, *MIXING_SETS, *BENCHMARKS, "pixmix+cutmix", "wrn-9994-100", "wrn-1-1", f"wrn-{'9' * 5000}-1", "torchvision:x",
    "folder:/nowhere", "folder:/nowhere@99999999", "folder:/nowhere@²", "folder:~nouser/x", "digits", "imagenet", "+", "a+",
)  # fmt: skip


@st.composite
def _inputs(draw: Any) -> dict[str, Any]:
    how = draw(st.sampled_from(["set", "set", "set", "tree", "tree", "bytes", "bomb", "prices", "seeds"]))
    found: dict[str, Any] = {"sweep": b"", "prices": b"", "options": []}
    if how == "tree":
        tree = yaml.safe_load(draw(st.sampled_from(_FILES)).read_text())
        found["sweep"] = _as_yaml(draw(mutated_tree(tree)))
    elif how == "bytes":
        found["sweep"] = draw(mutated_bytes(draw(st.sampled_from(_FILES)).read_bytes()))
    elif how == "bomb":
        found[draw(st.sampled_from(["sweep", "prices"]))] = draw(st.sampled_from(_BOMBS))
    elif how == "prices":
        text = PRICE_FILE.read_bytes()
        changed = mutated_tree(yaml.safe_load(text)).map(_as_yaml)
        found["prices"] = draw(st.one_of(mutated_bytes(text), changed))
    elif how == "seeds":
        option = draw(st.sampled_from(["--seeds", "--workers", "--devices", "--machine"]))
        odd = st.sampled_from(
            ["0-999999999999", "5-1", "-1", "0,,1", "0-", "1-2-3", "٣", "auto", "0,0", *_NUMBERS, *_TEXTS[:-3]]
        )
        found["options"] = [option, draw(odd)]
    else:
        value = draw(st.one_of(st.sampled_from([*_NUMBERS, *_TEXTS, *_NAMES]), ODD_VALUES.map(str)))
        found["options"] = ["--set", f"{draw(st.sampled_from(_PATHS))}={value}"]
    return found


def _as_yaml(tree: Any) -> bytes:
    return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")


def _attempt(given: dict[str, Any], folder: Path) -> Verdict:
    sweep, prices = "demo", []
    if given["sweep"]:
        (folder / "it.yaml").write_bytes(given["sweep"])
        sweep = str(folder / "it.yaml")
    if given["prices"]:
        (folder / "prices.yaml").write_bytes(given["prices"])
        prices = ["--prices", str(folder / "prices.yaml")]
    # No argument of a process has a NUL.
    options = [text.replace("\0", "") for text in given["options"]]
    return command_line(["plan", sweep, "--storage", str(folder / "storage"), *prices, *options])


KIND: Final = Kind(
    inputs=_inputs(),
    attempt=_attempt,
    examples=150,
    prepare=lambda: command_line(["plan", "demo", "--storage", "/nowhere/at/all"]),
)
