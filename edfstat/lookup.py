"""The `lookup` backend: answers trials from a results file, so that a search costs no training."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from edfstat.errors import InputError, NotReady
from edfstat.formats.naming import ARCHIVE, PUBLISHED_NAMES
from edfstat.formats.places import home_path
from edfstat.population import ACCIDENTS
from edfstat.records import make_record
from edfstat.trials import Trial, canonical_json

__all__ = ["LookupBackend", "canonical_net"]

EXAMPLE = "example"
_CURVES = {"train_ep_loss": "train_loss", "train_ep_top1": "train_error", "test_ep_top1": "test_error"}
_RENAMED = {"bms": "bot_muls", "gws": "num_gs"}


class LookupBackend:
    """Looks trials up in the results file that ``trial.options["results"]`` names.

    The file (or folder, or zip: anything `edfstat.load` reads) is read once and kept while it does not change.
    ``example`` is the bundled population. A trial is found by its architecture, whatever the order of its keys;
    where several models have it, those not lost to an accident and those that agree with the trial's `dataset`,
    `space`, `optim` and `seed` are preferred, in this order, and the first of what is left answers. The record
    tells the settings of the model that was found, and its curves where the file has them; ``options["curves"]``
    false leaves them in the file, which is then read faster.

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
            Its ``options["results"]`` is the path of the results, or ``example``.
        directory, device, should_stop
            Not used: a look-up takes no time.

        Raises
        ------
        InputError
            If the trial names no results, or they do not hold its architecture.
        NotReady
            If they cannot be read.
        """
        results = trial.options.get("results")
        if not isinstance(results, str | PathLike):
            raise InputError(
                f"the lookup backend needs options['results'], the path of a results file; got {results!r}"
            )
        try:
            known = _results(*_place(results), bool(trial.options.get("curves", True)))
        except InputError as error:
            raise NotReady(str(error)) from None
        found = known.index.get(canonical_net(trial.net), ())
        if not found:
            raise InputError(
                f"{results} holds no model with the net {canonical_json(trial.net):.200}; it has {len(known.index)} "
                "others, and answers for no net but those"
            )
        return _record(trial, _preferred(trial, list(found), known.columns), known, str(results))


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


def _place(results: str | PathLike[str]) -> tuple[str, tuple[int, int]]:
    """Path of the results, and their size and modification time, by which a change shows; of a folder, of all in it."""
    given = os.fspath(results)
    # Runs once per trial, and takes a tenth of the time that Path takes.
    path = os.path.abspath(home_path(given) if given.startswith("~") else given)  # noqa: PTH100
    try:
        stat = os.stat(path)  # noqa: PTH116
    except OSError:
        if results == EXAMPLE:
            return EXAMPLE, (0, 0)
        archive = Path(path).with_name(ARCHIVE)
        # `load` finds published files in there.
        if Path(path).suffix == ".json" and Path(path).stem in PUBLISHED_NAMES and archive.is_file():
            stat = archive.stat()
            return path, (stat.st_size, stat.st_mtime_ns)
        raise _absent(path) from None
    if not S_ISDIR(stat.st_mode):
        return path, (stat.st_size, stat.st_mtime_ns)
    stats = [file.stat() for file in Path(path).rglob("*")]
    return path, (sum(one.st_size for one in stats), max([one.st_mtime_ns for one in stats], default=0))


def _absent(path: str) -> InputError:
    return InputError(f"options['results'] names {path}, which is not there; give the path of results")


@dataclass(frozen=True)
class _Known:
    """Columns of the results, curves by record key, and which models have which architecture."""

    columns: dict[str, list[Any]]
    curves: dict[str, NDArray[np.float64]]
    index: dict[str, tuple[int, ...]]


@lru_cache(maxsize=8)
def _results(path: str, stamp: tuple[int, int], curves: bool) -> _Known:
    """What the results at a path hold; `stamp`, their size and time, is there for the cache alone."""
    from edfstat.example import example_population
    from edfstat.formats import load

    try:
        population: xr.Dataset = example_population() if path == EXAMPLE else load(path, curves=curves)
    except FileNotFoundError:  # nor is it in the archive
        raise _absent(path) from None
    if "net" not in population.variables:
        raise InputError(f"{path} does not say the models' architectures (net), so nothing can be looked up in it")
    columns = {str(name): v.values.tolist() for name, v in population.variables.items() if v.dims == ("model",)}
    index: dict[str, list[int]] = {}
    for number, text in enumerate(columns["net"]):
        index.setdefault(canonical_net(json.loads(text)), []).append(number)
    found = {key: population[name].values for key, name in _CURVES.items() if curves and name in population.variables}
    return _Known(columns, found, {net: tuple(numbers) for net, numbers in index.items()})


def _preferred(trial: Trial, found: list[int], columns: dict[str, list[Any]]) -> int:
    found = [number for number in found if columns["status"][number] not in ACCIDENTS] or found
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


def _record(trial: Trial, number: int, known: _Known, results: str) -> dict[str, Any]:
    columns = known.columns

    def value(name: str) -> Any:
        return columns[name][number] if name in columns else None

    outcome = {
        "min_test_top1": value("error"), "final_test_top1": value("final_error"), "params": value("params"),
        "flops": value("flops"), "acts": value("acts"), "iter_time": value("iter_time"),
    }  # fmt: skip
    optim = {"base_lr": value("lr"), "wd": value("weight_decay"), "max_ep": value("epochs")}
    told = {key: setting for key, setting in optim.items() if setting is not None and setting == setting}
    if told.get("max_ep", 0.5).is_integer():
        told["max_ep"] = int(told["max_ep"])
    return make_record(
        trial,
        status=value("status"),
        **outcome,
        **_curves(known.curves, number),
        optim={**trial.optim, **told},
        provenance={"backend": "lookup", "results": results, "job_id": value("job_id"), "seed": value("seed")},
    )


def _curves(curves: dict[str, NDArray[np.float64]], number: int) -> dict[str, Any]:
    """Curves of a model, up to the last epoch that one of them has."""
    rows = {key: table[number] for key, table in curves.items()}
    last = max((int(np.isfinite(row).nonzero()[0].max(initial=-1)) for row in rows.values()), default=-1)
    return {key: row[: last + 1].tolist() for key, row in rows.items()} if last >= 0 else {}
