"""Backends run trials: the protocol they follow, and the registry that finds them by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from os import PathLike
from typing import Any, Protocol, runtime_checkable

from edfstat.errors import InputError
from edfstat.trials import Trial

__all__ = ["Backend", "backends"]

GROUP = "edfstat.backends"


@runtime_checkable
class Backend(Protocol):
    """What turns a trial into a record."""

    def run(
        self,
        trial: Trial,
        *,
        directory: str | PathLike[str] | None = None,
        device: str = "auto",
        should_stop: Callable[[], bool] | None = None,
    ) -> dict[str, Any]:
        """Run one trial to its end and return its record (see `edfstat.records`).

        Parameters
        ----------
        trial : Trial
            What to run.
        directory : path, optional
            Where the checkpoint of this trial lives. If one is there, the run goes on from it.
        device : str, default "auto"
            Such as ``"cpu"`` or ``"cuda:0"``.
        should_stop : callable, optional
            Asked between epochs; once true, the backend saves a checkpoint and raises.

        Raises
        ------
        TrialInterrupted
            If `should_stop` asked for it. Everything else that goes wrong in a trial (divergence, memory,
            time, an error) is a record with that `status`, not an exception.
        ProcessUnusable
            If no trial can run in this process any more. A sweep's worker then goes on in another one.
        NotReady
            If something lacks here that every trial needs. A sweep's worker then ends and leaves them to others.
        InputError
            If the trial itself makes no sense to this backend.
        """
        ...


class UnknownBackend(InputError, KeyError):
    """No backend has that name; also a KeyError, as mappings are expected to raise."""

    __str__ = ValueError.__str__  # that of a KeyError would put the message in quotes


class _Registry(Mapping[str, Backend]):
    """Backends by name, each imported and made when first asked for."""

    def __init__(self, points: dict[str, EntryPoint]) -> None:
        self._points = points
        self._made: dict[str, Backend] = {}

    def __getitem__(self, name: str) -> Backend:
        if name not in self._points:
            raise UnknownBackend(f"no backend is named {name!r}; there are {sorted(self._points)}")
        if name not in self._made:
            self._made[name] = _make(self._points[name])
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._points

    def __iter__(self) -> Iterator[str]:
        return iter(self._points)

    def __len__(self) -> int:
        return len(self._points)

    def __repr__(self) -> str:
        return f"backends({', '.join(self._points)})"


def _make(point: EntryPoint) -> Backend:
    try:
        made = point.load()()
    except ImportError as error:
        remedy = (
            "it needs the checkout: pip install -e '.[train]'"
            if point.name == "torch"
            else f"install what {point.value} needs"
        )
        raise InputError(f"backend {point.name!r} cannot be imported ({error}); {remedy}") from error
    if not isinstance(made, Backend):
        raise InputError(f"backend {point.name!r} ({point.value}) has no method run(trial, ...)")
    return made


def backends() -> Mapping[str, Backend]:
    """The backends that are installed, by name.

    Packages register theirs under the entry-point group ``edfstat.backends``; the entry is a class or
    function that, called without arguments, gives a `Backend`. Nothing is imported before it is asked for.

    Returns
    -------
    mapping of str to Backend
        Asked for a name that there is none of, it raises an `InputError` that is a KeyError, too; asked for one that
        cannot be imported, such as ``torch`` without PyTorch, an `InputError` that says what to install.

    See Also
    --------
    Backend : What each can do.

    Examples
    --------
    >>> sorted(backends())
    ['lookup', 'torch']
    """
    return _Registry({point.name: point for point in entry_points(group=GROUP)})
