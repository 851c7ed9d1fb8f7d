"""A design space: a finite set of architectures that can be counted, sampled and asked about."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainers.spaces.architectures import Architecture, as_architecture
from trainers.spaces.counting import complexity
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.limits import Limits, limits_of
from trainers.spaces.sampling import Digits, digits_of, sample_digits
from trainers.spaces.tables import Architectures

__all__ = ["Space"]


@dataclass(frozen=True)
class Space:
    """What every design space can do. A kind of space says what its independent choices are.

    Examples
    --------
    >>> from trainers.spaces import SPACES
    >>> space = SPACES["ResNet"]
    >>> space.size
    1259712
    >>> sample = space.sample(100, rng=1, max_params=856_000, max_flops=129_000_000, require="any")
    >>> all(space.contains(arch) for arch in sample)
    True
    """

    name: str

    @property
    def radices(self) -> tuple[int, ...]:
        """Number of options of each independent choice; their product is the size."""
        raise NotImplementedError

    def decode(self, digits: Digits) -> Architectures:
        """Architectures that rows of choices stand for.

        Parameters
        ----------
        digits : int array, shape (n, k)
            A row for each architecture: the number, from 0, of its option in each of the k choices of `radices`.

        Returns
        -------
        Architectures
            Of length n.
        """
        raise NotImplementedError

    def why_not(self, arch: Architecture | Mapping[str, Any]) -> str | None:
        """Why an architecture is not in this space.

        Parameters
        ----------
        arch : Architecture or `net` dictionary
            Also what no network can be built from: that is a reason, not an error.

        Returns
        -------
        str or None
            The first stage, node or field that does not fit, and what would; None if the architecture is in the space.

        Examples
        --------
        >>> from trainers.spaces import SPACES
        >>> net = {"block_type": "res_basic_block", "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
        >>> SPACES["ResNet"].why_not(net)
        'stage 1: depth 9 is not one of [1, 2, 3, 4, 6, 8, 12, 16, 24]'
        """
        try:
            return self._why_not(as_architecture(arch))
        except ArchitectureError as error:
            return str(error)

    def to_dict(self) -> dict[str, Any]:
        """The definition as plain values.

        Returns
        -------
        dict
            Ready for JSON or YAML; `trainers.spaces.from_dict` reads it back.

        Examples
        --------
        >>> from trainers.spaces import SPACES, from_dict
        >>> from_dict(SPACES["ResNet"].to_dict()) == SPACES["ResNet"]
        True
        """
        raise NotImplementedError

    def _why_not(self, arch: Architecture) -> str | None:
        raise NotImplementedError

    def _cheapest(self) -> Architectures:
        """Architectures among which are those of fewest parameters and of fewest flops."""
        raise NotImplementedError

    @property
    def _cheapest_settles(self) -> bool:
        """Whether some of `_cheapest` meets two caps together wherever any architecture does."""
        return False

    @property
    def size(self) -> int:
        """Exact number of architectures."""
        return math.prod(self.radices)

    def contains(self, arch: Architecture | Mapping[str, Any]) -> bool:
        """Whether an architecture is in this space; `why_not` says why not. ``arch in space`` is the same.

        Parameters
        ----------
        arch : Architecture or `net` dictionary

        Returns
        -------
        bool
            False also for what no network can be built from.

        Examples
        --------
        >>> from trainers.spaces import SPACES
        >>> net = {"block_type": "res_basic_block", "ds": [1, 8, 8, 8], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
        >>> SPACES["ResNet"].contains(net), net in SPACES["Vanilla"]
        (True, False)
        """
        return self.why_not(arch) is None

    __contains__ = contains

    def __iter__(self) -> Iterator[Architecture]:
        """All architectures, in the order of their choices."""
        radices = self.radices
        for start in range(0, self.size, 1024):
            yield from self.decode(digits_of(np.arange(start, min(start + 1024, self.size)), radices))

    def complexity(
        self, archs: Architectures | Iterable[Any] | Architecture | Mapping[str, Any], **options: Any
    ) -> dict[str, NDArray[np.int64]]:
        """Parameters, flops and activations, by arithmetic.

        Parameters
        ----------
        archs : Architectures, iterable of Architecture or `net` dictionaries, or one of them
            They need not be of this space.
        **options
            ``stem``, ``image_size``, ``in_channels``, ``num_classes``, ``flops`` of `trainers.spaces.complexity`.

        Returns
        -------
        dict of str to int64 array, shape (n,)
            ``params``; ``flops`` and ``acts`` of one image.

        Raises
        ------
        ArchitectureError
            If an option is unknown or a network cannot be built.

        Examples
        --------
        >>> from trainers.spaces import SPACES
        >>> net = {"block_type": "res_basic_block", "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
        >>> {name: int(count[0]) for name, count in SPACES["ResNet"].complexity(net).items()}
        {'params': 855770, 'flops': 128471690, 'acts': 544778}
        """
        return complexity(archs, **options)

    def sample(
        self,
        n: int,
        *,
        rng: np.random.Generator | int | None = None,
        min_params: float | None = None,
        max_params: float | None = None,
        min_flops: float | None = None,
        max_flops: float | None = None,
        require: Literal["any", "all"] = "any",
        replace: bool = True,
        **options: Any,
    ) -> Architectures:
        """Architectures drawn uniformly from the space, or from what limits of complexity leave of it.

        Parameters
        ----------
        n : int
            How many.
        rng : Generator, int or None
            The same seed gives the same sample on every platform, and a longer sample begins with the
            shorter one (with `replace`).
        min_params, max_params, min_flops, max_flops : number, optional
            Inclusive limits, as counts.
        require : {"any", "all"}
            With limits of both measures: whether those of one must hold (the paper's rule) or of both.
        replace : bool
            Whether an architecture may be drawn twice.
        **options
            ``stem``, ``image_size``, ``in_channels``, ``num_classes``, ``flops`` of `complexity`, for the limits.

        Returns
        -------
        Architectures
            Its `drawn` is the number of candidates behind it.

        Raises
        ------
        ArchitectureError
            If the limits leave nothing, next to nothing, or less than asked for without replacement.

        Examples
        --------
        >>> from trainers.spaces import SPACES
        >>> sample = SPACES["Vanilla"].sample(50, rng=0, max_params=100_000)
        >>> int(SPACES["Vanilla"].complexity(sample)["params"].max()) <= 100_000, sample.drawn > 50
        (True, True)
        >>> regime = SPACES["ResNet"].sample(100, rng=0, min_flops=99e6, max_flops=101e6)  # 100M flops within 1 %
        >>> int(SPACES["ResNet"].complexity(regime)["flops"].min()) >= 99e6
        True
        """
        limits = limits_of(
            min_params=min_params, max_params=max_params, min_flops=min_flops, max_flops=max_flops, require=require
        )
        if not isinstance(replace, (bool, np.bool_)):
            raise ArchitectureError(f"replace is {replace!r:.80}; give True or False")

        seen = dict.fromkeys(limits.ranges, (math.inf, -math.inf))

        def passing(digits: Digits) -> NDArray[np.bool_]:
            counts = self.complexity(self.decode(digits), **options)
            for measure, (least, most) in seen.items():
                seen[measure] = min(least, counts[measure].min()), max(most, counts[measure].max())
            return limits.met_by(counts)

        def why_few() -> str:
            ranges = (f"{least:,} to {most:,} {measure}" for measure, (least, most) in seen.items())
            return f"widen the limits (these candidates have {' and '.join(ranges)})"

        digits, drawn = sample_digits(
            n,
            self.radices,
            rng,
            accepts=passing if limits else None,
            nothing_left=lambda: self._nothing_below(limits, options) if limits else None,
            limits=str(limits),
            remedy=why_few,
            replace=replace,
        )
        return self.decode(digits).counted(drawn)

    def _nothing_below(self, limits: Limits, options: Mapping[str, Any]) -> str | None:
        """Why no architecture is below the upper ends of limits; None if one may be within them."""
        cheapest = self.complexity(self._cheapest(), **options)
        least = {key: counts.min() for key, counts in cheapest.items()}
        # Unless it settles, the fewest parameters and the fewest flops may be of different architectures.
        if limits.caps.met_by(cheapest if self._cheapest_settles else least).any():
            return None
        return (
            f"no architecture of {self.name} has {limits}; the smallest has {least['params']:,} params, "
            f"the cheapest {least['flops']:,} flops"
        )
