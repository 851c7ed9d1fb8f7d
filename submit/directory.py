"""The sweep directory: where each thing lives, how it is made, and how its plan is read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

import msgspec
import numpy as np
from numpy.typing import NDArray

from edfstat.errors import InputError
from edfstat.trials import Trial
from submit.config import Config, read_written
from submit.identity import differences
from submit.shards import FULL
from trainers.yaml_files import written_yaml

__all__ = [
    "FORMAT", "PlannedTrial", "Round", "Sweep", "as_yaml", "create_sweep", "linked", "open_sweep", "write_atomically",
    "write_trials",
]  # fmt: skip

#: Version of the layout; a directory of another one is refused with what to do.
FORMAT = 1
#: Columns of trials.table. The first 64 bits of an id tell the trials of a sweep apart.
TABLE = np.dtype([("key", "<u8"), ("cost", "<f8"), ("images", "<i8"), ("end", "<i8")])


class PlannedTrial(msgspec.Struct, frozen=True):
    """One line of trials.jsonl: a trial, what it is expected to cost, and its network's size."""

    index: int
    id: str
    cost: float
    images: int
    params: int | None
    flops: int | None
    acts: int | None
    trial: dict[str, Any]

    def to_trial(self) -> Trial:
        return Trial.from_dict(self.trial)


class Round(msgspec.Struct, frozen=True):
    """A round of work: batches of trials, each a range of `trials` (or of all trials where that is None)."""

    attempt: int
    slots: int
    batches: list[tuple[int, int]]
    trials: list[int] | None = None

    def indices(self, batch: int) -> list[int]:
        start, stop = self.batches[batch]
        return list(range(start, stop)) if self.trials is None else self.trials[start:stop]


@dataclass(frozen=True)
class Sweep:
    """A sweep on disk. Everything is read from the directory alone, so it can be copied and moved."""

    path: Path

    @cached_property
    def config(self) -> Config:
        return read_written(self.path / "sweep.yaml")

    @cached_property
    def table(self) -> NDArray[Any]:
        """The plan in numbers: of every trial the start of its id, cost, images, and the end of its line."""
        return np.fromfile(self.path / "trials.table", dtype=TABLE)

    @property
    def size(self) -> int:
        """Number of planned trials."""
        return len(self.table)

    def has_grown(self) -> bool:
        """Whether trials were added since the table was read."""
        try:
            return (self.path / "trials.table").stat().st_size != self.table.nbytes
        except OSError:  # unknown now; the next look tells
            return False

    @cached_property
    def _places(self) -> dict[int, int]:
        return {key: index for index, key in enumerate(self.table["key"].tolist())}

    def index_of(self, trial_id: str) -> int | None:
        """Index of a trial, None if it is not of this sweep."""
        try:
            return self._places.get(int(trial_id[:16], 16))
        except ValueError:
            return None

    @property
    def name(self) -> str:
        return self.config.name or self.path.name

    def folder(self, name: str) -> Path:
        """One of the folders of the sweep, made if need be."""
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        return folder

    def trial(self, index: int) -> PlannedTrial:
        """The planned trial of that index: one short read, whatever the sweep's size."""
        start, stop = int(self.table["end"][index - 1]) if index else 0, int(self.table["end"][index])
        with (self.path / "trials.jsonl").open("rb") as file:
            file.seek(start)
            return msgspec.json.decode(file.read(stop - start), type=PlannedTrial)

    def trials(self) -> Iterator[PlannedTrial]:
        """Every planned trial, in order."""
        decoder = msgspec.json.Decoder(PlannedTrial)
        with (self.path / "trials.jsonl").open("rb") as file:
            for line in islice(file, self.size):  # what is beyond was never planned to its end
                yield decoder.decode(line)

    @cached_property
    def _known_rounds(self) -> list[Round]:
        return []

    def rounds(self) -> list[Round]:
        """The rounds of work so far: the plan's, then each retry and growth. What is written never changes.

        Those of trials that were added since the table was read are left out: to this view there are no such trials.
        """
        known = self._known_rounds
        for path in self.round_files()[len(known) :]:
            round_ = msgspec.json.decode(path.read_bytes(), type=Round)
            if max(round_.trials or [0]) >= self.size:
                break
            known.append(round_)
        return list(known)

    def round_file(self, number: int) -> Path:
        return self.path / "rounds" / f"{number:03d}.json"

    def round_files(self) -> list[Path]:
        files = (path for path in (self.path / "rounds").glob("*.json") if path.stem.isdecimal())
        return sorted(files, key=lambda path: int(path.stem))

    def add_round(self, round_: Round) -> None:
        """Append a round of work.

        Raises
        ------
        InputError
            If another process added one in the same moment.
        """
        self.folder("rounds")
        target = self.round_file(len(self.round_files()))
        temporary = target.with_name(f".{uuid4().hex}")
        temporary.write_bytes(msgspec.json.encode(round_))
        try:
            if not linked(temporary, target):
                raise InputError(f"{self.path} was given another retry in this moment; look at its status first")
        finally:
            temporary.unlink()

    def stop_file(self, launch: str) -> Path:
        """The file that asks the workers of a launch to stop, once it is there."""
        return self.path / "launches" / f"{launch}.stop"

    def provenance(self) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads((self.path / "provenance.json").read_text(encoding="utf-8")))


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that readers see the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def linked(finished: Path | str, name: Path | str) -> bool:
    """Link a finished file to a name, which one process alone can do; whether it was this one."""
    try:
        os.link(finished, name)
    except FileExistsError:
        # A file server whose first answer was lost says so of its own success; the count of names tells.
        return os.stat(finished).st_nlink > 1  # noqa: PTH116 - claims have text
    return True


