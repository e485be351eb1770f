"""Storages, data folders and tracking servers that nobody has, as the options of verbs that read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from tests.fuzz.harness import Kind, Verdict, command_line

# No argument of a process has a NUL.
_TEXTS: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
_ODD: Final = st.sampled_from(
    [
        *("", " ", "~nouser/x", "~", "~/", "LOOP", "LOOP/x", "FILE", "FILE/x", "DANGLING", "s3:/b", "s3://", "s3:///x"),
        *(
            "ftp://x/y",
            "gs://b/x",
            "hdfs://x",
            "file://",
            "file:///",
            "file://%00",
            "file://localhost",
            "http://",
            "://",
        ),
        *(
            "memory:",
            "a\nb",
            "/dev/null",
            "/proc/1/x",
            "x" * 255,
            "x" * 5000,
            "../" * 50 + "x",
            "-",
            "--",
            "a\\b",
            "%",
            "٠",
        ),
    ]
)
_SCHEMES: Final = st.sampled_from(["", "", "file://", "x://", "sqlite:///", "sqlite://", "postgresql://", "~"])
_VERBS: Final = (
    ["table", "demo"], ["status", "demo"], ["plan", "demo"], ["cells", "list"], ["cells", "show", "0123abcd"], ["report", "demo"],
)  # fmt: skip


@st.composite
def _inputs(draw: Any) -> tuple[list[str], str, str]:
    option = draw(st.sampled_from(["--storage", "--storage", "--data-root", "--tracking-uri"]))
    text = draw(st.one_of(_ODD, st.builds(str.__add__, _SCHEMES, _TEXTS)))
    return list(draw(st.sampled_from(_VERBS))), option, text


def _attempt(given: tuple[list[str], str, str], folder: Path) -> Verdict:
    verb, option, text = given
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "file").write_text("")
    for word in ("loop", "dangling", "file"):
        text = text.replace(word.upper(), str(folder / word))
    return command_line([*verb, option, text])


KIND: Final = Kind(
    inputs=_inputs(),
    attempt=_attempt,
    examples=60,
    prepare=lambda: [command_line([*verb, "--storage", "/nowhere"]) for verb in _VERBS],
)
