"""The learning rate as a function of how far a training is."""

from __future__ import annotations

import math

__all__ = ["half_cosine", "learning_rate"]


def half_cosine(progress: float) -> float:
    """Half a period of the cosine, from 1 at progress 0 to 0 at progress 1.

    Parameters
    ----------
    progress : float
        Share of the training that is done, 0 to 1.

    Returns
    -------
    float

    Examples
    --------
    >>> half_cosine(0), round(half_cosine(0.5), 12), half_cosine(1)
    (1.0, 0.5, 0.0)
    """
    return 0.5 * (1.0 + math.cos(math.pi * progress))


def learning_rate(
    epoch: float, *, base_lr: float, epochs: int, warmup_epochs: float = 0, schedule: str = "cosine"
) -> float:
    """Learning rate at an epoch, or a fraction of one.

    Parameters
    ----------
    epoch : float
        Epochs done: a whole number where the rate is stepped per epoch.
    base_lr : float
        The rate at the start (after the warm-up).
    epochs : int
        Length of the training.
    warmup_epochs : float, default 0
        Epochs during which the rate rises linearly from a tenth of what the schedule says.
    schedule : {"cosine", "constant"}

    Returns
    -------
    float

    Notes
    -----
    The cosine is lr(t) = base_lr (1 + cos(pi t / epochs)) / 2, which ends at 0 without a restart.

    Examples
    --------
    >>> [round(learning_rate(e, base_lr=0.1, epochs=4), 4) for e in range(4)]
    [0.1, 0.0854, 0.05, 0.0146]
    """
    rate = base_lr * (half_cosine(epoch / epochs) if schedule == "cosine" else 1.0)
    if epoch < warmup_epochs:
        rate *= 0.1 + 0.9 * epoch / warmup_epochs
    return rate
