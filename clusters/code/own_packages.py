"""Our packages have plain names: a person's `eval.py` or `trainers/` in the working directory would be imported in their place.

Python looks there first, and so do the workers of Ray, which puts the driver's working directory first on their path. Here the
folder in which our packages are installed comes first for their names, and for no others. Standard library only.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Final

PACKAGES: Final = ("augment", "clusters", "dreamgrid", "eval", "orchestration", "trainers")
ROOT: Final = Path(__file__).resolve().parents[2]
"""The folder in which they are installed."""

_RUN: Final = (
    "import runpy, sys; sys.path.insert(0, sys.argv[1]); import dreamgrid; sys.path.remove(sys.argv[1]); del sys.argv[:2]; "
    "runpy.run_module(sys.argv[0], None, '__main__', True)"
)


class OwnPackages:
    """A finder that imports our packages, and nothing else, from the folder in which they are installed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where a package of ours is, None for all other modules."""
        return importlib.machinery.PathFinder.find_spec(name, [str(ROOT)], target) if name in PACKAGES else None


def put_first() -> None:
    """Let this process import our packages from where they are installed, whatever comes first on its path.

    Raises:
        ImportError: If it has imported a foreign module of one of their names already.
    """
    for name in PACKAGES:
        found = getattr(sys.modules.get(name), "__file__", None)
        if name in sys.modules and (found is None or not Path(found).resolve().is_relative_to(ROOT / name)):
            raise ImportError(
                f"the module '{name}' must be DreamGrid's, but this process has imported {found or 'another one'}; rename that "
                "one, or import dreamgrid before it",
                name=name,
            )
    if not any(isinstance(finder, OwnPackages) for finder in sys.meta_path):
        sys.meta_path.insert(0, OwnPackages())


def foreign_modules() -> list[Path]:
    """Return the modules and packages that bear names of ours in the folders that come first on the path of Ray's workers: the
    working directory and the folder of the script that runs."""
    folders = dict.fromkeys((Path.cwd(), Path(sys.argv[0]).resolve().parent))
    return [
        path
        for folder in folders
        if folder.resolve() not in (ROOT, ROOT / "dreamgrid")
        for name in PACKAGES
        for path in (folder / f"{name}.py", folder / name)
        if _is_importable(path) and not path.resolve().is_relative_to(ROOT / name)
    ]


def worker_setup() -> Callable[[], None]:
    """Return what a worker of Ray runs before it imports anything of ours; Ray sends it by value, as it is a local function."""
    root = str(ROOT)

    def put_own_packages_first() -> None:
        # A folder that this machine does not have does no harm.
        sys.path.insert(0, root)
        try:
            importlib.import_module("dreamgrid")
        finally:
            sys.path.remove(root)

    return put_own_packages_first


def command_of(module: str) -> tuple[str, ...]:
    """Return the command that runs a module of ours as `python -m` does, wherever it is started."""
    return (sys.executable, "-c", _RUN, str(ROOT), module)


def _is_importable(path: Path) -> bool:
    """Return whether Python could import a path: `NAME.py`, or a folder with Python files. A script without .py is none."""
    return (path.suffix == ".py" and path.is_file()) or (path.is_dir() and any(path.glob("*.py")))
