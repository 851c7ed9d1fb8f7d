"""What a sweep was made with: a copy of the code, and the versions, revision and machine."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import socket
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from edfstat.errors import InputError
from edfstat.registry import GROUP
from submit.config import Config

__all__ = ["PACKAGES", "describe_origin", "snapshot_code", "snapshot_rules"]

PACKAGES = ("edfstat", "trainers", "datasets", "submit")
SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
_VERSIONS = ("edfstat", "torch", "torchvision", "numpy", "scipy", "xarray", "submitit", "pydantic", "scikit-learn")


def snapshot_code(target: Path, config: Config) -> None:
    """Copy the packages that a worker runs, and those of the user's backend and rules of spaces, into a folder."""
    target.mkdir(parents=True)
    for name in PACKAGES:
        shutil.copytree(_package_folder(name), target / name, ignore=SKIPPED)
    if (top := _home_of(config.backend)) not in ("", *PACKAGES):
        _copy(top, target)
    snapshot_rules(target, config)


def snapshot_rules(target: Path, config: Config) -> None:
    """Copy the rules of the user's spaces into a folder of code, unless they are there already."""
    rules = [space.definition["rule"] for space in config.spaces if space.definition and "rule" in space.definition]
    for top in {_home_of(name) for name in rules} - {"", *PACKAGES}:
        if not (target / top).exists() and not (target / f"{top}.py").exists():
            _copy(top, target)


def _copy(top: str, target: Path) -> None:
    """Copy a top-level package or module."""
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return
    origin = Path(spec.origin)
    if origin.name == "__init__.py":
        shutil.copytree(origin.parent, target / top, ignore=SKIPPED)
    else:
        shutil.copy2(origin, target / origin.name)


def _home_of(name: str) -> str:
    """Top-level package or module of a backend, installed or given as module:attribute, as rules are."""
    if ":" in name:
        return name.partition(":")[0].partition(".")[0]
    return next((point.module.partition(".")[0] for point in entry_points(group=GROUP, name=name)), "")


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise InputError(f"package {name} is not importable here; run pip install -e '.[train]' in the checkout")
    return Path(spec.origin).parent


def describe_origin() -> dict[str, Any]:
    """Provenance of a sweep: revision and changes of the checkout, versions, host, device, command, time."""
    folder = _package_folder("submit").parent
    return {
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "command": sys.argv,
        "versions": {name: found for name in _VERSIONS if (found := _version(name))},
        "git_revision": _output("git", "-C", str(folder), "rev-parse", "HEAD"),
        "git_diff": _output("git", "-C", str(folder), "diff", "HEAD")[:1_000_000],
        "gpu": _output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
