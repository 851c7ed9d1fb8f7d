"""Mixtures of EDFs: chunks of one population put together exactly, or spaces pooled in chosen shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edfstat import kernels
from edfstat.arguments import shown
from edfstat.distributions import EDF
from edfstat.errors import InputError
from edfstat.labels import ArrayLike, as_vector, as_weights, each_weight

__all__ = ["mixture"]

Floats = NDArray[np.float64]


def mixture(edfs: Sequence[EDF], shares: ArrayLike | None = None) -> EDF:
    """EDF of several populations together, from their atoms.

    Parameters
    ----------
    edfs : sequence of EDF
        At least one.
    shares : array_like, optional
        Part of each in the mixture, normalised here. Default: in proportion to the sums of their weights,
        which makes the mixture of the chunks of a sample the EDF of the whole sample.

    Returns
    -------
    EDF
        Without strata: these belong to one population's bins.

    Raises
    ------
    InputError
        If there is no EDF, or shares are negative, not finite, all zero or not one for each.

    See Also
    --------
    edf : Of one population.

    Notes
    -----
    Masses are scaled by the share and added where errors are equal. Kish's effective n follows from the
    parts': 1 / sum_j s_j^2 / n_j.

    Examples
    --------
    >>> from edfstat import edf
    >>> whole = mixture([edf([5.0, 6.0]), edf([6.0, 9.0])])
    >>> whole(6.0), whole.n
    (0.75, 4)
    """
    if isinstance(edfs, EDF) or not isinstance(edfs, Sequence) or not all(isinstance(F, EDF) for F in edfs):
        raise InputError(f"edfs is {shown(edfs)}; give a list of EDFs, made by edf()")
    if not edfs:
        raise InputError("edfs is empty; give at least one EDF")
    total = sum(F.weight_sum for F in edfs)
    if shares is None:
        part = np.array([F.weight_sum for F in edfs]) / total
        covered = total / sum(F.weight_sum / F.covered for F in edfs)
    else:
        named = as_vector(shares, "shares", length=len(edfs))
        part = each_weight(as_weights(named, len(edfs), "shares"), len(edfs))
        covered = float(part @ np.array([F.covered for F in edfs]))
    counted = [F for F, share in zip(edfs, part, strict=True) if share > 0]
    part = part[part > 0]
    n = sum(F.n for F in edfs)
    sizes = np.array([F.n for F in counted])
    equal = all(F.equal_weights for F in counted) and len(counted) == len(edfs) and _alike(part, sizes)
    if equal:
        masses = [np.rint(F.mass * F.n) for F in counted]
    else:
        masses = [F.mass * share for F, share in zip(counted, part, strict=True)]
    support, mass = _join([F.support for F in counted], masses)
    effective = 1 / float(np.sum(part**2 / np.array([F.effective_n for F in counted])))
    return EDF(
        *(kernels.atoms_of_counts(support, mass.astype(np.int64)) if equal else kernels.atoms_of_masses(support, mass)),
        n=n,
        effective_n=float(n) if equal else effective,
        equal_weights=equal,
        dropped=sum(F.dropped for F in edfs),
        weight_sum=total,
        covered=covered,
    )


def _alike(part: Floats, sizes: NDArray[np.int64]) -> bool:
    """Whether the shares are those of the numbers of models, so that every model counts the same."""
    return bool(np.allclose(part * sizes.sum(), sizes, rtol=1e-12, atol=0))


def _join(supports: list[Floats], masses: list[Floats]) -> tuple[Floats, Floats]:
    values, mass = np.concatenate(supports), np.concatenate(masses)
    # The stable sort merges runs that are already in order.
    order = np.argsort(values, kind="stable")
    values, mass = values[order], mass[order]
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    return values[starts], np.add.reduceat(mass, starts)
