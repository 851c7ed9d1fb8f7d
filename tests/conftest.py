"""Settings that every test shares: property tests are reproducible, nothing draws on a screen."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.absent import absent

os.environ.setdefault("MPLBACKEND", "Agg")
settings.register_profile("edfstat", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("edfstat")


@pytest.fixture
def fashion_mnist() -> None:
    """Needs Debian's package dataset-fashion-mnist: without it a test is skipped, or fails where data are required."""
    if not Path("/usr/share/datasets/fashion-mnist").is_dir():
        absent("DATA", "Debian's dataset-fashion-mnist is not installed")