def create_sweep(
    path: Path,
    config: Config,
    trials: Sequence[PlannedTrial],
    first: Round,
    provenance: Mapping[str, Any],
    source: Path | None = None,
) -> Sweep:
    """Make a sweep directory, all of it or nothing.

    It is built beside its place and renamed into it; where two processes do so at once, one wins and both go on
    with the winner's.

    Raises
    ------
    InputError
        If the place cannot be written, or another process put a different sweep there.
    """
    place = path.resolve()  # what a link to an empty folder stands for can be renamed onto, the link can not
    if not place.name or place == Path.cwd():
        # It would be another folder after this than the one that a shell stands in.
        raise InputError(f"{place} cannot become a sweep directory; give one that is not there yet, or an empty one")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        building = place.with_name(f".{place.name}.{uuid4().hex[:8]}")
        building.mkdir()
    except OSError as error:
        if error.errno in FULL:
            raise
        raise InputError(f"{path} cannot be made ({error.strerror}); give a directory that you can write") from None
    try:
        _fill(building, config, trials, first, provenance, source)
        building.rename(place)
    except OSError as error:
        if error.errno in FULL:
            raise
        if not (path / "sweep.yaml").exists():
            raise InputError(
                f"{path} cannot be made ({error.strerror}); give an empty directory that you can write"
            ) from None
    finally:
        with suppress(OSError):
            shutil.rmtree(building)
    return open_sweep(path, config)


def _fill(
    folder: Path,
    config: Config,
    trials: Sequence[PlannedTrial],
    first: Round,
    provenance: Mapping[str, Any],
    source: Path | None,
) -> None:
    sweep = Sweep(folder)
    with (folder / "trials.jsonl").open("wb") as file:
        write_trials(file, trials).tofile(folder / "trials.table")
    for name in ("claims", "workers", "records", "checkpoints", "logs", "launches"):
        sweep.folder(name)
    sweep.add_round(first)
    if source is not None:
        shutil.copytree(source, folder / "code")
    text = json.dumps({"format": FORMAT, **provenance}, indent=2, sort_keys=True)
    (folder / "provenance.json").write_text(text + "\n", encoding="utf-8")
    # Last, because its presence says that the directory is whole.
    (folder / "sweep.yaml").write_text(as_yaml(config), encoding="utf-8")


def write_trials(file: BinaryIO, trials: Sequence[PlannedTrial]) -> NDArray[Any]:
    """Write planned trials at the end of a file, a line each; returns their rows of the table."""
    encoder = msgspec.json.Encoder()
    table = np.empty(len(trials), dtype=TABLE)
    end = file.tell()
    for row, trial in enumerate(trials):
        end += file.write(encoder.encode(trial) + b"\n")
        table[row] = (int(trial.id[:16], 16), trial.cost, trial.images, end)
    return table


def open_sweep(path: Path, config: Config | None = None) -> Sweep:
    """The sweep in a directory; with `config`, only if it is what this configuration describes, or may grow to it.

    Raises
    ------
    InputError
        If there is none, it was made by a version with another layout, or it is a different sweep.
    """
    if not (path / "sweep.yaml").is_file():
        raise InputError(
            f"{path} holds no sweep (there is no sweep.yaml in it); give a sweep file or a sweep directory"
        )
    sweep = Sweep(path)
    try:
        found = sweep.provenance().get("format")
    except (OSError, ValueError):
        raise InputError(f"{path / 'provenance.json'} cannot be read; copy the sweep directory again, whole") from None
    if found != FORMAT:
        raise InputError(
            f"{path} has layout {found}, this version reads layout {FORMAT}; collect it with the version "
            f"that made it ({sweep.provenance().get('versions', {}).get('edfstat', 'unknown')})"
        )
    missing = [name for name in ("trials.jsonl", "trials.table", "rounds/000.json") if not (path / name).is_file()]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; copy the sweep directory again, whole")
    if config is not None and (changed := differences(sweep.config, config)):
        raise InputError(
            f"{path} holds a different sweep ({'; '.join(changed)}); "
            "give another directory, or the directory itself to go on with what is there"
        )
    return sweep


def as_yaml(config: Config) -> str:
    """A configuration as a sweep directory keeps it."""
    return written_yaml(config.plain())
