"""The version of this package, found without loading anything else of it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["package_version"]


def package_version() -> str:
    """The installed version of this package, or "unknown" beside a checkout that is not installed."""
    try:
        return version("edfstat")
    except PackageNotFoundError:
        return "unknown"
