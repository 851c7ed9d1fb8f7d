"""What a user of the wheel does first. Run by check_wheel.sh in an environment that holds edfstat alone."""

from importlib.util import find_spec
from pathlib import Path

import edfstat

present = [name for name in ("torch", "submitit", "sklearn", "trainers", "datasets", "submit") if find_spec(name)]
if present:
    raise SystemExit(f"the environment should hold edfstat alone; it also has {present}")

population = edfstat.example_population()
edfstat.validate(population)
comparison = edfstat.compare(population, n_resamples=99, rng=0)
print(edfstat.verdict(comparison))

path = Path("copy.nc")
edfstat.save(population, path)
again = edfstat.load(path, curves=True)
if not again.drop_vars("source").equals(population.drop_vars("source")):
    raise SystemExit("a saved and loaded population differs from the first")

axes = edfstat.plot.edf(population)
axes.figure.savefig("edf.svg")
if "torch" in __import__("sys").modules:
    raise SystemExit("torch was imported")
print("analysis done:", population.sizes["model"], "models")
