"""`fetch`: the published result files, downloaded once, checked ever after."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edfstat.errors import InputError
from edfstat.formats.naming import ARCHIVE, CHECKSUMS, PUBLISHED_NAMES
from edfstat.formats.places import home_path

__all__ = ["DownloadError", "fetch"]

#: Where the release is, unless a mirror is named.
RELEASE = "https://dl.fbaipublicfiles.com/nds/data.zip"
MIRROR = "EDFSTAT_MIRROR"
ATTEMPTS, PAUSE, TIMEOUT = 5, 0.5, 30.0


class DownloadError(Exception):
    """A file could not be downloaded, or is not what it was the first time."""


class _Absent(DownloadError):
    """The server has no such file."""


def fetch(
    names: str | Sequence[str] | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
    url: str | None = None,
) -> list[Path]:
    """Download the published result files, or use what is there already.

    Parameters
    ----------
    names : str or sequence of str, optional
        Published files, such as ``"ResNet"`` or ``"Vanilla_lr-wd_in"``; each becomes a JSON file of that name. By
        default the whole release, as the zip archive it comes in: `edfstat.load` reads it, its folder, and each
        file by the name that it would have there unpacked.
    directory : path, optional
        Where to keep the files. Default: the user's cache folder.
    url : str, optional
        A mirror: the address of the archive (``.../data.zip``), or of a folder with ``data.zip`` or single
        ``NAME.json`` files. Default: the environment variable ``EDFSTAT_MIRROR``, else the release.

    Returns
    -------
    list of Path
        The archive, or one file per name, in their order.

    Raises
    ------
    InputError
        If a name is not of the release, or the address or the folder is wrong.
    DownloadError
        If the server cannot be reached, keeps dropping the connection, or sends other bytes than the first time.

    Notes
    -----
    A dropped connection is taken up where it broke. The release has no official checksums: the SHA-256 of the
    first download is kept in ``checksums.json`` beside the file, and checked on every later use.

    Examples
    --------
    >>> fetch("ResNet-152")
    Traceback (most recent call last):
    ...
    edfstat.errors.InputError: 'ResNet-152' is none of the published files: Vanilla, ResNet, ...
    """
    wanted = [names] if isinstance(names, str) else None if names is None else list(names)
    for name in wanted or ():
        if name not in PUBLISHED_NAMES:
            raise InputError(f"{name!r} is none of the published files: {', '.join(PUBLISHED_NAMES)}")
    address = url or os.environ.get(MIRROR) or RELEASE
    if urlsplit(address).scheme not in ("http", "https"):
        raise InputError(f"{address!r} is no web address; give one that starts with https:// or http://")
    folder = _folder(directory)
    if wanted is None:
        return [_archive(address, folder)]
    return [_single(name, address, folder) for name in wanted]


def _folder(directory: str | os.PathLike[str] | None) -> Path:
    import pooch

    folder = home_path(directory) if directory is not None else Path(pooch.os_cache("edfstat")) / "nds"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror or error}; name another directory") from None
    return folder


def _archive(address: str, folder: Path) -> Path:
    full = address if address.endswith(".zip") else f"{address.rstrip('/')}/{ARCHIVE}"
    return _download(full, folder / ARCHIVE)


def _single(name: str, address: str, folder: Path) -> Path:
    """One file: as it is on a mirror's folder, else out of the archive."""
    target = folder / f"{name}.json"
    if target.name in _hashes(folder) and target.exists() and _sha256(target) == _hashes(folder)[target.name]:
        return target
    if not address.endswith(".zip"):
        try:
            return _download(f"{address.rstrip('/')}/{name}.json", target)
        except _Absent:
            pass
    return _unpack(_archive(address, folder), target)


def _unpack(archive: Path, target: Path) -> Path:
    from edfstat.formats.sources import zip_members

    sources = [source for source in zip_members(archive, (".json",)) if source.name == target.name]
    if not sources:
        raise DownloadError(f"{archive} holds no {target.name}; fetch the release itself, without a mirror")
    with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as file:
        unfinished = Path(file.name)
        try:
            with sources[0].open() as stream:
                while part := stream.read(1 << 22):
                    file.write(part)
        except BaseException:
            unfinished.unlink()
            raise
    unfinished.chmod(0o644)
    unfinished.replace(target)
    _check_hash(target, archive.name)
    return target


