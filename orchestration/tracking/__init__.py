"""MLflow as a projection of the results store that can be replayed; nothing here is the truth.

`open_tracker` observes a run, `sync` replays a sweep, `check_tracking` is the preflight, `serve_ui` opens the
browser's side. Importing this package imports no MLflow.
"""

from orchestration.tracking.errors import TrackingError
from orchestration.tracking.opening import NO_TRACKING, check_tracking, open_tracker
from orchestration.tracking.server.run import serve_ui
from orchestration.tracking.sync import Synced, sync
from orchestration.tracking.tracker import Tracker

__all__ = ["NO_TRACKING", "Synced", "Tracker", "TrackingError", "check_tracking", "open_tracker", "serve_ui", "sync"]
