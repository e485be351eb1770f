"""What identifies the code of a plug-in: its distribution, version, and a hash of its source. Light.

A built-in thing carries a semantics version that is raised by hand and guarded by a test. Nobody guards the version of somebody
else's package, so the code itself joins the key. An edited plug-in is another plug-in, and what it computed before is not shown
for it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.util
import sysconfig
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, Final

from augment.lookup.imports import imported_names

OWN_PACKAGES: Final = frozenset({"augment", "clusters", "eval", "orchestration", "trainers"})
"""Packages whose semantics versions are guarded by our own tests."""

BYTE_CODE: Final = "__pycache__"


def code_of(point: Any, value: object, error: Callable[[str], Exception]) -> dict[str, str]:
    """Return what identifies the code behind an entry point: distribution, version, and hash of the source.

    The hash covers all files of the package that holds the entry point's module, byte code and hidden files left out; the other
    files of its distribution; the modules next to it that its sources import, where it is no installed package; and the modules
    of the functions that the description names.

    Raises:
        Exception: The caller's, if no source can be found: a key must not hash nothing.
    """
    dist = getattr(point, "dist", None)
    module = str(point.value).partition(":")[0].strip()
    files = _sources(module, _modules_in(value), dist)
    if not files:
        raise error(
            f"the source of entry point {point.name!r} ({point.value}) must be readable files, since results are recorded under "
            "its hash, but none was found; install the package unzipped"
        )
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        facts = path.stat()
        digest.update(f"{name}\0{_file_hash(path, facts.st_size, facts.st_mtime_ns, facts.st_ino)}\n".encode())
    name, version = (dist.name, dist.version) if dist is not None else ("", "")
    return {"distribution": str(name), "version": str(version), "source": f"sha256:{digest.hexdigest()}"}


def _modules_in(value: object) -> set[str]:
    """Return the modules of a description's functions and classes that are neither ours nor its own dataclass's."""
    found = set()
    for field in dataclasses.fields(value) if dataclasses.is_dataclass(value) else ():
        inner = getattr(value, field.name, None)
        while isinstance(inner, functools.partial):
            inner = inner.func
        module = getattr(inner, "__module__", None) if callable(inner) else None
        if isinstance(module, str) and module.partition(".")[0] not in OWN_PACKAGES:
            found.add(module)
    return found


def _sources(module: str, named: set[str], dist: Distribution | None) -> dict[str, Path]:
    """Return the source files of a plug-in by a name that does not depend on where it is installed."""
    files = dict(_tree(module))
    for each in dist.files or () if dist is not None else ():
        path = Path(str(dist.locate_file(each)))  # type: ignore[union-attr]
        is_code = ".dist-info" not in each.parts[0] and ".." not in each.parts and _counts(Path(*each.parts))
        if is_code and path.is_file() and path.suffix != ".pth":
            files.setdefault(each.as_posix(), path)
    for other in named:
        origin = _origin(other)
        if origin is not None and origin not in files.values():
            files[f"{other}:{origin.name}"] = origin
    return files | _neighbours(module, set(files.values()))


def _tree(module: str) -> Iterator[tuple[str, Path]]:
    """Yield the files of the outermost regular package that holds a module, or the one file of a module without package."""
    parts = module.split(".")
    for length in range(1, len(parts) + 1):
        origin = _origin(".".join(parts[:length]))
        if origin is None:
            continue
        if origin.stem != "__init__":
            yield origin.name, origin
            return
        folder = origin.parent
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder.parent)
            if path.is_file() and _counts(inside):
                yield inside.as_posix(), path
        return


def _neighbours(module: str, known: set[Path]) -> dict[str, Path]:
    """Return the modules next to a plug-in under development and that its sources import, theirs too.

    In a folder of installed packages the distribution lists its files, and what else is there belongs to others.
    """
    origin = _origin(module.partition(".")[0])
    if origin is None:
        return {}
    around = origin.parent.parent if origin.stem == "__init__" else origin.parent
    if around in _installed_folders():
        return {}
    found: dict[str, Path] = {}
    waiting = [path for path in known if path.suffix == ".py"]
    while waiting:
        for name in _imports(waiting.pop()):
            new = {key: path for key, path in _next_to(name, around) if path not in known}
            known |= set(new.values())
            found |= new
            waiting += [path for path in new.values() if path.suffix == ".py"]
    return found


def _next_to(name: str, folder: Path) -> Iterator[tuple[str, Path]]:
    if name in OWN_PACKAGES:
        return
    if (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file():
        yield from _tree(name)


def _imports(path: Path) -> set[str]:
    """Return the first parts of the names that a source file imports, at any place in it."""
    try:
        names = imported_names(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # it fails where it is imported; its bytes count all the same
        return set()
    return {name.partition(".")[0] for name in names}


def _origin(module: str) -> Path | None:
    """Return the file of a module, or None for namespace packages, built-in modules and what cannot be found."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not spec.has_location or spec.origin is None:
        return None
    path = Path(spec.origin)
    return path if path.is_file() else None


def _counts(path: Path) -> bool:
    """Whether a file is source: byte code and hidden files are not."""
    return BYTE_CODE not in path.parts and not any(part.startswith(".") for part in path.parts)


@functools.cache
def _installed_folders() -> frozenset[Path]:
    return frozenset(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "stdlib"))


@functools.lru_cache(maxsize=4096)
def _file_hash(path: Path, size: int, mtime_ns: int, inode: int) -> str:
    """Return the SHA-256 of a file; the other arguments say when what is remembered is stale."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
