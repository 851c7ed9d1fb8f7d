"""File formats, one per module, and `load` and `save` that pick one."""

from edfstat.formats.loading import load
from edfstat.formats.saving import save

__all__ = ["load", "save"]
