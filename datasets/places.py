"""Where data sets are looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["folders"]


def folders(root: Path | None, *names: str, also: Iterable[str] = ()) -> list[Path]:
    """Folders in which a data set may lie, the likeliest first.

    A `root` of the user's is the only place looked at. Otherwise the folders of the environment variable
    EDFSTAT_DATA (separated as in PATH), the user's cache, and the places of the operating system in `also`.

    Parameters
    ----------
    root : Path or None
    *names : str
        Folder names that the data set goes by; each place is tried itself and with each of these.
    also : iterable of str
        Further places.

    Returns
    -------
    list of Path
    """
    if root is not None:
        places = [root]
    else:
        places = [Path(part) for part in os.environ.get("EDFSTAT_DATA", "").split(os.pathsep) if part]
        places += [cache(), *map(Path, also)]
    return [folder for place in places for folder in (place, *(place / name for name in names))]


def cache() -> Path:
    """The folder that downloads go to."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edfstat" / "datasets"
