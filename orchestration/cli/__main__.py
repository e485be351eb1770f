"""`python -m orchestration.cli`, which is what a submitted job runs."""

import sys

from orchestration.cli.main import main

sys.exit(main())
