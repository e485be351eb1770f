"""Whether this machine is about to be taken back, according to the metadata server of its cloud.

Workers ask one of them every other second where DREAMGRID_PREEMPTION_NOTICE names it: "clusters.cloud_notices:aws" or
"clusters.cloud_notices:gcp". The addresses are those that both clouds give to every machine; no proxy is used.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Final

from clusters.errors import ClusterError

TIMEOUT_S: Final = 2.0
TOKEN_LIFE_S: Final = 21_600
"""The longest that AWS allows."""

_MISSING: Final = 404
_UNAUTHORISED: Final = 401


class _MetadataServer:
    """Asks one server; a server that has answered before may be silent for a while."""

    def __init__(self, address: str, cloud: str) -> None:
        self.address = address
        self._cloud = cloud
        self._has_answered = False

    def ask(self, path: str, headers: Mapping[str, str], method: str = "GET") -> tuple[int, str] | None:
        """Return the status and the text of an answer, or None when a server that answered before is silent.

        Raises:
            ClusterError: If there never was an answer.
        """
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(self.address + path, headers=dict(headers), method=method)
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                found = int(answer.status), answer.read(4096).decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            found = error.code, ""
        except OSError as error:
            if self._has_answered:
                return None
            raise ClusterError(
                f"the metadata server of {self._cloud} must answer at {self.address}, but: {error}; unset "
                "DREAMGRID_PREEMPTION_NOTICE on machines that are not of that cloud"
            ) from error
        self._has_answered = True
        return found


class AwsNotice:
    """The notice of an EC2 spot instance, two minutes before it ends; metadata by tokens only (IMDSv2)."""

    def __init__(self, address: str = "http://169.254.169.254") -> None:
        self._server = _MetadataServer(address, "AWS")
        self._token = ""

    def __call__(self) -> bool:
        """Return whether the instance is marked to be stopped or terminated.

        Raises:
            ClusterError: If the metadata server never answered.
        """
        if not self._token:
            life = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_LIFE_S)}
            _, self._token = self._server.ask("/latest/api/token", life, "PUT") or (0, "")
            if not self._token:
                return False
        asked = self._server.ask("/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": self._token})
        status, text = asked or (_MISSING, "")
        if status == _UNAUTHORISED:
            self._token = ""
        return status == 200 and '"action"' in text


class GcpNotice:
    """The notice of a spot or preemptible machine of Google Cloud, half a minute before it ends."""

    def __init__(self, address: str = "http://metadata.google.internal") -> None:
        self._server = _MetadataServer(address, "Google Cloud")

    def __call__(self) -> bool:
        """Return whether the machine was preempted.

        Raises:
            ClusterError: If the metadata server never answered.
        """
        asked = self._server.ask("/computeMetadata/v1/instance/preempted", {"Metadata-Flavor": "Google"})
        return asked is not None and asked[1].strip() == "TRUE"


aws: Final = AwsNotice()
gcp: Final = GcpNotice()
