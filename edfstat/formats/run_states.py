"""How runs ended, as Optuna and Weights & Biases say it, in their exports as JSON and as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["ended_runs", "objective_columns", "optuna_status", "wandb_status"]

#: States by name, and by the number that some exports give. A pruned trial ended before its training did.
_OPTUNA = {"COMPLETE": "ok", "1": "ok", "PRUNED": "lost", "2": "lost", "FAIL": "error", "3": "error"}
_OPTUNA_UNFINISHED = ("RUNNING", "0", "WAITING", "4")
_WANDB = {"finished": "ok", "crashed": "error", "failed": "error", "killed": "lost"}
_WANDB_UNFINISHED = ("running", "pending")


def optuna_status(state: Any) -> str | None:
    """Status of a trial; None while it has not ended.

    Examples
    --------
    >>> optuna_status("TrialState.PRUNED"), optuna_status("RUNNING")
    ('lost', None)
    """
    name = str(state).removeprefix("TrialState.").upper()
    return None if name in _OPTUNA_UNFINISHED else _OPTUNA.get(name, "error")


def wandb_status(state: Any) -> str | None:
    """Status of a run; None while it has not ended.

    Examples
    --------
    >>> wandb_status("killed"), wandb_status("running")
    ('lost', None)
    """
    name = str(state).lower()
    return None if name in _WANDB_UNFINISHED else _WANDB.get(name, "error")


def objective_columns(columns: Mapping[str, str] | None, present: list[str]) -> dict[str, str]:
    """A mapping of columns for a study whose objectives are called error and value_1, not value and values_1 as in CSV.

    Examples
    --------
    >>> objective_columns({"error": "value", "lr": "values_1"}, ["error", "value_1"])
    {'error': 'error', 'lr': 'value_1'}
    """
    known = dict.fromkeys(("value", "value_0", "values_0"), "error")
    known |= {f"values_{i}": f"value_{i}" for i in range(1, len(present))}
    return {ours: yours if yours in present else known.get(yours, yours) for ours, yours in (columns or {}).items()}


def ended_runs(
    frame: pd.DataFrame, columns: Mapping[str, str] | None
) -> tuple[pd.DataFrame, dict[str, str], NDArray[np.intp] | None]:
    """The rows of a table that are runs which have ended, with their status.

    Parameters
    ----------
    frame : DataFrame
        Any table; one that is of neither program stays as it is.
    columns : mapping of str to str, optional
        Which column holds what of ours, as far as that is said.

    Returns
    -------
    frame : DataFrame
        With a column ``status`` for the program's own.
    columns : dict
        What was said, and which columns hold the status, the identifier and, of a study, the error.
    rows : ndarray of int or None
        The rows that are left; None if that is all, as of a table of neither program.
    """
    named, present = dict(columns or {}), list(frame.columns)
    objective = _objective(present)
    if objective and {"number", "state"} <= set(present) and _all_of(frame["state"], *_OPTUNA, *_OPTUNA_UNFINISHED):
        column, status_of, identifier = "state", optuna_status, "number"
    elif "State" in present and {"Name", "ID"} & set(present) and _all_of(frame["State"], *_WANDB, *_WANDB_UNFINISHED):
        column, status_of, identifier, objective = "State", wandb_status, "ID" if "ID" in present else "Name", None
    else:
        return frame, named, None
    if "status" in present or named.get("status", column) != column:
        return frame, named, None
    statuses = [status_of(state) for state in frame[column]]
    rows = np.flatnonzero([status is not None for status in statuses])
    status = np.array(statuses, dtype=object)[rows]
    if objective and not {"error", "accuracy"} & set(named) and "error" not in present:
        named["error"] = objective
    if objective and named.get("error") == objective:  # as a trial is that says it is complete, without a value
        valueless = frame[objective].isin(["", None]).to_numpy() | frame[objective].isna().to_numpy()
        status[valueless[rows] & (status == "ok")] = "lost"
    if "job_id" not in present:
        named.setdefault("job_id", identifier)
    named["status"] = "status"
    left = frame if column in named.values() else frame.drop(columns=column)
    return left.iloc[rows].assign(status=status), named, rows


def _objective(present: list[str]) -> str | None:
    """Column of the first objective of a study's table: several have numbers, or names that the study gave them."""
    first = next((name for name in present if name.startswith("values_")), None)
    return next((name for name in ("value", "values_0") if name in present), first)


def _all_of(states: pd.Series[Any], *known: str) -> bool:
    """Whether they are names of states of runs: a column of that name may hold anything."""
    names = {str(state).removeprefix("TrialState.").lower() for state in states}
    return names <= {name.lower() for name in known if not name.isdecimal()}
