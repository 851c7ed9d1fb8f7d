"""What a sweep file or directory stands for: its place, its plan, the sweep itself."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from edfstat.errors import InputError
from edfstat.formats.places import home_path
from submit.checking import unknown_names
from submit.config import Config, read_config
from submit.directory import Sweep, create_sweep, open_sweep
from submit.identity import further
from submit.planned import planned_in
from submit.planning import Plan, make_plan
from submit.snapshot import describe_origin, snapshot_code

__all__ = ["locate", "opened", "plan", "prepare"]

#: Endings of sweep files; any other is part of the name, as in lr0.1.
SUFFIXES = (".yaml", ".yml", ".json")


def locate(
    source: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None
) -> tuple[Path, Config | None]:
    """The sweep directory that a sweep file or directory stands for, and the file's configuration.

    Parameters
    ----------
    source : path
        Sweep file or sweep directory.
    directory : path, optional
        The sweep directory. Default: ``storage.directory`` of the file (relative to the file's folder), else beside
        the file, with its name without the suffix.

    Returns
    -------
    directory : Path
    config : Config or None
        None where `source` is a directory.

    Raises
    ------
    InputError
        If the file cannot be read or has mistakes, or both a directory and another one are given.

    Examples
    --------
    >>> directory, config = locate("sweep.yaml")  # doctest: +SKIP
    """
    path = home_path(source)
    directory = None if directory is None else home_path(directory)
    if directory is None and path.name == "sweep.yaml" and (path.parent / "provenance.json").is_file():
        path = path.parent  # the file within a sweep directory is that sweep, not one to begin inside it
    if path.is_dir():
        if directory is not None and directory.resolve() != path.resolve():
            raise InputError(
                f"{path} is a sweep directory, so --directory {directory} has no meaning; leave it out, or give "
                f"the sweep file, such as {path / 'sweep.yaml'}, to begin the same sweep there"
            )
        return path, None
    config = read_config(path, unknown_names)
    if directory is not None:
        return directory, config
    if config.storage.directory is not None:
        return path.parent / home_path(config.storage.directory), config
    beside = path.with_suffix("")
    if path.suffix.lower() in SUFFIXES or (path.suffix and _holds(beside, config)):
        return beside, config
    return path.with_name(f"{path.name}.sweep"), config


def _holds(directory: Path, config: Config) -> bool:
    """Whether the sweep of this configuration is there, as earlier versions put it for files of any ending."""
    try:
        return not further(open_sweep(directory, config).config, config)
    except InputError:
        return False


def plan(source: str | os.PathLike[str] | Config, directory: str | os.PathLike[str] | None = None) -> Plan:
    """The trials of a sweep: those that its file would begin with, or those in its directory; nothing is written.

    Parameters
    ----------
    source : path or Config
        Sweep file, sweep directory, or a configuration.
    directory : path, optional
        As `locate`.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        With every mistake of the file, or what leaves nothing to draw.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "tiny.yaml")
    ...     _ = file.write_text("spaces: [{name: ResNet, count: 20}]")
    ...     made = plan(file)
    >>> len(made.trials), made.config.dataset, made.spaces[0].size
    (20, 'cifar10', 1259712)
    """
    if isinstance(source, Config):
        return make_plan(source)
    path, config = locate(source, directory)
    return planned_in(open_sweep(path)) if config is None else _planned(config, source)


def _planned(config: Config, source: str | os.PathLike[str]) -> Plan:
    """The plan, or every mistake with the file that it is in."""
    try:
        return make_plan(config)
    except InputError as error:
        raise InputError("\n".join(f"{os.fspath(source)}: {line}" for line in str(error).splitlines())) from None


def prepare(source: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None) -> Sweep:
    """The sweep of a file or directory, planned and written if it is not there yet.

    Parameters
    ----------
    source : path
    directory : path, optional
        As `locate`.

    Returns
    -------
    Sweep

    Raises
    ------
    InputError
        If the file has mistakes, the directory cannot be made, or it holds another sweep.

    Examples
    --------
    >>> sweep = prepare("sweep.yaml")  # doctest: +SKIP
    >>> sweep.path, sweep.size  # doctest: +SKIP
    """
    path, config = locate(source, directory)
    if config is None or (path / "sweep.yaml").exists():
        return open_sweep(path, config)
    if config.name is None:
        # Names of files may hold what names of sweeps, which SLURM shows, may not.
        file = Path(source)
        text = file.stem if file.suffix.lower() in SUFFIXES else file.name
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")
        config = config.model_copy(update={"name": name or "sweep"})
    made = _planned(config, source)
    with tempfile.TemporaryDirectory() as scratch:
        code = Path(scratch) / "code"
        snapshot_code(code, config)
        return create_sweep(path, config, made.trials, made.first, describe_origin(), code)


def opened(source: str | os.PathLike[str], directory: str | os.PathLike[str] | None = None) -> Sweep:
    """The sweep of a file or directory, which must have been begun.

    Parameters
    ----------
    source : path
    directory : path, optional
        As `locate`.

    Returns
    -------
    Sweep

    Raises
    ------
    InputError
        If it has not been begun, or the directory holds another sweep.
    """
    path, config = locate(source, directory)
    if config is not None and not (path / "sweep.yaml").exists():
        raise InputError(
            f"{source} has not been run yet (there is no sweep in {path}); start it with run, or give the "
            "directory of its sweep"
        )
    return open_sweep(path, config)