def _download(address: str, target: Path) -> Path:
    """The file at an address, by pooch: checked by the recorded hash, or recorded on first use."""
    import pooch

    known = _hashes(target.parent).get(target.name)
    if known is None and target.exists():  # put there by hand
        _check_content(target)
        _check_hash(target, "the first use")
        return target
    pooch.get_logger().setLevel("WARNING")
    try:
        found = pooch.retrieve(
            address,
            known_hash=known and f"sha256:{known}",
            fname=target.name,
            path=target.parent,
            downloader=_fetch_url,
        )
    except ValueError as error:
        if "hash" not in str(error).lower():
            raise
        raise DownloadError(
            f"{address} sent other bytes than the first time (SHA-256 {known}); if the release has changed, delete "
            f"{target.parent / CHECKSUMS}"
        ) from None
    path = Path(found)
    try:
        _check_content(path)
    except DownloadError:
        if known is None:
            path.unlink()
        raise
    if known is None:
        _check_hash(path, address)
    return path


def _check_content(path: Path) -> None:
    """A page that says 'not found' with code 200 is no result file."""
    with path.open("rb") as file:
        good = zipfile.is_zipfile(file) if path.suffix == ".zip" else file.read(64).lstrip()[:1] in (b"[", b"{")
    if not good:
        raise DownloadError(f"{path.name} is no {path.suffix[1:]} file; check the address, or delete {path}")


def _hashes(folder: Path) -> dict[str, str]:
    try:
        found = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise DownloadError(
            f"{folder / CHECKSUMS} is damaged; delete it, and the files beside it are recorded anew"
        ) from None
    return found if isinstance(found, dict) else {}


def _check_hash(path: Path, origin: str) -> None:
    """Compare with what was recorded, or record it."""
    known, actual = _hashes(path.parent), _sha256(path)
    if known.setdefault(path.name, actual) != actual:
        raise DownloadError(
            f"{path} from {origin} differs from the first time; delete it and {path.parent / CHECKSUMS}"
        )
    unfinished = path.parent / f".{CHECKSUMS}.{os.getpid()}"
    unfinished.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    unfinished.replace(path.parent / CHECKSUMS)


def _sha256(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_url(address: str, output_file: str, _pooch: Any) -> None:
    """Downloader for pooch that goes on where a connection broke."""
    import requests

    target = Path(output_file)
    part = target.parent / f"{Path(urlsplit(address).path).name}.part"
    mark = part.with_suffix(".part.version")
    said = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            if _transfer(address, part, mark):
                shutil.move(part, target)
                mark.unlink(missing_ok=True)
                return
            said = f"the connection broke after {part.stat().st_size} bytes"
        except requests.ConnectionError:
            said = "it cannot be reached"
        except requests.RequestException as error:
            said = f"{type(error).__name__}"
    raise DownloadError(
        f"{address} could not be downloaded in {ATTEMPTS} attempts: {said}; try again later (it goes on from there), "
        f"name a mirror (url=... or {MIRROR}), or put the file at {target.parent} yourself"
    )


def _transfer(address: str, part: Path, mark: Path) -> bool:
    """One attempt; whether the file is complete."""
    import requests
    import urllib3

    start = part.stat().st_size if part.exists() and mark.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if start:  # only if the file is still the same: its tag or date says
        headers |= {"Range": f"bytes={start}-", "If-Range": mark.read_text(encoding="utf-8")}
    with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code in (404, 410):
            raise _Absent(f"{address} is not there ({answer.status_code}); check the address")
        if answer.status_code == 416:
            part.unlink(missing_ok=True)
            return False
        if answer.status_code >= 500 or answer.status_code == 429:
            raise requests.HTTPError(str(answer.status_code))
        if answer.status_code not in (200, 206):
            raise DownloadError(f"{address} answers {answer.status_code}; check the address")
        resumed = answer.status_code == 206
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if version and not version.startswith("W/"):
            mark.write_text(version, encoding="utf-8")
        else:
            mark.unlink(missing_ok=True)
        length = answer.headers.get("Content-Length")
        total = (start if resumed else 0) + int(length) if length else None
        try:
            with part.open("ab" if resumed else "wb") as file:
                # read1 gives what has arrived, so that nothing of it is lost when the connection breaks.
                while piece := answer.raw.read1(1 << 20):
                    file.write(piece)
        except (urllib3.exceptions.HTTPError, OSError):
            return False
        return total is None or part.stat().st_size == total
