"""Reading YAML: plain values with lines, within limits, nothing executed."""

from __future__ import annotations

import pytest

from orchestration.errors import InputError
from orchestration.sweeps.yaml_reader import MAX_FILE_BYTES, read_scalar, read_yaml


def mistakes_in(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read_yaml(text, subject="sweep file x.yaml")
    return str(caught.value)


def test_numbers_and_words_are_read_as_yaml_1_2_reads_them() -> None:
    found = read_yaml("a: 1e-4\nb: no\nc: true\nd: ~\ne: 0o17\nf: 12:30\ng: '5'\nh: -3\n", subject="s")

    assert found.value == {"a": 1e-4, "b": "no", "c": True, "d": None, "e": "0o17", "f": "12:30", "g": "5", "h": -3}


def test_each_value_knows_its_line() -> None:
    found = read_yaml("a:\n  b:\n    - 1\n    - 2\n", subject="s")

    assert found.line(("a", "b", 1)) == 4
    assert found.line(("a", "b", 1, "deeper")) == 4


def test_a_python_object_is_refused_and_never_made() -> None:
    assert "tag" in mistakes_in("a: !!python/object/apply:os.system ['true']")


def test_aliases_cannot_multiply_without_end() -> None:
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8))

    assert "at most" in mistakes_in(f"a0: &a0 [1, 1]\n{levels}\n")


def test_an_alias_may_not_hold_itself() -> None:
    assert "may not contain itself" in mistakes_in("a: &a [*a]")


def test_repeated_keys_and_merge_keys_are_told_together_with_their_lines() -> None:
    text = mistakes_in("a: 1\na: 2\nb:\n  <<: {c: 1}\n")

    assert "line 2, a: key 'a' is given twice" in text
    assert "line 4" in text


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "a: 1\n---\nb: 2", "", "\x00", "{"])
def test_what_is_not_one_yaml_document_is_refused(text: str) -> None:
    mistakes_in(text)


def test_a_file_may_not_be_larger_than_stated() -> None:
    assert str(MAX_FILE_BYTES) in mistakes_in("#" * (MAX_FILE_BYTES + 1))


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("0.5", 0.5), ("true", True), ("null", None), ("wrn-10-1", "wrn-10-1"), ("[1, 2]", [1, 2]), ("", "")],
)
def test_values_of_options_have_types(text: str, value: object) -> None:
    assert read_scalar(text) == value


@pytest.mark.parametrize("text", ["[" * 50_000, "{a: " * 50_000, "- " * 50_000, "a: " + "[" * 30 + "]" * 30])
def test_what_is_nested_deeper_than_a_stack_is_refused(text: str) -> None:
    """The C library of YAML composes by recursion: such a file ended the process."""
    with pytest.raises(InputError, match="may be nested 24 deep at most"):
        read_yaml(text, subject="it")
