"""`python -m dreamgrid`, the command line; also what submitted jobs run, and the script `dreamgrid`."""

from __future__ import annotations

import sys

from orchestration.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
