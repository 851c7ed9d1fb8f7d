"""The cluster that SLURM tests share, or why there is none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.absent import absent
from tests.submit.cluster import Cluster, missing_programs, running_cluster

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def running_slurm() -> Iterator[Cluster]:
    missing = missing_programs()
    if missing:
        remedy = "install it with: apt-get install munge slurm-wlm slurmdbd mariadb-server"
        absent("SLURM", f"no SLURM to test with ({', '.join(missing)} missing); {remedy}")
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def slurm(running_slurm: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The cluster, with this process's environment pointing at it."""
    monkeypatch.setenv("SLURM_CONF", running_slurm.environment["SLURM_CONF"])
    monkeypatch.setenv("PATH", running_slurm.environment["PATH"])
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return running_slurm
