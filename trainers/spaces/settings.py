"""What else varies between trials: optimizer settings drawn log-uniformly, and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edfstat.trials import Trial
from trainers.spaces.architectures import Architecture, as_architecture
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.values import each_of, generator_of, listed, real_number, whole_number

__all__ = ["log_uniform", "reruns", "sample_settings", "trials"]


def log_uniform(
    n: int, low: float, high: float, *, rng: np.random.Generator | int | None = None, digits: int | None = None
) -> list[float]:
    """Numbers whose logarithms are uniform between those of two bounds.

    Parameters
    ----------
    n : int
        How many.
    low, high : float
        Bounds, positive.
    rng : Generator, int or None
    digits : int, optional
        Significant digits to round to; not rounded by default.

    Returns
    -------
    list of float

    Raises
    ------
    ArchitectureError
        If the bounds are not positive and in order.

    Examples
    --------
    >>> drawn = log_uniform(1000, 1e-3, 1.0, rng=0)
    >>> 450 < sum(value < 10**-1.5 for value in drawn) < 550
    True
    """
    low, high = (real_number(bound, "a bound", "positive", above=0) for bound in (low, high))
    if low > high:
        raise ArchitectureError(f"the bounds are {low!r} and {high!r}; give positive numbers, the lower one first")
    n = whole_number(n, "n", least=0)
    if digits is not None:
        digits = whole_number(digits, "digits", least=1, most=17)
    logs = generator_of(rng).uniform(np.log10(low), np.log10(high), n)
    drawn = (float(value) if digits is None else float(f"{value:.{digits}g}") for value in 10.0**logs)
    # Powers of ten can land a last bit outside the bounds, rounded ones further.
    return [min(max(value, low), high) for value in drawn]


def sample_settings(
    n: int,
    *,
    rng: np.random.Generator | int | None = None,
    lr: tuple[float, float] = (1e-3, 1.0),
    weight_decay: tuple[float, float] = (1e-5, 1e-2),
) -> list[dict[str, float]]:
    """Learning rates and weight decays, log-uniform and independent, as the paper's appendix draws them.

    Parameters
    ----------
    n : int
        How many pairs.
    rng : Generator, int or None
    lr, weight_decay : (float, float)
        Bounds of the initial learning rate and of the weight decay.

    Returns
    -------
    list of dict
        ``base_lr`` and ``wd``, ready for `Trial.optim`.

    Raises
    ------
    ArchitectureError
        If bounds are not positive and in order.

    References
    ----------
    .. [1] Radosavovic et al., ICCV 2019, appendix on learning rate and weight decay. arXiv:1905.13214.

    Examples
    --------
    >>> settings = sample_settings(100, rng=0)
    >>> all(1e-3 <= s["base_lr"] <= 1 and 1e-5 <= s["wd"] <= 1e-2 for s in settings)
    True
    """
    generator = generator_of(rng)
    rates = log_uniform(n, *_bounds(lr, "lr"), rng=generator)
    decays = log_uniform(n, *_bounds(weight_decay, "weight_decay"), rng=generator)
    return [{"base_lr": rate, "wd": decay} for rate, decay in zip(rates, decays)]


def _bounds(given: Any, what: str) -> tuple[Any, ...]:
    bounds = listed(given, what)
    if len(bounds) != 2:
        raise ArchitectureError(f"{what} is {given!r:.80}; give two bounds, the lower one first")
    return bounds


def trials(
    space: str,
    archs: Iterable[Architecture | Mapping[str, Any]],
    *,
    seeds: Sequence[int] = (1,),
    settings: Sequence[Mapping[str, Any]] | None = None,
    **common: Any,
) -> list[Trial]:
    """One trial per architecture and seed, architecture by architecture.

    Parameters
    ----------
    space : str
        Name of the design space.
    archs : iterable of Architecture or `net` dictionaries
    seeds : sequence of int
        Every architecture is trained once with each.
    settings : sequence of mapping, optional
        Optimizer settings of each architecture, as from `sample_settings`; they override ``optim``.
    **common
        Other fields of `Trial`: ``dataset``, ``recipe``, ``optim``, ``options``.

    Returns
    -------
    list of Trial

    Raises
    ------
    ArchitectureError
        If there are not as many settings as architectures, or a seed comes twice.

    See Also
    --------
    sample_settings : Learning rates and weight decays for them.
    reruns : The same trial with several seeds.

    Examples
    --------
    >>> from trainers.spaces import SPACES
    >>> sample = SPACES["ResNet"].sample(2, rng=0)
    >>> planned = trials("ResNet", sample, seeds=[1, 2, 3], dataset="digits", settings=sample_settings(2, rng=0))
    >>> [trial.seed for trial in planned]
    [1, 2, 3, 1, 2, 3]
    """
    nets = [as_architecture(arch).to_net() for arch in each_of(archs, "archs", "architectures or `net` dictionaries")]
    settings = None if settings is None else listed(settings, "settings")
    if settings is not None and len(settings) != len(nets):
        raise ArchitectureError(f"there are {len(settings)} settings for {len(nets)} architectures; give one for each")
    optim = common.pop("optim", {})
    for given in (optim, *(settings or ())):
        if not isinstance(given, Mapping):
            raise ArchitectureError(f"optimizer settings are {given!r:.80}; give a dictionary, as {{'base_lr': 0.1}}")
    planned = [
        Trial(space=space, net=net, optim={**optim, **(settings[i] if settings else {})}, **common)
        for i, net in enumerate(nets)
    ]
    return [again for trial in planned for again in reruns(trial, seeds)]


def reruns(trial: Trial, seeds: Iterable[int]) -> list[Trial]:
    """The same trial once for each seed: what tells apart the networks from the luck of a run.

    Parameters
    ----------
    trial : Trial
    seeds : iterable of int
        From 0, each once.

    Returns
    -------
    list of Trial
        In the order of the seeds.

    Raises
    ------
    ArchitectureError
        If a seed is no whole number from 0, there is none, or one comes twice, which would be the same trial.

    Examples
    --------
    >>> from edfstat import Trial
    >>> base = Trial(space="ResNet", net={"ds": [1, 2, 2, 2]})
    >>> len({trial.id for trial in reruns(base, range(1, 21))})
    20
    """
    given = each_of(seeds, "seeds", "whole numbers")
    checked = [whole_number(seed, "seed", least=0, most=2**63 - 1) for seed in given]
    if not checked or len(set(checked)) < len(checked):
        raise ArchitectureError(f"seeds are {checked}; give at least one, and each once")
    return [replace(trial, seed=seed) for seed in checked]
