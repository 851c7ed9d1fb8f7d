"""The error that an impossible architecture or space meets."""

from __future__ import annotations

from edfstat.errors import InputError

__all__ = ["ArchitectureError"]


class ArchitectureError(InputError):
    """No network can be built from this description; the message names the stage or node and the rule."""
