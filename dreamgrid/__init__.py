"""DreamGrid from Python: sweeps and their results, the safety suite on any network, PixMix as a transform.

    import dreamgrid

    dreamgrid.evaluate(model, dataset="digits", suite="quick")
    dreamgrid.PixMix("fractals", image_size=32)(images)
    dreamgrid.corrupt(images, "fog", 3)
    dreamgrid.run("demo", size="smoke").table()
    dreamgrid.load_sweep("table-3").results()
    dreamgrid.metrics.rms_calibration_error(confidence, correct)

Importing it is quick: what a name needs (torch, pandas, Ray) is imported when that name is first used. It also lets this process
import the packages that it is made of (`augment`, `clusters`, `eval`, `orchestration`, `trainers`) from where it is installed, so
that a module of such a name in the working directory does not take their place.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

_ROOT: Final = str(Path(__file__).resolve().parents[1])
sys.path.insert(0, _ROOT)
try:
    from clusters.code.own_packages import put_first
except ImportError as error:
    raise ImportError(
        f"the package 'clusters' must be DreamGrid's, but this process has imported {sys.modules.get('clusters')}; rename that "
        "one, or import dreamgrid before it"
    ) from error
finally:
    sys.path.remove(_ROOT)
put_first()

if TYPE_CHECKING:
    from dreamgrid import metrics as metrics
    from dreamgrid.corruptions import corrupt as corrupt
    from dreamgrid.evaluation import Report as Report
    from dreamgrid.evaluation import evaluate as evaluate
    from dreamgrid.pixmix import PixMix as PixMix
    from dreamgrid.sweeps import LoadedSweep as LoadedSweep
    from dreamgrid.sweeps import load_sweep as load_sweep
    from dreamgrid.sweeps import run as run

_HOMES: Final = {
    "LoadedSweep": "sweeps",
    "PixMix": "pixmix",
    "Report": "evaluation",
    "corrupt": "corruptions",
    "evaluate": "evaluation",
    "load_sweep": "sweeps",
    "metrics": "",
    "run": "sweeps",
}
"""Public name -> the module of this package that has it; a module of its own has ""."""

__all__ = ["LoadedSweep", "PixMix", "Report", "corrupt", "evaluate", "load_sweep", "metrics", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dreamgrid' has no attribute {name!r}; it has {', '.join(__all__)}")
    home = _HOMES[name]
    module = importlib.import_module(f"dreamgrid.{home or name}")
    return getattr(module, name) if home else module


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]
