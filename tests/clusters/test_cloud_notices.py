"""What the metadata servers of clouds say of machines that are about to be taken back, from servers on loopback."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from clusters.cloud_notices import AwsNotice, GcpNotice
from clusters.errors import ClusterError
from trainers.worker.preemption import VARIABLE, named_notice

MANIFESTS = Path(__file__).resolve().parents[2] / "clusters" / "manifests"
Answer = tuple[int, str]


class Metadata:
    """A metadata server: paths and what they answer; it forgets its tokens when told."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.token = "token-1"
        metadata = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                is_asked_rightly = int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"]) <= 21_600
                self._answer((200, metadata.token) if is_asked_rightly else (400, ""))

            def do_GET(self) -> None:
                is_known = self.headers.get("X-aws-ec2-metadata-token") == metadata.token
                is_known |= self.headers.get("Metadata-Flavor") == "Google"
                self._answer(metadata.answers.get(self.path, (404, "")) if is_known else (401, ""))

            def _answer(self, answer: Answer) -> None:
                self.send_response(answer[0])
                self.send_header("Content-Length", str(len(answer[1])))
                self.end_headers()
                self.wfile.write(answer[1].encode())

            def log_message(self, *_: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    """A server that knows of no notice."""
    made = Metadata()
    yield made
    made.close()


def test_a_spot_instance_is_noticed_when_its_action_is_set(metadata: Metadata) -> None:
    notice = AwsNotice(metadata.address)
    assert not notice()
    metadata.answers["/latest/meta-data/spot/instance-action"] = (200, '{"action": "terminate", "time": "..."}')
    assert notice()


def test_a_token_that_ran_out_is_asked_for_again(metadata: Metadata) -> None:
    notice = AwsNotice(metadata.address)
    metadata.answers["/latest/meta-data/spot/instance-action"] = (200, '{"action": "stop", "time": "..."}')
    assert notice()
    metadata.token = "token-2"
    assert [notice(), notice()] == [False, True]


def test_a_preempted_machine_of_google_is_noticed(metadata: Metadata) -> None:
    notice = GcpNotice(metadata.address)
    path = "/computeMetadata/v1/instance/preempted"
    metadata.answers[path] = (200, "FALSE\n")
    assert not notice()
    metadata.answers[path] = (200, "TRUE\n")
    assert notice()


@pytest.mark.parametrize("kind", [AwsNotice, GcpNotice])
def test_a_server_that_never_answers_is_an_error_and_one_that_falls_silent_is_no_notice(
    kind: Callable[[str], Callable[[], bool]],
) -> None:
    server = Metadata()
    notice = kind(server.address)
    assert not notice()
    server.close()
    assert not notice()
    with pytest.raises(ClusterError, match=r"must answer at http://127\.0\.0\.1.*unset DREAMGRID_PREEMPTION_NOTICE"):
        kind(server.address)()


@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_the_spot_workers_of_each_cloud_file_ask_their_cloud(cloud: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (MANIFESTS / f"{cloud}.yaml").read_text(encoding="utf-8")
    (start,) = [line for line in yaml.safe_load(text)["worker_start_ray_commands"] if "ray start" in line]
    settings = dict(word.partition("=")[::2] for word in start.split() if word.startswith(VARIABLE))

    monkeypatch.setenv(VARIABLE, settings[VARIABLE])
    assert isinstance(named_notice(), {"aws": AwsNotice, "gcp": GcpNotice}[cloud])
