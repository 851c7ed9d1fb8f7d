"""Checks of a cluster for a sweep: each finding says what was looked at, and what to change."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from edfstat.errors import InputError
from submit import scheduler
from submit.checking import unknown_names, wrong_settings
from submit.config import Config
from submit.directory import open_sweep
from submit.launching import Cluster, check_place
from submit.opening import locate
from submit.running import load_backend
from submit.snapshot import PACKAGES, snapshot_code

__all__ = ["Finding", "examine"]

#: Seconds that a node is given to answer.
PATIENCE = 120


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    good: bool
    what: str
    remedy: str = ""

    def line(self) -> str:
        """The finding as a line of text."""
        return f"{'ok  ' if self.good else 'FIX '} {self.what}" + (f": {self.remedy}" if self.remedy else "")


def examine(
    source: str | os.PathLike[str], cluster: Cluster, directory: str | os.PathLike[str] | None = None
) -> list[Finding]:
    """Check what a sweep needs of the machine or the cluster; nothing of the sweep is submitted.

    Parameters
    ----------
    source : path
        Sweep file or sweep directory.
    cluster : {"slurm", "local", "debug"}
    directory : path, optional
        As `locate`.

    Returns
    -------
    list of Finding

    Raises
    ------
    InputError
        If the sweep file itself is wrong.
    """
    path, config = locate(source, directory)
    config = config or open_sweep(path).config
    if mistakes := unknown_names(config.plain()) or wrong_settings(config):
        raise InputError("\n".join(f"{os.fspath(source)}: {mistake}" for mistake in mistakes))
    findings = [*_odd_letters(path, cluster), _writable(path), _backend(config)]
    if cluster == "slurm":
        findings += _slurm(path, config)
    elif config.backend == "torch":
        findings.append(_images(config.dataset, missing_images(config.dataset), "here"))
    return findings


def _odd_letters(path: Path, cluster: Cluster) -> list[Finding]:
    try:
        check_place(path, cluster)
    except InputError as error:
        what, _, remedy = str(error).rpartition("; ")
        return [Finding(False, what, remedy)]
    return []


def _nearest(path: Path) -> Path:
    """The sweep directory, or the folder that is there in which it would be made."""
    return path if path.is_dir() else next(parent for parent in path.absolute().parents if parent.exists())


def _writable(path: Path) -> Finding:
    folder = _nearest(path)
    probe = folder / f".doctor-{uuid4().hex[:8]}"
    try:
        probe.write_text("x", encoding="ascii")
        linked = probe.with_suffix(".link")
        os.link(probe, linked)
        linked.unlink()
    except OSError as error:
        return Finding(False, f"{folder} cannot be written, with links ({error.strerror})", "choose another folder")
    finally:
        with suppress(OSError):
            probe.unlink()
    return Finding(True, f"{folder} can be written, with links")


def _backend(config: Config) -> Finding:
    try:
        load_backend(config.backend)
    except InputError as error:
        return Finding(False, f"backend {config.backend}", str(error))
    return Finding(True, f"backend {config.backend} is importable here")


def missing_images(dataset: str) -> str:
    """Why a data set cannot be read on this machine; nothing if it can."""
    import datasets

    try:
        for split in ("train", "test"):
            datasets.get(dataset, split=split)
    except ValueError as error:
        return str(error)
    return ""


def _images(dataset: str, missing: str, where: str) -> Finding:
    if not missing:
        return Finding(True, f"data set {dataset} is {where}")
    what, _, remedy = missing.partition("; ")
    return Finding(False, f"data set {dataset} cannot be read {where} ({what})", remedy)


def _slurm(path: Path, config: Config) -> Iterator[Finding]:
    try:
        limits = scheduler.read_limits()
    except InputError as error:
        yield Finding(False, "the SLURM controller does not answer", str(error))
        return
    yield Finding(True, f"SLURM {limits.version}: arrays up to {limits.array} tasks, {limits.jobs} jobs")
    parts = -(-config.workers // limits.array)
    if parts > 1:
        yield Finding(True, f"{config.workers} workers will be submitted as {parts} arrays")
    if config.workers > limits.jobs:
        yield Finding(
            False, f"{config.workers} workers are more than MaxJobCount", f"set workers to {limits.jobs // 2}"
        )
    yield _preemption(limits)
    yield Finding(True, f"signal: workers get USR2 {config.resources.warning:g} s before their limit, and requeue")
    try:
        scheduler.check_request(config)
    except InputError as error:
        yield Finding(False, "SLURM would refuse the workers of this sweep", str(error))
        return
    yield Finding(True, "a worker of this sweep would be taken")
    yield from _on_a_node(path, config)


def _preemption(limits: scheduler.Limits) -> Finding:
    if limits.preempt_mode.startswith("OFF"):
        return Finding(True, "preemption is off")
    early = "send_user_signal" in limits.preempt_parameters
    told = "workers are told early" if early else "workers get SIGTERM and GraceTime to save their work"
    return Finding(True, f"preemption mode {limits.preempt_mode}, {told}")


def _on_a_node(path: Path, config: Config) -> Iterator[Finding]:
    """Import the package and write to the shared folder on a node, through srun."""
    parent = _nearest(path)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".doctor-") as scratch:
        folder = Path(scratch)
        snapshot_code(folder / "code", config)
        (folder / "probe.py").write_text(_PROBE, encoding="utf-8")
        options = {**scheduler.sbatch_options(config), "time": 11, "immediate": PATIENCE}
        images = config.dataset if config.backend == "torch" else ""
        arguments = [sys.executable, str(folder / "probe.py"), str(folder), images, *PACKAGES]
        # As workers are started: their lines of setup may say where the images are.
        started = ["bash", "-c", "\n".join([*config.resources.setup, 'exec "$@"']), "probe", *arguments]
        try:
            text = scheduler.ask("srun", *scheduler.flags(options), *started, timeout=PATIENCE + 30)
        except InputError as error:
            if any(word in str(error) for word in ("busy", "Unable to allocate")):
                yield Finding(False, f"no node was free within {PATIENCE} s, so none was looked at", "ask again later")
            else:
                yield Finding(False, "no node runs Python with the packages from this folder", str(error))
            return
        seen = (folder / "from_node").is_file()
    answer = json.loads(text.strip().splitlines()[-1])
    yield Finding(True, f"{answer['host']}: Python {answer['python']} imports {', '.join(PACKAGES)}")
    remedy = "" if seen else "put the sweep on a folder that nodes share"
    yield Finding(seen, f"{answer['host']} writes to {parent}, and it shows here", remedy)
    if images:
        yield _images(images, answer["missing"], f"on {answer['host']}")


_PROBE = """
import importlib, json, pathlib, platform, socket, sys
folder, images, *packages = sys.argv[1:]
sys.path.insert(0, folder + "/code")
for name in packages:
    importlib.import_module(name)
pathlib.Path(folder, "from_node").write_text("x")
from submit.doctor import missing_images
missing = missing_images(images) if images else ""
print(json.dumps({"host": socket.gethostname(), "python": platform.python_version(), "missing": missing}))
"""
