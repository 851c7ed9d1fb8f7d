"""Makes sure that the package `datasets` is this project's: another well-known package has that name."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["check_datasets"]

MARK = "EDFSTAT_DATASETS"


def check_datasets() -> None:
    """Raise unless ``import datasets`` gives (or would give) this project's package.

    Nothing is imported: the other package takes seconds, and may fail for reasons of its own.

    Raises
    ------
    ImportError
        If there is no package `datasets`, or it is another one; the message has its path and the remedy.
    """
    loaded = sys.modules.get("datasets")
    if loaded is not None:
        path = getattr(loaded, "__file__", None)
        ours = hasattr(loaded, MARK)
    else:
        spec = find_spec("datasets")
        path = spec.origin if spec else None
        ours = path is not None and MARK in Path(path).read_text(encoding="utf-8", errors="replace")
    if ours:
        return
    checkout = Path(__file__).resolve().parent.parent
    if loaded is None and path is None:
        raise ImportError(
            f"edfstat's package 'datasets' is not importable; run pip install -e '.[train]' in {checkout}"
        )
    raise ImportError(
        f"'datasets' is another package here ({path}), not edfstat's in {checkout / 'datasets'}; "
        f"pip uninstall datasets, use an environment of its own, or put PYTHONPATH={checkout} in front"
    )
