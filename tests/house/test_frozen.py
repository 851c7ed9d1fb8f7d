"""What other parts and users rely on: names that may be added to, never changed. A failure here is a broken promise."""

import dataclasses
import hashlib
import inspect
import tomllib
from pathlib import Path

import pytest

import edfstat
from edfstat.errors import FormatError, InputError, NotReady, PopulationError, TrialInterrupted
from edfstat.population import ACCIDENTS, COORDINATES, STATUSES, VARIABLES
from edfstat.records import RECORD_KEYS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_a_trial_has_the_agreed_fields() -> None:
    names = [field.name for field in dataclasses.fields(edfstat.Trial)]
    assert names[:7] == ["space", "net", "dataset", "recipe", "optim", "seed", "options"]


def test_the_identity_of_a_trial_never_changes() -> None:
    """SHA-256 of the canonical JSON, which is written out here."""
    text = '{"dataset":"cifar10","net":{},"optim":{},"options":{},"recipe":"default","seed":1,"space":"A"}'
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert edfstat.Trial(space="A", net={}).id == digest


def test_a_record_has_the_agreed_keys() -> None:
    always = {name for name, needed in RECORD_KEYS.items() if needed}
    assert always == {
        "trial_id", "job_id", "space", "dataset", "net", "recipe", "optim", "rng_seed", "status", "message",
        "provenance",
    }  # fmt: skip
    assert set(RECORD_KEYS) - always >= {
        "params", "flops", "acts", "min_test_top1", "final_test_top1", "test_ep_top1", "train_ep_top1", "train_ep_loss",
        "iter_time",
    }  # fmt: skip


def test_how_runs_end() -> None:
    assert STATUSES == ("ok", "diverged", "oom", "timeout", "error", "lost")
    assert ACCIDENTS == ("oom", "timeout", "error", "lost")


def test_a_population_has_the_agreed_variables() -> None:
    assert set(VARIABLES) >= {
        "error", "params", "flops", "final_error", "acts", "lr", "weight_decay", "epochs", "iter_time",
        "train_loss", "train_error", "test_error",
    }  # fmt: skip
    assert set(COORDINATES) >= {"space", "dataset", "net", "source", "job_id", "group", "status", "seed"}


def test_the_errors_are_those_of_the_promise() -> None:
    assert issubclass(FormatError, PopulationError)
    assert issubclass(PopulationError, InputError)
    assert issubclass(NotReady, InputError)
    assert issubclass(InputError, ValueError)
    assert not issubclass(TrialInterrupted, InputError)


def test_a_backend_runs_trials_with_the_agreed_arguments() -> None:
    parameters = list(inspect.signature(edfstat.Backend.run).parameters)
    assert parameters == ["self", "trial", "directory", "device", "should_stop"]
    assert {"torch", "lookup"} <= set(edfstat.backends())


def test_no_module_hides_a_public_name() -> None:
    """Importing a submodule sets its name on the package, so a function of that name would be lost."""
    modules = {path.stem for path in (ROOT / "edfstat").iterdir() if path.suffix in ("", ".py")}
    assert modules & set(edfstat.__all__) == {"plot"}


@pytest.mark.parametrize("name", sorted(set(edfstat.__all__) - {"plot"}))
def test_public_names_come_from_where_they_are_defined(name):
    """Not by way of a module that imports them for that alone; a package stands for its modules."""
    home, defined = f"edfstat.{edfstat._HOME[name]}", getattr(edfstat, name).__module__
    assert defined == home or defined.startswith(f"{home}.")


@pytest.mark.parametrize("name", ["slow", "slurm", "gpu", "browser"])
def test_markers(name: str) -> None:
    assert any(marker.startswith(f"{name}:") for marker in PROJECT["tool"]["pytest"]["ini_options"]["markers"])


def test_extras_and_pins() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert {"train", "dev", "zarr", "parquet"} <= set(extras)
    pins = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().split() if "==" in line}
    wanted = {"numpy", "scipy", "pandas", "statsmodels", "xarray", "matplotlib", "torch", "torchvision", "submitit"}
    assert wanted <= pins


@pytest.mark.parametrize("package", ["edfstat", "datasets", "trainers", "submit"])
def test_the_design_page_names_every_module(package: str) -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    modules = [p.stem for p in (ROOT / package).glob("*.py") if not p.stem.startswith("__")]
    folders = [f"{p.parent.name}/" for p in (ROOT / package).glob("*/__init__.py")]
    assert [name for name in modules + folders if f"`{name}`" not in page] == []
