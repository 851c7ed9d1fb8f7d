"""The bundled population: real networks, trained by this package's own backend."""

from __future__ import annotations

from importlib.resources import as_file, files

import xarray as xr

from edfstat.errors import InputError

__all__ = ["example_population"]


def example_population() -> xr.Dataset:
    """Real trained models of two design spaces that come with the package.

    Returns
    -------
    Dataset
        A population; `space` tells the design spaces apart, `dataset` what the models were trained on.

    Raises
    ------
    InputError
        If this installation came without it.

    See Also
    --------
    load : One's own results.

    Examples
    --------
    >>> population = example_population()
    >>> population.sizes["model"], sorted(set(population["space"].values)), set(population["dataset"].values)
    (128, ['ResNet', 'Vanilla'], {'digits'})
    """
    from edfstat.formats import load

    resource = files("edfstat") / "data" / "example.json.gz"
    if not resource.is_file():
        raise InputError(
            "this installation has no example population (edfstat/data/example.json.gz); load your own file"
        )
    with as_file(resource) as path:
        population: xr.Dataset = load(path, curves=True, cache=False)
    return population
