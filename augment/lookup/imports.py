"""Which modules a source file imports, anywhere in it.

They are read from byte code, since several threads may ask at once: Python 3.11 counts the depth of syntax trees for all threads
together, so that `ast.parse` in two of them can raise "AST constructor recursion depth mismatch" (if memory is collected in it).
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType


def imported_names(source: bytes) -> set[str]:
    """Return the full names that a source imports; "a.b" and "a.b.c" of `from a.b import c`, nothing of relative imports.

    Raises:
        SyntaxError: If it is no Python.
        ValueError: If it contains a null character.
    """
    found: set[str] = set()
    for code in _with_nested(compile(source, "<source>", "exec", dont_inherit=True)):
        imported = ""
        values: list[object] = [None, None]
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME":  # after its level and the names that follow "import"
                imported = instruction.argval if values[-2] == 0 else ""
                found.add(imported)
            elif instruction.opname == "IMPORT_FROM" and imported:
                found.add(f"{imported}.{instruction.argval}")
            if instruction.opname != "EXTENDED_ARG":
                values.append(instruction.argval)
    return found - {""}


def _with_nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _with_nested(each)
