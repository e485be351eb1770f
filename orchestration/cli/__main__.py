"""`python -m orchestration.cli`, which is `python -m dreamgrid` for a checkout in the working directory."""

import sys

from orchestration.cli.main import main

sys.exit(main())
