"""Decoded columns of large files, kept in the user's cache folder."""

from __future__ import annotations

from typing import Any

from edfstat.formats.sources import Source

__all__ = ["Cache"]


class Cache:
    """Placeholder until columns are kept."""

    def get(self, source: Source, *, curves: bool) -> tuple[dict[str, Any], dict[str, Any]] | None:
        return None

    def put(self, source: Source, columns: dict[str, Any], facts: dict[str, Any], *, curves: bool) -> None:
        return None
