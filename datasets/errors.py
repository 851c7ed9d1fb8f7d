"""The error of a data set that cannot be had."""

from __future__ import annotations

__all__ = ["DatasetError"]


class DatasetError(ValueError):
    """A data set is unknown, not there, or not what it should be. The message says what to do."""
