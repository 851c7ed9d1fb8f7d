"""Spaces given by a rule: a user's function turns each combination of parameters into an architecture, or into none."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

from trainers.spaces.architectures import Architecture, as_architecture
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.sampling import Digits
from trainers.spaces.space import Space
from trainers.spaces.tables import Architectures

__all__ = ["GeneratedSpace", "rule_named"]

Rule = Callable[..., Architecture | Mapping[str, Any] | None]

#: A rule is called once per combination, so a grid must stay within what that takes.
_LIMIT = 5_000_000


@dataclass(frozen=True)
class GeneratedSpace(Space):
    """The distinct architectures that a rule makes of a grid of parameters.

    Parameters
    ----------
    name : str
    rule : callable or str
        Takes one value of each parameter by keyword; returns an `Architecture`, a `net` dictionary, or None where
        the combination has no network. In a sweep file, ``"module:function"``.
    parameters : mapping of str to sequence
        The values of each parameter.

    Raises
    ------
    ArchitectureError
        If the rule cannot be imported, or makes no architecture at all.

    Notes
    -----
    Combinations that give the same architecture count once, so that sampling is uniform over architectures.

    Examples
    --------
    >>> from trainers.spaces import StageArchitecture
    >>> def pyramid(width, growth):
    ...     return StageArchitecture("basic", (2, 2), (width, width * growth))
    >>> space = GeneratedSpace("pyramids", pyramid, {"width": [8, 16], "growth": [1, 2, 4]})
    >>> space.size, space.sample(1, rng=0)[0] in space
    (6, True)
    """

    rule: Rule | str
    parameters: Mapping[str, Sequence[Any]] = field(hash=False)

    def __post_init__(self) -> None:
        if not callable(self.rule) and not isinstance(self.rule, str):
            raise ArchitectureError(f"{self.name}: rule is {self.rule!r:.80}; give a function, or 'module:function'")
        if not isinstance(self.parameters, Mapping) or not all(isinstance(key, str) for key in self.parameters):
            raise ArchitectureError(
                f"{self.name}: parameters are {self.parameters!r:.80}; give a list of values for each parameter's name"
            )

    @cached_property
    def _grid(self) -> dict[str, Sequence[Any]]:
        return {key: _values(self.name, key, values) for key, values in self.parameters.items()}

    def _made(self, rule: Rule, chosen: dict[str, Any]) -> Architecture | None:
        """What the rule makes of one combination; a rule that fails is named with what it was given."""
        try:
            made = rule(**chosen)
            return None if made is None else as_architecture(made)
        except ArchitectureError as error:
            raise ArchitectureError(f"{self.name}: rule with {chosen}: {error}") from None
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise ArchitectureError(f"{self.name}: rule with {chosen!s:.200} fails with {said:.200}") from error

    @cached_property
    def _members(self) -> Architectures:
        rule = rule_named(self.rule) if isinstance(self.rule, str) else self.rule
        grid = self._grid
        combinations = 1
        for values in grid.values():
            combinations *= len(values)
        if combinations > _LIMIT:
            raise ArchitectureError(
                f"{self.name}: the parameters have {combinations:,} combinations; a rule is for up to {_LIMIT:,}"
            )
        made = (self._made(rule, dict(zip(grid, chosen))) for chosen in itertools.product(*grid.values()))
        distinct = dict.fromkeys(arch for arch in made if arch is not None)
        if not distinct:
            raise ArchitectureError(f"{self.name}: the rule makes no architecture of any combination of parameters")
        return Architectures.of(list(distinct))

    @cached_property
    def _known(self) -> frozenset[Architecture]:
        return frozenset(self._members)

    @property
    def num_cells(self) -> None:
        """None: only a cell space has cells."""
        return None

    @property
    def radices(self) -> tuple[int, ...]:
        """One choice: which of the distinct architectures."""
        return (len(self._members),)

    def decode(self, digits: Digits) -> Architectures:
        """Architectures by number.

        Parameters
        ----------
        digits : int array, shape (n, 1)
            Numbers from 0 among the distinct architectures.

        Returns
        -------
        Architectures
        """
        table: Architectures = self._members[digits[:, 0]]
        return table

    def to_dict(self) -> dict[str, Any]:
        """The definition as plain values.

        Returns
        -------
        dict
            ``name``, ``rule`` as ``module:function``, importable where `from_dict` reads it back, and ``parameters``.
        """
        rule = self.rule if isinstance(self.rule, str) else f"{self.rule.__module__}:{self.rule.__qualname__}"
        return {"name": self.name, "rule": rule, "parameters": {k: list(v) for k, v in self._grid.items()}}

    def _why_not(self, arch: Architecture) -> str | None:
        return None if arch in self._known else f"no combination of {self.name}'s parameters makes this architecture"

    @property
    def _cheapest_settles(self) -> bool:
        return True

    def _cheapest(self) -> Architectures:
        return self._members


def rule_named(rule: str) -> Rule:
    """The function that ``"module:function"`` names.

    Parameters
    ----------
    rule : str

    Returns
    -------
    callable

    Raises
    ------
    ArchitectureError
        If it cannot be imported.

    Examples
    --------
    >>> rule_named("trainers.spaces.parametrized:regnet").__name__
    'regnet'
    """
    module, _, name = rule.partition(":")
    try:
        found: Rule = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ArchitectureError(f"rule is {rule!r} ({error}); give 'module:function' of an importable module") from None
    return found


def _values(space: str, key: str, values: Any) -> Sequence[Any]:
    listed = [values] if isinstance(values, str) or not isinstance(values, Sequence) else list(values)
    if not listed:
        raise ArchitectureError(f"{space}: parameter {key} has no values; give at least one")
    return listed
