"""Result files of other suites, and evaluation documents to be exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from tests.fuzz.harness import Kind, Verdict, command_line
from tests.fuzz.mutations import ODD_VALUES, mutated_bytes, mutated_tree

_OPENOOD: Final = (
    ",FPR@95,AUROC,AUPR_IN,AUPR_OUT,ACC\ncifar100,37.61 ± 0.2,89.52,87.8,89.2,95.1\nsvhn,21,93.1,90.0,96.1,95.1\n"
    "nearood,29.3,91.3,88.9,92.6,95.1\n"
)
_UNCERTAINTY: Final = (
    "model,dataset,test/cls/Acc,test/cal/ECE,shift/cls/Acc,shift/severity,ood/AUROC,ood/AUPR,ood/FPR95\n"
    "a,cifar10,0.95,0.01,0.7,,0.9,0.8,0.3\nb,CIFAR-10,0.94,0.02,,,0.9,0.8,0.3\n"
)
_ROBUSTBENCH: Final = {
    "name": "x",
    "dataset": "cifar10",
    "architecture": "WRN",
    "clean_acc": "95.1",
    "corruptions_acc": 80,
}
_EVALUATION: Final = {
    "kind": "dreamgrid-evaluation",
    "checkpoint": "x.pt",
    "dataset": "cifar-10",
    "architecture": "wrn-40-2",
    "reports": [
        {
            "benchmark": "ood",
            "error": None,
            "metrics": {"auroc": {"value": 0.9, "n": 100}, "fpr95": {"value": 0.2, "n": 100}},
            "rows": [{"set": "svhn", "auroc": 0.9}],
            "notes": {"files": {"a": {"are": "own"}}, "small_sets": {"a": 3}},
            "forward_passes": 10,
        },
        {"benchmark": "clean", "error": None, "metrics": {"error": {"value": 0.1, "n": 9}}, "rows": [], "notes": {}},
    ],
}
_SUITES: Final = ("openood", "torch-uncertainty", "robustbench")
_BOMBS: Final = (
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"name": "x", "clean_acc": ' + b"9" * 6000 + b"}",
    b'{"clean_acc": 1e999}',
    b'{"clean_acc": NaN}',
    b'{"clean_acc": [95.0]}',
    b'{"clean_acc": "95.0", "name": ["x"], "dataset": {"a": 1}}',
    b'{"clean_acc": "\\ud800"}',
    b'{"clean_acc": "95", "name": "\\ud800", "architecture": "a\\u0000b"}',
    b"model,test/cls/Acc\n\x00,0.9\n",
    b'model,test/cls/Acc\n"' + b"x" * 200_000 + b'",0.9\n',
    b"dataset,AUROC\n" + b"".join(b"s%d,90\n" % n for n in range(3000)),
    b",".join(b"c%d" % n for n in range(3000)) + b"\n" + b"1," * 2999 + b"1\n",
    b"\xef\xbb\xbf",
    b"\xff\xfe" + "dataset,AUROC\nx,90\n".encode("utf-16-le"),
    b"dataset,AUROC\r\rx,90\r",
    b"dataset,AUROC,ACC\nclean,90,\n=1+1,91,95\n",
    b"dataset,AUROC\nx," + b"9" * 5000 + b"\n",
    b"dataset,AUROC\nx,1e9999\n",
    b"dataset,AUROC\n" + b"x" * 3000 + b",90\n",
)


@st.composite
def _inputs(draw: Any) -> tuple[str, bytes]:
    how = draw(st.sampled_from(["csv", "csv", "json", "document", "document", "document", "bomb"]))
    suite = draw(st.sampled_from(_SUITES))
    if how == "csv":
        text = _OPENOOD if suite == "openood" else _UNCERTAINTY
        return suite, draw(mutated_bytes(text.encode()))
    if how == "json":
        tree = draw(st.one_of(mutated_tree(_ROBUSTBENCH), ODD_VALUES))
        return "robustbench", _as_json(tree)
    if how == "document":
        return f"export {suite}", _as_json(draw(mutated_tree(_EVALUATION)))
    return draw(st.sampled_from([suite, f"export {suite}"])), draw(st.sampled_from(_BOMBS))


def _as_json(tree: Any) -> bytes:
    return json.dumps(tree, default=str, skipkeys=True).encode()


def _attempt(given: tuple[str, bytes], folder: Path) -> Verdict:
    suite, text = given
    path = folder / "results"
    path.write_bytes(text)
    storage = ["--storage", str(folder / "storage")]
    if suite.startswith("export "):
        return command_line(["export", str(path), "--format", suite.removeprefix("export "), *storage])
    return command_line(["import", str(path), "--format", suite, "--name", "x", "--dataset", "cifar-10", *storage])


KIND: Final = Kind(
    inputs=_inputs(),
    attempt=_attempt,
    examples=250,
    prepare=lambda: command_line(["import", "/nowhere", "--format", "openood", "--name", "x", "--dataset", "cifar-10"]),
)
