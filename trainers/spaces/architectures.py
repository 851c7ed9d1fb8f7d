"""What every description of one network has in common: it comes from, and goes back to, a published `net`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainers.spaces.errors import ArchitectureError

__all__ = ["Architecture", "as_architecture"]


class Architecture:
    """One network's description, immutable and hashable; stage-wise or cell-based.

    `from_net` reads the `net` dictionary of the published files and `to_net` writes it. The two kinds are
    `StageArchitecture` and `CellArchitecture`.

    Examples
    --------
    >>> net = {"block_type": "res_basic_block", "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
    >>> arch = Architecture.from_net(net)
    >>> arch.depths, arch.widths
    ((9, 9, 9), (16, 32, 64))
    >>> arch.to_net()["bot_muls"]
    []
    """

    @classmethod
    def from_net(cls, net: Mapping[str, Any]) -> Architecture:
        """Architecture from a published `net` dictionary, under its old or new key names.

        Parameters
        ----------
        net : mapping
            With ``genotype`` for a cell network, else ``ds``, ``ws``, ``ss`` and the rest, the stem at index 0.
            Later code calls ``bot_muls`` ``bms`` and ``num_gs`` ``gws``; both are read. A net with ``stem_w``
            has the later layout: its lists hold the stages only and ``gws`` holds group *widths*; the latest code's
            ``depths``, ``widths``, ``strides`` and ``group_ws`` are read there, too.

        Returns
        -------
        Architecture

        Raises
        ------
        ArchitectureError
            If no network can be built from it. Being off every grid is no reason to refuse.

        Examples
        --------
        >>> later = {"block_type": "res_basic_block", "stem_w": 16, "ds": [9, 9], "ws": [16, 32], "ss": [1, 2]}
        >>> published = {"block_type": "res_basic_block", "ds": [1, 9, 9], "ws": [16, 16, 32], "ss": [1, 1, 2]}
        >>> Architecture.from_net(later) == Architecture.from_net(published)
        True
        """
        from trainers.spaces.genotypes import CellArchitecture
        from trainers.spaces.stages import StageArchitecture

        if not isinstance(net, Mapping):
            raise ArchitectureError(f"net is {net!r:.80}; give the `net` dictionary of a record")
        if "genotype" in net:
            return CellArchitecture.from_net(net)
        if "ds" in net or "depths" in net or "block_type" in net:
            return StageArchitecture.from_net(net)
        raise ArchitectureError(
            f"net has keys {[*map(str, net)]!s:.200}; "
            "a stage-wise net has 'block_type', 'ds', 'ws', 'ss', a cell net 'genotype'"
        )

    def to_net(self) -> dict[str, Any]:
        """The published `net` dictionary with its full key set, ready for JSON.

        Returns
        -------
        dict
            Lists, numbers, text and truth values only; `from_net` reads it back as an equal architecture.

        Examples
        --------
        >>> from trainers.spaces import SPACES
        >>> arch = SPACES["DARTS"].sample(1, rng=0)[0]
        >>> sorted(arch.to_net()), Architecture.from_net(arch.to_net()) == arch
        (['aux', 'depth', 'drop_prob', 'genotype', 'width'], True)
        """
        raise NotImplementedError


def as_architecture(arch: Architecture | Mapping[str, Any]) -> Architecture:
    """The architecture itself, or the one that a `net` dictionary describes.

    Parameters
    ----------
    arch : Architecture or mapping
        A mapping is the `net` of a record, as `Architecture.from_net` reads it.

    Returns
    -------
    Architecture

    Raises
    ------
    ArchitectureError
        If no network can be built from the mapping, or it is none.

    Examples
    --------
    >>> from trainers.spaces import as_architecture
    >>> net = {"block_type": "res_basic_block", "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
    >>> arch = as_architecture(net)
    >>> arch.depths, as_architecture(arch) is arch
    ((9, 9, 9), True)
    """
    return arch if isinstance(arch, Architecture) else Architecture.from_net(arch)
