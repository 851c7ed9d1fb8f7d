"""Spaces defined as data: what a sweep file or a user's dictionary says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trainers.spaces.catalogue import SPACES
from trainers.spaces.cells import CellSpace
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.generated import GeneratedSpace
from trainers.spaces.space import Space
from trainers.spaces.standard import StageSpace

__all__ = ["from_dict", "space_named"]

_STAGE_KEYS = {"name", "block", "stages", "depth", "width", "ratio", "groups", "strides", "stem_width", "stem_stride",
               "se_ratio"}  # fmt: skip
_RULE_KEYS = {"name", "rule", "parameters"}
_CELL_KEYS = {"name", "operations", "nodes", "output", "width", "depth"}


def space_named(space: Space | str | Mapping[str, Any]) -> Space:
    """A space itself, by name, or from its definition; the one entry point for sweep files.

    Parameters
    ----------
    space : Space, str or mapping
        A name of `SPACES`, or what `from_dict` takes.

    Returns
    -------
    Space

    Raises
    ------
    ArchitectureError
        If no space has that name, or the definition is wrong.

    Examples
    --------
    >>> space_named("DARTS").num_cells
    241591910400
    """
    if isinstance(space, Space):
        return space
    if isinstance(space, Mapping):
        return from_dict(space)
    if not isinstance(space, str) or space not in SPACES:
        raise ArchitectureError(f"no design space is called {space!r:.80}; known are {', '.join(SPACES)}")
    return SPACES[space]


def from_dict(definition: Mapping[str, Any]) -> Space:
    """A space from plain values, as a sweep file holds them.

    Parameters
    ----------
    definition : mapping
        One of four forms, each with a ``name``:

        - ``block`` ("vanilla", "basic", "bottleneck"), ``depth``, ``width`` and, if wanted, ``stages`` (3),
          ``ratio``, ``groups``, ``strides``, ``stem_width``, ``stem_stride``, ``se_ratio``: a stage-wise grid;
        - ``operations``, ``nodes``, ``output`` ("loose", "all") and, if wanted, ``width``, ``depth``: cells;
        - ``rule`` ("module:function") and ``parameters``: what a function makes of them, see `GeneratedSpace`;
        - ``base``: a name of `SPACES`, and the keys of its form that differ.

    Returns
    -------
    Space

    Raises
    ------
    ArchitectureError
        If a key is unknown or missing, or a value makes no network.

    Examples
    --------
    >>> from_dict({"name": "mine", "block": "basic", "depth": [1, 2], "width": [16, 32], "stages": 2}).size
    16
    >>> fixed = from_dict({"base": "DARTS", "name": "DARTS_fix-w-d", "width": [16], "depth": [20]})
    >>> fixed.size == SPACES["DARTS"].num_cells ** 2
    True
    """
    if not isinstance(definition, Mapping):
        raise ArchitectureError(f"a space is defined by names and values; got {definition!r:.80}")
    values = dict(definition)
    if not isinstance(values.get("name", ""), str) or not values.get("name", "?"):
        raise ArchitectureError(f"a space's name is {values['name']!r:.80}; give a text")
    if "base" in values:
        return _changed(values)
    if "rule" in values:
        _check_keys(values, _RULE_KEYS, _RULE_KEYS)
        return GeneratedSpace(**values)
    if "operations" in values:
        _check_keys(values, _CELL_KEYS, {"name", "operations", "nodes", "output"})
        return CellSpace(**values)
    _check_keys(values, _STAGE_KEYS, {"name", "block", "depth", "width"})
    return StageSpace(**values)


def _changed(values: dict[str, Any]) -> Space:
    base = space_named(values.pop("base"))
    if isinstance(base, GeneratedSpace):
        _check_keys(values, _RULE_KEYS, {"name"})
        return replace(base, **values)
    _check_keys(values, _CELL_KEYS if isinstance(base, CellSpace) else _STAGE_KEYS, {"name"})
    if isinstance(base, StageSpace):
        return base.on_grid(**values)
    return replace(base, **values)


def _check_keys(values: Mapping[str, Any], keys: set[str], needed: set[str]) -> None:
    unknown, missing = sorted(map(str, set(values) - keys)), sorted(needed - set(values))
    if unknown or missing:
        raise ArchitectureError(
            f"a space has keys {sorted(keys)}; unknown: {unknown or 'none'}, missing: {missing or 'none'}"
        )
