"""Width of a simultaneous band for a post-stratified EDF, from the Gaussian process it converges to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edfstat.arguments import generator, whole
from edfstat.bands import dkw_half_width
from edfstat.distributions import EDF, Strata
from edfstat.errors import InputError
from edfstat.labels import each_weight

__all__ = ["stratified_half_width"]

Floats = NDArray[np.float64]
_GRID = 256
_PSEUDO_MODELS = 2.0
_CHUNK = 2000


def stratified_half_width(F: EDF, level: float, *, draws: int = 10_000, rng: np.random.Generator | int = 0) -> float:
    """Half width that sup |sum_j W_j B_j(F_j) / sqrt(m_j - 1)| stays below with chance `level`.

    The B_j are independent Brownian bridges, one for each stratum of m_j models and weight W_j. A stratum's
    F_j is drawn towards F as if two more models of the whole population were in it, since the few models of
    a thin stratum look less spread than it is; one of a single model counts as if m_j - 1 were 1. The
    process is looked at on errors evenly spaced in F, which keeps the rare low-error strata in sight.

    Parameters
    ----------
    F : EDF
        Made with `strata`.
    level : float
        Between 0 and 1.
    draws : int, default 10000
        Processes simulated; the default leaves the half width uncertain by about 1 %.
    rng : Generator or int, default 0
        Fixed, so that the same population always has the same band.

    Raises
    ------
    InputError
        If the EDF has no strata.
    """
    if F.strata is None:
        raise InputError("method='stratified' needs strata; make the EDF with edf(error, weights, strata=bins)")
    draws = whole(draws, "draws", "give a whole number of at least 100", least=100)
    source = generator(rng)
    if F.support.size == 1:
        # Nothing seen says how the population spreads around that error.
        return dkw_half_width(F.effective_n, level)
    covariance = _covariance(F, F.strata, _grid(F))
    values, vectors = np.linalg.eigh(covariance)
    # Rounding can leave eigenvalues just below zero; the process has none.
    keep = values > values[-1] * 1e-10
    root = vectors[:, keep] * np.sqrt(values[keep])
    highest = [
        np.abs(source.standard_normal((min(_CHUNK, draws - done), root.shape[1])) @ root.T).max(axis=1)
        for done in range(0, draws, _CHUNK)
    ]
    return float(np.quantile(np.concatenate(highest), level))


def _grid(F: EDF) -> Floats:
    """Errors evenly spaced in F, or all of them where there are few."""
    if F.support.size <= _GRID:
        return F.support
    levels = (np.arange(_GRID) + 0.5) / _GRID
    place = np.unique(np.searchsorted(F.probabilities, levels))
    return F.support[np.minimum(place, F.support.size - 1)]


def _covariance(F: EDF, strata: Strata, at: Floats) -> Floats:
    """Covariance of the EDF between errors, summed over strata."""
    codes, labels, errors, weights = strata
    w = each_weight(weights, errors.size)
    whole = F(at)
    # below[j, t]: weight of the models of stratum j between the errors t - 1 and t of the grid
    cell = np.searchsorted(at, errors)
    inside = cell < at.size
    below = np.bincount(codes[inside] * at.size + cell[inside], w[inside], minlength=labels.size * at.size).reshape(
        labels.size, at.size
    )
    share, squares = np.bincount(codes, w, labels.size), np.bincount(codes, w * w, labels.size)
    used = squares > 0  # weights so small that their squares are none bear nothing
    share, squares, below = share[used], squares[used], below[used]
    models = share**2 / squares  # the number of models, where those of a stratum weigh the same
    own = np.cumsum(below, axis=1) / share[:, None]
    shrunk = (models[:, None] * own + _PSEUDO_MODELS * whole) / (models[:, None] + _PSEUDO_MODELS)
    scale = share**2 / np.maximum(models - 1, 1.0)
    # sum_j scale_j (min(F_j(s), F_j(t)) - F_j(s) F_j(t)); F_j ascends, so the smaller is that of the smaller error
    lower = np.minimum.outer(np.arange(at.size), np.arange(at.size))
    covariance: Floats = (scale @ shrunk)[lower] - (shrunk * scale[:, None]).T @ shrunk
    return covariance
