"""A tracking server for a team: PostgreSQL behind it, authentication in front. Skipped visibly where PostgreSQL is absent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import EnvironmentRefused
from orchestration.store.open import open_store
from orchestration.tracking.contract import TrackingError
from orchestration.tracking.server.check import check_tracking
from orchestration.tracking.server.run import serve_ui
from orchestration.tracking.sync import sync

pytestmark = pytest.mark.slow


def finished(store: Any, lab: Any, plan: Any) -> Any:
    for cell in plan.cells:
        lab.finish(store, cell)
    return lab.done(plan)


def test_postgresql_takes_several_writers_at_once_and_makes_each_run_once(
    store: Any, lab: Any, postgresql: str
) -> None:
    from orchestration.tracking.mlflow_client import MlflowTracking

    plan = finished(store, lab, lab.plan())
    check_tracking(postgresql)
    client = MlflowTracking(postgresql)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: sync(open_store(store.uri), plan, postgresql, client=client), range(4)))

    runs = client.find(client.experiments(), {"kind": "cell"})
    assert sorted(run.tags["cell_key"] for run in runs) == sorted(cell.train_key for cell in plan.cells)
    assert {run.status for run in runs} == {"FINISHED"}
    assert sync(store, plan, postgresql, client=client).unchanged == 4


def test_a_server_with_authentication_takes_only_who_it_knows(
    store: Any, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("flask_wtf", reason="the extra 'server' is needed for authentication")
    config = tmp_path / "auth.ini"
    config.write_text(
        "[mlflow]\ndefault_permission = READ\n"
        f"database_uri = sqlite:///{tmp_path}/auth.db\n"
        "admin_username = keeper\nadmin_password = a-long-enough-word\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(config))
    monkeypatch.setenv("MLFLOW_FLASK_SERVER_SECRET_KEY", "only-for-this-test")
    plan = finished(store, lab, lab.plan())
    uri, arguments = f"sqlite:///{tmp_path}/mlflow.db", ("--app-name", "basic-auth")
    with serve_ui(uri, log=tmp_path / "server.log", arguments=arguments) as server:
        with pytest.raises(EnvironmentRefused, match=r"refuses with 401; set MLFLOW_TRACKING_USERNAME"):
            check_tracking(server.url)
        with pytest.raises(TrackingError, match="MLFLOW_TRACKING_USERNAME") as refusal:
            sync(store, plan, server.url)
        assert not refusal.value.passing
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "keeper")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "a-long-enough-word")

        check_tracking(server.url)
        assert sync(store, plan, server.url).written == 4
