"""The `lookup` backend: answers trials from a results file, so that a search costs no training."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import xarray as xr

from edfstat.errors import InputError
from edfstat.records import make_record
from edfstat.trials import Trial, canonical_json

__all__ = ["LookupBackend", "canonical_net"]

_RENAMED = {"bms": "bot_muls", "gws": "num_gs"}


class LookupBackend:
    """Looks trials up in the results file that ``trial.options["results"]`` names.

    The file (or folder, or zip: anything `edfstat.load` reads) is read once and kept while it does not change.
    A trial is found by its architecture, whatever the order of its keys; where several models have it, those
    that agree with the trial's `dataset`, `space`, `optim` and `seed` are preferred, in this order, and the
    first of what is left answers. The record tells the settings of the model that was found.

    Examples
    --------
    >>> import json, pathlib, tempfile
    >>> job = {"job_id": 7, "params": 83002, "flops": 69890986, "net": {"ds": [1, 2]}, "min_test_top1": 9.52}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "ResNeXt-A.json")
    ...     _ = path.write_text(json.dumps([job]))
    ...     trial = Trial(space="ResNeXt-A", net={"ds": [1, 2]}, options={"results": str(path)})
    ...     record = LookupBackend().run(trial)
    >>> record["status"], record["min_test_top1"], record["params"]
    ('ok', 9.52, 83002)
    """

    def run(
        self,
        trial: Trial,
        *,
        directory: str | PathLike[str] | None = None,
        device: str = "auto",
        should_stop: Callable[[], bool] | None = None,
    ) -> dict[str, Any]:
        """Record of the model that the results file has for this trial.

        Parameters
        ----------
        trial : Trial
            Its ``options["results"]`` is the path of the results.
        directory, device, should_stop
            Not used: a look-up takes no time.

        Raises
        ------
        InputError
            If the trial names no results, they cannot be read, or they do not hold its architecture.
        """
        results = trial.options.get("results")
        if not isinstance(results, str | PathLike):
            raise InputError(
                f"the lookup backend needs options['results'], the path of a results file; got {results!r}"
            )
        population, index = _results(str(Path(results).absolute()), _stamp(Path(results)))
        found = index.get(canonical_net(trial.net), ())
        if not found:
            raise InputError(
                f"{results} holds no model with the net {canonical_json(trial.net):.200}; it has {len(index)} others"
            )
        return _record(trial, _preferred(trial, found, population), population, str(results))


def canonical_net(net: Mapping[str, Any]) -> str:
    """Text that is equal for equal architectures: keys sorted, old key names, whole numbers as integers.

    Examples
    --------
    >>> canonical_net({"ws": [16, 32.0], "bms": [0.0, 0.25]}) == canonical_net({"bot_muls": [0, 0.25], "ws": [16, 32]})
    True
    """
    named = {_RENAMED.get(key, key): value for key, value in net.items()}
    return canonical_json({key: _plain(value) for key, value in named.items() if value not in ([], ())})


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _stamp(path: Path) -> tuple[int, int]:
    """Size and modification time, which tell a changed file; of a folder, of all in it."""
    if not path.exists():
        raise InputError(f"options['results'] names {path}, which is not there; give the path of a results file")
    files = [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]
    stats = [file.stat() for file in files]
    return sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)


Columns = dict[str, list[Any]]


@lru_cache(maxsize=8)
def _results(path: str, stamp: tuple[int, int]) -> tuple[Columns, dict[str, list[int]]]:
    """Columns of the results, and which models have which architecture."""
    from edfstat.formats import load

    population: xr.Dataset = load(path)
    if "net" not in population.variables:
        raise InputError(f"{path} does not say the models' architectures (net), so nothing can be looked up in it")
    columns = {str(name): v.values.tolist() for name, v in population.variables.items() if v.dims == ("model",)}
    index: dict[str, list[int]] = {}
    for number, text in enumerate(columns["net"]):
        index.setdefault(canonical_net(json.loads(text)), []).append(number)
    return columns, index


def _preferred(trial: Trial, found: list[int], columns: Columns) -> int:
    wanted = {
        "dataset": trial.dataset, "space": trial.space, "lr": trial.optim.get("base_lr"),
        "weight_decay": trial.optim.get("wd"), "epochs": trial.optim.get("max_ep"), "seed": trial.seed,
    }  # fmt: skip
    for name, value in wanted.items():
        if len(found) == 1:
            break
        if value is not None and name in columns:
            found = [number for number in found if columns[name][number] == value] or found
    return found[0]


def _record(trial: Trial, number: int, columns: Columns, results: str) -> dict[str, Any]:
    def value(name: str) -> Any:
        return columns[name][number] if name in columns else None

    outcome = {
        "min_test_top1": value("error"), "final_test_top1": value("final_error"), "params": value("params"),
        "flops": value("flops"), "acts": value("acts"), "iter_time": value("iter_time"),
    }  # fmt: skip
    optim = {"base_lr": value("lr"), "wd": value("weight_decay"), "max_ep": value("epochs")}
    known = {key: setting for key, setting in optim.items() if setting is not None and setting == setting}
    if known.get("max_ep", 0.5).is_integer():
        known["max_ep"] = int(known["max_ep"])
    return make_record(
        trial,
        status=value("status"),
        **outcome,
        optim={**trial.optim, **known},
        provenance={"backend": "lookup", "results": results, "job_id": value("job_id"), "seed": value("seed")},
    )
