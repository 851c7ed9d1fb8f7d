"""Training as a backend of edfstat, found under the name ``torch``."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Any

from edfstat.trials import Trial

__all__ = ["TorchBackend"]


class TorchBackend:
    """Runs a trial by training its network with PyTorch; see `trainers.train`.

    Examples
    --------
    >>> from edfstat import Backend, backends
    >>> isinstance(TorchBackend(), Backend), type(backends()["torch"]).__name__
    (True, 'TorchBackend')
    """

    def run(
        self,
        trial: Trial,
        *,
        directory: str | PathLike[str] | None = None,
        device: str = "auto",
        should_stop: Callable[[], bool] | None = None,
    ) -> dict[str, Any]:
        """Train one trial to its end and return its record.

        Parameters
        ----------
        trial : Trial
        directory : path, optional
            Where its checkpoint lives; a run that was interrupted goes on from there.
        device : str, default "auto"
        should_stop : callable, optional
            Asked after every epoch, and every ten seconds within a longer one.

        Returns
        -------
        dict

        Raises
        ------
        TrialInterrupted
            If `should_stop` asked for it.
        NotReady
            If its data set is not here.
        InputError
            If the trial makes no sense.
        """
        # Imported here: a registry lists backends without loading torch.
        from trainers.loop import train

        return train(trial, device=device, directory=directory, should_stop=should_stop)
