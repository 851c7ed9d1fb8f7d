"""The editable install: every package can be imported from any folder, and is the checkout's."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("package", ["edfstat", "datasets", "trainers", "submit"])
def test_package_is_importable_from_an_empty_folder(package: str, tmp_path: Path) -> None:
    code = f"import {package}; print({package}.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent == ROOT / package


def test_import_is_quick() -> None:
    """0.5 s of CPU beyond numpy and xarray is the promise; what is imported decides it, so that is checked."""
    code = "import numpy, xarray, sys; old = set(sys.modules); import edfstat; print(*sorted(set(sys.modules) - old))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    new = done.stdout.split()
    assert len(new) < 40, new
