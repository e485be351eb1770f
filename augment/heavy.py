"""Libraries that are slow to import, each loaded when something of it is first used: `from augment.heavy import torch`.

So imports are at the top of every module, and light commands (`plan`, `status`, a warm `table`) still load none of these. A
class that derives from one of theirs needs the library when its module is imported: such modules import it directly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import matplotlib as matplotlib
    import numba as numba
    import numpy as numpy
    import pandas as pandas
    import pynvml as pynvml
    import rich as rich
    import rich.box
    import rich.cells
    import rich.console
    import rich.markup
    import rich.progress
    import rich.table
    import rich.text
    import scipy as scipy
    import torch as torch
    import torchvision as torchvision
    from numpy.typing import NDArray as NDArray
    from torch import Tensor as Tensor
    from torch import nn as nn
    from torch.nn import functional as functional
else:

    class _Heavy:
        """Takes the place of a module until one of its attributes is asked for."""

        def __init__(self, name: str) -> None:
            self.__dict__["__name__"] = name

        def __getattr__(self, attribute: str) -> Any:
            module = importlib.import_module(self.__name__)
            try:
                return getattr(module, attribute)
            except AttributeError:  # a sub-module that the library itself does not import
                return importlib.import_module(f"{self.__name__}.{attribute}")

        def __reduce__(self) -> tuple[type, tuple[str]]:
            return _Heavy, (self.__name__,)

    matplotlib, numba, numpy, pandas = _Heavy("matplotlib"), _Heavy("numba"), _Heavy("numpy"), _Heavy("pandas")
    pynvml, rich, scipy = _Heavy("pynvml"), _Heavy("rich"), _Heavy("scipy")
    torch, torchvision = _Heavy("torch"), _Heavy("torchvision")
    nn, functional = _Heavy("torch.nn"), _Heavy("torch.nn.functional")

    class _Tensor:
        """Takes the place of `torch.Tensor` in hints and for `isinstance`."""

        def __instancecheck__(self, value: object) -> bool:
            return isinstance(value, torch.Tensor)

    Tensor = _Tensor()
    NDArray = Any
    """In hints only, which nothing evaluates."""
