"""Decoded columns of large JSON files, kept in the user's cache folder.

A file is known by its path, size and modification time; only when these change is its content hashed again, and
where the hash is known the columns are used as they are. An entry is one file: a JSON header, then the arrays as
they lie in memory, so that opening it maps them and parses nothing. It holds no code, and a damaged or foreign
entry is read as absent.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edfstat.formats.columns import objects
from edfstat.formats.places import user_cache
from edfstat.formats.sources import Source

__all__ = ["Cache", "cache_folder"]

#: Smaller files are decoded as quickly as they are found here.
SMALLEST = 4 << 20
#: Oldest entries go when all together take more.
LARGEST = 4 << 30
_MAGIC = b"edfstat columns 1\n"
_ALIGN = 64
_CURVES = ("train_loss", "train_error", "test_error")

Decoded = dict[str, Any]


def cache_folder() -> Path | None:
    """Where columns are kept: ``EDFSTAT_CACHE``, else the user's cache folder; None if that variable is empty."""
    named = os.environ.get("EDFSTAT_CACHE")
    if named is not None:
        return Path(named) if named else None
    return user_cache("columns")


class Cache:
    """Columns of files read before. Whatever goes wrong with it, the file itself is read instead."""

    def __init__(self) -> None:
        self.folder = cache_folder()

    def get(self, source: Source, *, curves: bool) -> tuple[Decoded, dict[str, Any]] | None:
        """Columns and facts (name, hash, size) of a file, or None if they are not kept."""
        if self.folder is None or self._size(source) < SMALLEST:
            return None
        try:
            known = json.loads(self._index(source).read_text(encoding="utf-8"))
            facts = {"file": source.name, "sha256": known["sha256"], "bytes": known["bytes"]}
            if known["stamp"] != _stamp(source):
                if _hash(source) != known["sha256"]:
                    return None
                self._remember(source, facts)
            return self._open(facts["sha256"], curves), facts
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, source: Source, columns: Decoded, facts: dict[str, Any], *, curves: bool) -> None:
        """Keep columns; if the folder cannot be written to, nothing is kept."""
        if self.folder is None or self._size(source) < SMALLEST:
            return
        with suppress(OSError, ValueError, TypeError):
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(self._entry(facts["sha256"], curves), columns)
            self._remember(source, facts)
            self._prune()

    def _size(self, source: Source) -> int:
        try:
            return source.path.stat().st_size
        except OSError:
            return 0

    def _index(self, source: Source) -> Path:
        key = json.dumps([str(source.path.absolute()), source.member])
        return self._inside(hashlib.sha256(key.encode()).hexdigest()[:32] + ".json")

    def _entry(self, sha256: str, curves: bool) -> Path:
        return self._inside(f"{sha256}{'-curves' if curves else ''}.columns")

    def _inside(self, name: str) -> Path:
        if self.folder is None:
            raise OSError("there is no cache folder")
        return self.folder / name

    def _open(self, sha256: str, curves: bool) -> Decoded:
        wanted = self._entry(sha256, curves)
        if not curves and not wanted.exists():
            wanted = self._entry(sha256, True)
        return _read(wanted, curves)

    def _remember(self, source: Source, facts: dict[str, Any]) -> None:
        known = {"stamp": _stamp(source), "sha256": facts["sha256"], "bytes": facts["bytes"]}
        _replace(self._index(source), [json.dumps(known).encode()])

    def _prune(self) -> None:
        entries = sorted(self._inside("").glob("*.columns"), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for entry in entries:
            total += entry.stat().st_size
            if total > LARGEST:
                entry.unlink(missing_ok=True)


def _stamp(source: Source) -> list[int]:
    stat = source.path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _hash(source: Source) -> str:
    with source.open() as stream:
        while stream.read(1 << 22):
            pass
        return stream.sha256


def _write(path: Path, columns: Decoded) -> None:
    header: dict[str, Any] = {}
    arrays: list[NDArray[Any]] = []

    def keep(array: NDArray[Any]) -> int:
        arrays.append(np.ascontiguousarray(array))
        return len(arrays) - 1

    for name, values in columns.items():
        array = np.asarray(values)
        if array.dtype == object:
            header[name] = _pack_objects(list(array), keep)
        else:
            header[name] = {"array": keep(array)}
    layout, start = [], 0
    for array in arrays:
        layout.append({"dtype": array.dtype.str, "shape": list(array.shape), "start": start})
        start += -(-array.nbytes // _ALIGN) * _ALIGN
    text = json.dumps({"columns": header, "arrays": layout, "size": start}).encode()
    head = _MAGIC + len(text).to_bytes(8, "little") + text
    parts: list[Any] = [head, b"\0" * (-len(head) % _ALIGN)]
    for array in arrays:
        parts += [array.reshape(-1).view(np.uint8).data, b"\0" * (-array.nbytes % _ALIGN)]
    _replace(path, parts)


def _pack_objects(values: Sequence[Any], keep: Any) -> dict[str, Any]:
    """Texts (or None) as codes of the different ones where these are few, else as one text of all lines."""
    distinct = list(dict.fromkeys(json.dumps(value) for value in values[:1000]))
    if len(distinct) <= 100:
        distinct = list(dict.fromkeys(map(json.dumps, values)))
    if len(distinct) <= 100:
        places = {text: place for place, text in enumerate(distinct)}
        codes = np.array([places[json.dumps(value)] for value in values], dtype=np.uint8)
        return {"codes": keep(codes), "texts": distinct}
    plain = all(isinstance(value, str) and "\n" not in value for value in values)
    text = "\n".join(values if plain else map(json.dumps, values))
    return {"lines" if plain else "json": keep(np.frombuffer(text.encode(), dtype=np.uint8))}


def _read(path: Path, curves: bool) -> Decoded:
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError("not an entry")
        length = int.from_bytes(file.read(8), "little")
        size = path.stat().st_size
        if length > size:
            raise ValueError("damaged")
        header = json.loads(file.read(length))
    head = len(_MAGIC) + 8 + length
    start = head + (-head % _ALIGN)
    if size != start + header["size"]:
        raise ValueError("damaged")
    content = np.memmap(path, dtype=np.uint8, mode="c")
    columns = {}
    for name, how in header["columns"].items():
        if name not in _CURVES or curves:
            columns[name] = _column(how, header["arrays"], content[start:])
    return columns


def _column(how: dict[str, Any], layout: list[dict[str, Any]], content: NDArray[np.uint8]) -> Any:
    (kind, place), *_ = how.items()
    about = layout[place]
    dtype, shape = np.dtype(about["dtype"]), tuple(about["shape"])
    if dtype.kind not in "fiub":
        raise ValueError("damaged")
    nbytes = dtype.itemsize * int(np.prod(shape))
    array = content[about["start"] : about["start"] + nbytes].view(dtype).reshape(shape)
    if kind == "array":
        return array
    if kind == "codes":
        return objects([json.loads(text) for text in how["texts"]])[array]
    lines = array.tobytes().decode().split("\n")
    return objects(lines if kind == "lines" else [json.loads(line) for line in lines])


def _replace(path: Path, parts: list[Any]) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as file:
        try:
            for part in parts:
                file.write(part)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    Path(file.name).replace(path)
