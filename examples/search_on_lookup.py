"""Random search against a simple evolutionary search on a results file: a benchmark that trains nothing.

    python examples/search_on_lookup.py                                # the bundled population
    python examples/search_on_lookup.py ResNet.json --budget 512 -o search.svg

The `lookup` backend answers every trial from the file. Both methods are repeated many times and drawn against the
exact curve of random search, so that what is luck and what is method can be told apart. Random search draws with
replacement, as the exact curve assumes. Evolution is the regularised kind (the oldest of the population dies); a
mutation goes to one of the recorded models nearest to the parent, so that it never leaves the file.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edfstat

FAILED = 100.0  # the error of a network that reached none: nothing is worse
NEIGHBOURS = 8
POPULATION, SAMPLE = 16, 4


@dataclass
class Benchmark:
    """Architectures of one design space that a results file holds, and the error that the backend answers for each."""

    space: str
    error: NDArray[np.float64]
    places: NDArray[np.float32]

    def neighbours(self, number: int) -> NDArray[np.intp]:
        """The models nearest to one, itself left out; each is worked out once."""
        if number not in self._near:
            gaps = ((self.places - self.places[number]) ** 2).sum(axis=1)
            gaps[number] = np.inf
            count = min(NEIGHBOURS, gaps.size - 1)
            self._near[number] = np.argpartition(gaps, count - 1)[:count]
        return self._near[number]

    def __post_init__(self) -> None:
        self._near: dict[int, NDArray[np.intp]] = {}


def read_benchmark(results: str, space: str | None = None) -> Benchmark:
    """Ask the backend for every architecture of one space, by default the one with the most models."""
    population = edfstat.example_population() if results == "example" else edfstat.load(results)
    if "net" not in population:
        raise edfstat.InputError(f"{results} holds no architectures; give a file whose models have a net")
    population = population.isel(model=~np.isin(population["status"].values.astype(str), edfstat.population.ACCIDENTS))
    names, counts = np.unique(population["space"].values.astype(str), return_counts=True)
    space = space or str(names[counts.argmax()])
    texts = list(dict.fromkeys(population["net"].values[population["space"].values == space].tolist()))
    if len(texts) < 2:
        raise edfstat.InputError(f"{results} holds {len(texts)} architectures of {space!r}; it has {', '.join(names)}")
    nets = [json.loads(text) for text in texts]
    backend, options = edfstat.backends()["lookup"], {"results": results, "curves": False}
    records = [backend.run(edfstat.Trial(space=space, net=net, options=options)) for net in nets]
    found = [record.get("min_test_top1") for record in records]
    error = np.array([FAILED if value is None else value for value in found])
    return Benchmark(space, error, coordinates(nets))


def coordinates(nets: list[dict[str, Any]]) -> NDArray[np.float32]:
    """A row of numbers for each architecture: logarithms of its numbers, one column for each word it may hold.

    Examples
    --------
    >>> coordinates([{"ds": [1, 2], "op": "conv"}, {"ds": [1, 8], "op": "pool"}]).round(2).tolist()
    [[-1.0, 0.71, 0.0], [1.0, 0.0, 0.71]]
    """
    leaves = [dict(walk(net)) for net in nets]
    columns = []
    for name in sorted({name for leaf in leaves for name in leaf}):
        values = [leaf.get(name) for leaf in leaves]
        words = sorted({value for value in values if isinstance(value, str)})
        columns += [np.array([value == word for value in values]) / np.sqrt(2) for word in words]
        if not words:
            size = np.log1p(np.array([0.0 if value is None else float(value) for value in values]))
            columns.append((size - size.mean()) / (size.std() or 1))
    kept = [column for column in columns if np.ptp(column) > 0]
    return np.array(kept, dtype=np.float32).T if kept else np.zeros((len(nets), 1), dtype=np.float32)


def walk(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The numbers and words of an architecture, each with its place."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, f"{name}.{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from walk(item, f"{name}.{place:02d}")
    else:
        yield name, value


def random_search(benchmark: Benchmark, budget: int, rng: np.random.Generator) -> list[int]:
    """Models drawn one after the other, all alike."""
    return rng.integers(benchmark.error.size, size=budget).tolist()


def evolution(benchmark: Benchmark, budget: int, rng: np.random.Generator) -> list[int]:
    """Regularised evolution: the best of a few of the population has a child, and the oldest leaves."""
    tried = random_search(benchmark, min(POPULATION, budget), rng)
    alive = deque(tried, maxlen=POPULATION)
    while len(tried) < budget:
        rivals = [alive[place] for place in rng.integers(len(alive), size=SAMPLE)]
        parent = min(rivals, key=benchmark.error.__getitem__)
        child = int(rng.choice(benchmark.neighbours(parent)))
        tried.append(child)
        alive.append(child)
    return tried


Method = Callable[[Benchmark, int, np.random.Generator], list[int]]


def best_so_far(method: Method, benchmark: Benchmark, budget: int, repeats: int, seed: int) -> NDArray[np.float64]:
    """Best error after each trial, a row for each repetition."""
    rngs = np.random.default_rng(seed).spawn(repeats)
    return np.array([np.minimum.accumulate(benchmark.error[method(benchmark, budget, rng)]) for rng in rngs])


def draw(path: Path, benchmark: Benchmark, exact: Any, curves: dict[str, NDArray[np.float64]]) -> None:
    """Both methods, with two standard errors, over the exact curve and the range of nine in ten random searches."""
    from matplotlib.figure import Figure

    ax = Figure(figsize=(6.4, 4.2), layout="constrained").subplots()
    sizes, quantile = exact["m"].values, exact["quantile"]
    ax.fill_between(sizes, quantile.sel(q=0.05), quantile.sel(q=0.95), color="0.85", label="random search, 90 %")
    ax.plot(sizes, exact["mean"], color="black", label="random search, exact mean")
    marks = (("random search", "#0b4f8a", "o"), ("evolution", "#c8511b", "s"))
    for (name, color, marker), shift in zip(marks, (0.97, 1.03), strict=True):
        found = curves[name][:, sizes - 1]
        noise = 2 * found.std(axis=0, ddof=1) / np.sqrt(len(found))
        ax.errorbar(sizes * shift, found.mean(axis=0), yerr=noise, fmt=marker, color=color, markersize=4, label=name)
    ax.set_xscale("log", base=2)
    ax.set(xlabel="models tried", ylabel="best error (%)")
    ax.set_title(f"{benchmark.space}: {benchmark.error.size} recorded models, {len(found)} repetitions", fontsize=10)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8)
    ax.figure.savefig(path, dpi=150)


def main(arguments: list[str] | None = None) -> None:
    """Run both methods, print the comparison and draw it."""
    parser = argparse.ArgumentParser(description="Random search and evolution on a results file, without training.")
    parser.add_argument("results", nargs="?", default="example", help="results file, or 'example' (default)")
    parser.add_argument("--space", help="design space; default: the one with the most models")
    parser.add_argument("--budget", type=int, default=128, help="models that a search may try (default 128)")
    parser.add_argument("--repeats", type=int, default=300, help="repetitions of each search (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="seed of both searches, from 0 (default 0)")
    picture = Path("search_on_lookup.svg")
    parser.add_argument("-o", "--output", type=Path, default=picture, help=f"picture: .svg, .png (default {picture})")
    wanted = parser.parse_args(arguments)
    if min(wanted.budget, wanted.repeats - 1, wanted.seed + 1) < 1:
        parser.error("give a budget of at least 1, at least 2 repeats and a seed from 0")
    if wanted.output.suffix not in (".svg", ".png") or not wanted.output.parent.is_dir():
        parser.error(f"cannot draw {wanted.output}: give a name that ends in .svg or .png, in a folder that is there")
    try:
        benchmark = read_benchmark(wanted.results, wanted.space)
    except (edfstat.InputError, FileNotFoundError) as error:
        parser.error(str(error))
    sizes = sorted({wanted.budget, *(1 << i for i in range(wanted.budget.bit_length()))})
    exact = edfstat.random_search(benchmark.error, sizes)
    curves = {
        name: best_so_far(method, benchmark, wanted.budget, wanted.repeats, wanted.seed + offset)
        for offset, (name, method) in enumerate({"random search": random_search, "evolution": evolution}.items())
    }
    print(f"{benchmark.space}: {benchmark.error.size} models, best {benchmark.error.min():.2f} %")
    print(f"{'tried':>6}  {'exact':>7}  {'random search':>15}  {'evolution':>15}")
    for place, size in enumerate(sizes):
        cells = [curves[name][:, size - 1] for name in ("random search", "evolution")]
        said = [f"{x.mean():.3f} +- {x.std(ddof=1) / np.sqrt(x.size):.3f}" for x in cells]
        print(f"{size:>6}  {exact['mean'].values[place]:>7.3f}  {said[0]:>15}  {said[1]:>15}")
    draw(wanted.output, benchmark, exact, curves)
    print(wanted.output)


if __name__ == "__main__":
    main()
