"""Cluster files: mutations of the shipped ones, and YAML that nobody means."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml
from hypothesis import strategies as st

from tests.fakes.cluster_files import MANIFESTS
from tests.fuzz.harness import Kind, Verdict, command_line
from tests.fuzz.mutations import ODD_VALUES, mutated_bytes, mutated_tree

_TEXTS: Final = [path.read_bytes() for path in sorted(MANIFESTS.iterdir()) if path.suffix in (".yaml", ".sh")]
_TREES: Final = [
    document for path in sorted(MANIFESTS.glob("*.yaml")) for document in yaml.safe_load_all(path.read_text())
]
_BOMBS: Final = (
    b"cluster_name: &a [*a]\n",
    b"cluster_name: &a {services: *a}\n",
    b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (k + 1, k + 1, b",".join([b"*%c" % k] * 9)) for k in range(97, 107)),
    b"services: " + b"[" * 5000 + b"]" * 5000,
    b"services: " + b"{a: " * 3000 + b"1" + b"}" * 3000,
    b"cluster_name: !!int " + b"9" * 6000,
    b"cluster_name: 2001-99-99\n",
    b"cluster_name: !!timestamp x\n",
    b"cluster_name: !!binary '*'\n",
    b"cluster_name: !!float x\n",
    b"? [a, b]\n: 1\n",
    b"? {a: b}\n: 1\n",
    b"!!set {a, b}\n",
    b"services: !!pairs [a: b]\n",
    b"services: !!omap [a: b]\n",
    b"services: !!python/object/apply:os.system ['true']\n",
    b"\x00\x01\x02",
    b"\xff\xfe\xff",
    b"%YAML 9.9\n---\na: 1\n",
    b"%TAG ! !\n--- !x a\n",
    b"a: 1\n...\n---\n...\n--- 7\n",
    b"<<: 7\ncluster_name: x\n",
    b"services: {<<: [1, 2]}\n",
    b"#!/bin/bash\n#SBATCH \n",
    b"#!\n#SBATCH --gpus\n" + b"ray start \\\n" * 5000,
)


@st.composite
def _files(draw: Any) -> bytes:
    how = draw(st.sampled_from(["tree", "tree", "tree", "bytes", "bomb", "odd"]))
    if how == "tree":
        text: str = yaml.safe_dump(draw(mutated_tree(draw(st.sampled_from(_TREES)))), allow_unicode=True)
        return text.encode("utf-8", "surrogatepass")
    if how == "bytes":
        return draw(mutated_bytes(draw(st.sampled_from(_TEXTS))))  # type: ignore[no-any-return]
    if how == "bomb":
        return draw(st.sampled_from(_BOMBS))  # type: ignore[no-any-return]
    keys = st.sampled_from(["cluster_name", "available_node_types", "services", "kind", "apiVersion", "spec", "x"])
    tree = draw(st.dictionaries(keys, ODD_VALUES, max_size=4))
    return yaml.safe_dump(tree).encode("utf-8", "surrogatepass")


def _attempt(text: bytes, folder: Path) -> Verdict:
    path = folder / "it.yaml"
    path.write_bytes(text)
    return command_line(["cluster", "check", str(path)])


KIND: Final = Kind(
    inputs=_files(),
    attempt=_attempt,
    examples=150,
    prepare=lambda: command_line(["cluster", "check", str(MANIFESTS / "aws.yaml")]),
)
