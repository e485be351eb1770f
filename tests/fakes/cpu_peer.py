"""What CPU time is compared with: a known peer on the same machine at the same moment, never a number of seconds.

Other work on the same cores, and another machine, slow both down alike.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys


def child_cpu_s(code: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """CPU seconds of a fresh interpreter that runs `code`, and what it printed and returned."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ran


def pandas_import_s() -> float:
    """CPU seconds that a fresh interpreter takes to import pandas: about 0.4 s on two idle cores of 2026."""
    return max(child_cpu_s("import pandas")[0] for _ in range(2))
