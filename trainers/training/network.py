"""Which network interface the workers of a group talk through."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final

GLOO_INTERFACE: Final = "GLOO_SOCKET_IFNAME"


def name_interface(address: str) -> None:
    """Let gloo talk through the interface that bears this machine's address in the cluster.

    Gloo asks for the address of the host's name, which many systems answer with a loopback address: workers on other machines
    would then be told to connect to themselves. A value that is set already stands.
    """
    import psutil

    found = interface_of(address, {name: [one.address for one in each] for name, each in psutil.net_if_addrs().items()})
    if found is not None:
        os.environ.setdefault(GLOO_INTERFACE, found)


def interface_of(address: str, interfaces: Mapping[str, Iterable[str]]) -> str | None:
    """Return the name of the interface that bears an address, or None."""
    return next((name for name, addresses in interfaces.items() if address in addresses), None)
