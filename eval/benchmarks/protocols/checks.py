"""Checks that the parameters of benchmarks share; each error contains the rule and the value."""

from __future__ import annotations

from augment.lookup.parameters import nearest


def check_at_least_one(what: str, value: int) -> None:
    """Refuse a count below one."""
    if value < 1:
        raise ValueError(f"{what} must be at least 1, but got {value}")


def check_limit(max_images: int | None) -> None:
    """Refuse a limit below one image."""
    if max_images is not None and max_images < 1:
        raise ValueError(f"max_images must be at least 1, or none for all images, but got {max_images}")


def check_severities(severities: tuple[int, ...]) -> None:
    """Refuse severities outside 1 to 5, none, or one twice."""
    if not severities or not set(severities) <= {1, 2, 3, 4, 5} or len(set(severities)) != len(severities):
        raise ValueError(f"severities must be different numbers from 1 to 5, but got {list(severities)}")


def check_names(what: str, names: tuple[str, ...], known: tuple[str, ...] | None = None) -> None:
    """Refuse no names, one twice, or one that is not known (where the known ones are given)."""
    if not names or len(set(names)) != len(names):
        raise ValueError(f"each {what} must be named once, and at least one, but got {list(names)}")
    for name in names:
        if known is not None and name not in known:
            raise ValueError(f"unknown {what} {name!r}{nearest(name, known)}")
