"""A trial: what to train. Its identity is the hash of its content, so equal trials are one trial."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from edfstat.errors import InputError

__all__ = ["Trial", "canonical_json"]


def canonical_json(value: Any) -> str:
    """JSON text with sorted keys and no spaces: equal values give equal text.

    Parameters
    ----------
    value : JSON-like
        Mappings with string keys, sequences, strings, numbers, booleans, None. No NaN or infinity.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If the value cannot be written as strict JSON.

    Examples
    --------
    >>> canonical_json({"ws": (16, 32), "ds": [1, 2]})
    '{"ds":[1,2],"ws":[16,32]}'
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise InputError("a value is nested too deep for JSON; give plain values") from None
    except (TypeError, ValueError) as error:
        try:
            where, what = _culprit(value) or ("", value)
        except RecursionError:  # what holds itself has no end
            where, what = "", value
        raise InputError(f"{where}{what!r:.200} cannot be written as JSON ({error}); give plain values") from None


def _culprit(value: Any, where: str = "") -> tuple[str, Any] | None:
    """The first value inside that JSON cannot hold, and where it is."""
    if isinstance(value, dict):
        parts = [(f"{where}.{key}" if where else str(key), part) for key, part in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(f"{where}[{place}]", part) for place, part in enumerate(value)]
    elif isinstance(value, float):
        return None if math.isfinite(value) else (f"{where}: " if where else "", value)
    else:
        return None if value is None or isinstance(value, str | int) else (f"{where}: " if where else "", value)
    return next((found for at, part in parts if (found := _culprit(part, at))), None)


#: What each part of a trial must be.
_KINDS: dict[str, tuple[Any, str]] = {
    "space": (str, "a name"), "net": (Mapping, "a mapping"), "dataset": (str, "a name"),
    "recipe": ((str, Mapping), "a name or a mapping of settings"), "optim": (Mapping, "a mapping"),
    "options": (Mapping, "a mapping"),
}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One training run to do: an architecture, how to train it, and the seed.

    Parameters
    ----------
    space : str
        Name of the design space that the architecture was drawn from.
    net : dict
        The architecture, in the published `net` form.
    dataset : str
        Name of the data set, such as ``"cifar10"``.
    recipe : str or dict
        Name of a training recipe, or a recipe's own settings.
    optim : dict
        ``base_lr``, ``wd`` (weight decay) and ``max_ep`` (epochs); what is absent, the recipe decides.
    seed : int
        Seed of initialisation, order and augmentation.
    options : dict
        Anything else that decides the outcome, for the backend to read.

    Raises
    ------
    InputError
        If one of these is of another kind.

    Examples
    --------
    >>> trial = Trial(space="ResNet", net={"ds": [1, 2, 2, 2]}, dataset="digits", optim={"max_ep": 5})
    >>> trial.id[:8], trial == Trial.from_dict(trial.to_dict())
    ('9d0eb429', True)
    """

    space: str
    net: Mapping[str, Any]
    dataset: str = "cifar10"
    recipe: str | Mapping[str, Any] = "default"
    optim: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, (kinds, what) in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kinds):
                raise InputError(f"trial: {name} is {value!r:.80}; give {what}")
        seed: Any = self.seed
        whole = hasattr(seed, "__index__") or (isinstance(seed, float) and seed.is_integer())
        if isinstance(seed, bool) or not whole:
            raise InputError(f"trial: seed is {seed!r:.80}; give a whole number")
        # NumPy's whole numbers, and those from columns of floats, become Python's.
        object.__setattr__(self, "seed", int(seed))

    @cached_property
    def id(self) -> str:
        """SHA-256 of the canonical JSON of the trial, as 64 hexadecimal digits."""
        # Not `to_dict`, which copies all that is in it: equal text, in a third of the time.
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        try:
            return hashlib.sha256(canonical_json(values).encode()).hexdigest()
        except UnicodeEncodeError as error:
            raise InputError(f"trial: {error.object[error.start]!r} is half a character; give text") from None

    def to_dict(self) -> dict[str, Any]:
        """The trial as plain values.

        Returns
        -------
        dict
            ``space``, ``net``, ``dataset``, ``recipe``, ``optim``, ``seed``, ``options``, copied.

        Examples
        --------
        >>> Trial(space="ResNet", net={"ds": [1, 2]}).to_dict()["dataset"]
        'cifar10'
        """
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Trial:
        """The trial that plain values, such as those of `to_dict`, describe.

        Parameters
        ----------
        values : mapping
            ``space`` and ``net``, and of ``dataset``, ``recipe``, ``optim``, ``seed`` and ``options`` those that differ
            from their defaults.

        Returns
        -------
        Trial

        Raises
        ------
        InputError
            If a key is unknown, one that has no default is missing, or a value is of another kind.

        Examples
        --------
        >>> trial = Trial.from_dict({"space": "ResNet", "net": {"ds": [1, 2]}, "seed": 3})
        >>> trial.seed, trial.recipe, trial == Trial.from_dict(trial.to_dict())
        (3, 'default', True)
        """
        known = set(cls.__dataclass_fields__)
        unknown = sorted(set(values) - known)
        missing = sorted({"space", "net"} - set(values))
        if unknown or missing:
            raise InputError(
                f"a trial has keys {sorted(known)}; unknown: {unknown or 'none'}, missing: {missing or 'none'}"
            )
        return cls(**values)
