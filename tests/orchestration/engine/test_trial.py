"""What Ray Tune's trials carry."""

from __future__ import annotations

import pytest

from orchestration.engine.groups.trial import keep_credentials_out_of_trials


def test_trials_carry_no_credentials_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.tune.execution import class_cache

    carried: list[dict[str, str]] = []

    def remote(*, runtime_env: dict[str, dict[str, str]]) -> object:
        carried.append(runtime_env["env_vars"])
        return lambda trainable: trainable

    names = {*class_cache.ENV_VARS_TO_PROPAGATE, "AWS_SECRET_ACCESS_KEY"}  # a run before in this process took it out
    monkeypatch.setattr(class_cache, "ENV_VARS_TO_PROPAGATE", names)
    monkeypatch.setattr(class_cache.ray, "remote", remote)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")

    class_cache._ActorClassCache().get(object)
    keep_credentials_out_of_trials()
    class_cache._ActorClassCache().get(object)

    before, after = carried
    assert before["AWS_SECRET_ACCESS_KEY"] == "a-secret"
    assert after == {name: value for name, value in before.items() if name != "AWS_SECRET_ACCESS_KEY"}
