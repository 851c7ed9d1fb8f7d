"""What there is to read: files on disk and members of an archive, as bounded streams with a content hash."""

from __future__ import annotations

import gzip
import hashlib
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from edfstat.errors import FormatError
from edfstat.formats.limits import MAX_MEMBERS, MAX_RATIO, MAX_TOTAL_BYTES
from edfstat.formats.places import shown

__all__ = ["Source", "Stream", "zip_members"]

#: Bytes that are worth handing to another thread.
_LARGE = 1 << 18


@dataclass(frozen=True)
class Source:
    """One file: on disk, or a member of the archive at `path`.

    `named` says whether the user named it, and not a folder or an archive that it was found in.
    """

    path: Path
    member: str = ""
    named: bool = True

    @property
    def name(self) -> str:
        """File name without folders: what a population keeps as `source`."""
        return PurePosixPath(self.member).name if self.member else shown(self.path.name)

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{shown(self.path)}:{self.member}" if self.member else shown(self.path)

    @property
    def stem(self) -> str:
        """Name without the suffixes of the format."""
        name = self.name
        for suffix in (".gz", ".jsonl", ".json", ".csv", ".tsv", ".parquet", ".pq", ".nc", ".nc4", ".netcdf", ".zarr"):
            if name.lower().endswith(suffix):
                name = name[: -len(suffix)]
        return name

    @contextmanager
    def open(self) -> Iterator[Stream]:
        """The content, unpacked as it is read and never beyond the bounds."""
        compressed = self.name.lower().endswith(".gz")
        with ExitStack() as opened:
            raw: IO[bytes] | gzip.GzipFile
            if self.member:
                archive = opened.enter_context(zipfile.ZipFile(self.path))
                info = archive.getinfo(self.member)
                raw, packed = opened.enter_context(self._unpacked(archive, info)), info.compress_size
                if compressed:
                    raise FormatError(f"{self.label} is compressed twice; unpack it first")
            else:
                raw, packed = opened.enter_context(self.path.open("rb")), self.path.stat().st_size
                if compressed:
                    raw = opened.enter_context(gzip.GzipFile(fileobj=raw))
            yield opened.enter_context(Stream(raw, self.label, packed=packed))

    def _unpacked(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
        """The member as it unfolds; only opening it can fail for its encryption or its method of compression."""
        try:
            return archive.open(info)
        except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
            raise FormatError(f"{self.label} cannot be unpacked ({error}); it is damaged, get it again") from None
        except RuntimeError as error:
            raise FormatError(f"{self.label} cannot be unpacked ({error}); unpack it with another tool") from None


class Stream:
    """Binary stream that hashes what passes and refuses to unfold beyond the bounds.

    Large pieces are hashed in a thread of their own while the caller decodes them.
    """

    def __init__(self, raw: IO[bytes] | gzip.GzipFile, label: str, *, packed: int) -> None:
        self._raw, self._label = raw, label
        self._limit = min(MAX_TOTAL_BYTES, max(64 << 20, packed * MAX_RATIO))
        self._hash = hashlib.sha256()
        self._hasher: ThreadPoolExecutor | None = None
        self._hashing: Future[None] | None = None
        self.size = 0

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        if self._hasher:
            self._hasher.shutdown()

    def read(self, count: int) -> bytes:
        """At most `count` bytes; none at the end."""
        try:
            data = self._raw.read(count)
        except (EOFError, OSError, zipfile.BadZipFile, ValueError) as error:
            if isinstance(error, PermissionError | IsADirectoryError):
                raise
            raise FormatError(f"{self._label} cannot be unpacked ({error}); it is damaged, get it again") from None
        except Exception as error:  # zlib.error and lzma.LZMAError have no common base
            raise FormatError(f"{self._label} cannot be unpacked ({error}); it is damaged, get it again") from None
        self.size += len(data)
        if self.size > self._limit:
            raise FormatError(
                f"{self._label} unfolds to more than {self._limit / 1e6:.0f} MB, which no results file of its size "
                "does; unpack it yourself if you trust it"
            )
        self._wait_for_hash()
        if len(data) < _LARGE:
            self._hash.update(data)
        else:
            self._hasher = self._hasher or ThreadPoolExecutor(1, "sha256")
            self._hashing = self._hasher.submit(self._hash.update, data)
        return data

    def _wait_for_hash(self) -> None:
        if self._hashing:
            self._hashing.result()
            self._hashing = None

    def read_all(self, limit: int) -> bytes:
        """Everything, if it is at most `limit` bytes."""
        parts = []
        while part := self.read(1 << 20):
            parts.append(part)
            if self.size > limit:
                raise FormatError(f"{self._label} holds more than {limit / 1e6:.0f} MB; split it into several files")
        return b"".join(parts)

    @property
    def sha256(self) -> str:
        """Of all that was read so far."""
        self._wait_for_hash()
        return self._hash.hexdigest()


def zip_members(path: Path, suffixes: tuple[str, ...]) -> list[Source]:
    """Members of an archive that end in one of `suffixes`, of either case, by their names; nothing is unpacked.

    Raises
    ------
    FormatError
        If it is no archive, a name leads out of it, or it declares more than the bounds allow.
    """
    label = shown(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise FormatError(f"{label} is no readable zip archive ({error}); get it again") from None
    if len(infos) > MAX_MEMBERS:
        raise FormatError(f"{label} holds {len(infos)} files; at most {MAX_MEMBERS} are read from an archive")
    if sum(info.file_size for info in infos) > MAX_TOTAL_BYTES:
        raise FormatError(f"{label} unfolds to more than {MAX_TOTAL_BYTES / 1e9:.0f} GB; unpack it if you trust it")
    chosen = []
    for info in infos:
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        if ".." in parts or info.filename.startswith(("/", "\\")):
            raise FormatError(f"{label} has a member {info.filename!r} that leads out; such archives are not read")
        hidden = any(part.startswith(".") for part in parts) or "__MACOSX" in parts
        if not info.is_dir() and not hidden and info.filename.lower().endswith(suffixes):
            chosen.append(info.filename)
    if len(set(chosen)) < len(chosen):
        raise FormatError(f"{label} holds two files of the same name; such archives are not read")
    return [Source(path, name, named=False) for name in sorted(chosen)]
