"""`fetch`: the published result files, downloaded once, checked ever after."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from edfstat.errors import InputError
from edfstat.formats.naming import ARCHIVE, CHECKSUMS, PUBLISHED_NAMES
from edfstat.formats.places import home_path, made_folder

if TYPE_CHECKING:
    import requests

__all__ = ["DownloadError", "fetch"]

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int | None], object]

#: Where the release is, unless a mirror is named.
RELEASE = "https://dl.fbaipublicfiles.com/nds/data.zip"
MIRROR = "EDFSTAT_MIRROR"
#: Breaks in a row, none of which brought anything new, after which a download is given up.
ATTEMPTS, PAUSE, TIMEOUT = 5, 0.5, 30.0
#: Locked while a folder is fetched to. The file is never deleted, as another process may wait for the lock on it.
LOCK = ".fetch.lock"


class DownloadError(Exception):
    """A file could not be downloaded, or is not what it was the first time."""


class _Absent(DownloadError):
    """The server has no such file."""


def fetch(
    names: str | Sequence[str] | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
    url: str | None = None,
    progress: Progress | None = None,
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
    progress : callable, optional
        Called as a file arrives with its name, the bytes that are there and how many it has (None: not known).

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

    See Also
    --------
    load : Read what it downloaded.

    Notes
    -----
    A dropped connection is taken up where it broke; one that breaks five times without bringing anything new is given
    up. Calls for one folder wait for each other (not on Windows), and the later ones find what the first one got.
    The release has no official checksums: the SHA-256 of the
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
    with _alone(folder):
        if wanted is None:
            return [_archive(address, folder, progress)]
        return [_single(name, address, folder, progress) for name in wanted]


def _folder(directory: str | os.PathLike[str] | None) -> Path:
    import pooch

    return made_folder(home_path(directory) if directory is not None else Path(pooch.os_cache("edfstat")) / "nds")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other call that fetches to the folder, of any process: each goes on with what another left half done."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("waiting for another download to %s", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        yield


def _is_archive(address: str) -> bool:
    return address.endswith(".zip") or urlsplit(address).path.endswith(".zip")


def _within(address: str, name: str) -> str:
    """Address of a file in a mirror's folder; what follows a question mark, such as a signature, stays at the end."""
    parts = urlsplit(address)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()


def _archive(address: str, folder: Path, progress: Progress | None) -> Path:
    full = address if _is_archive(address) else _within(address, ARCHIVE)
    return _download(full, folder / ARCHIVE, progress)


def _single(name: str, address: str, folder: Path, progress: Progress | None) -> Path:
    """One file: as it is on a mirror's folder, else out of the archive."""
    target = folder / f"{name}.json"
    if target.name in _hashes(folder) and target.exists() and _sha256(target) == _hashes(folder)[target.name]:
        return target
    if not _is_archive(address):
        try:
            return _download(_within(address, target.name), target, progress)
        except _Absent:
            pass
    return _unpack(_archive(address, folder, progress), target)


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


def _download(address: str, target: Path, progress: Progress | None) -> Path:
    """The file at an address, by pooch: checked by the recorded hash, or recorded on first use."""
    import pooch

    known = _hashes(target.parent).get(target.name)
    if known is None and target.exists():  # put there by hand
        _check_content(target, f"get it again, or delete {target}")
        _check_hash(target, "the first use")
        return target
    pooch.get_logger().setLevel("WARNING")
    try:
        found = pooch.retrieve(
            address,
            known_hash=known and f"sha256:{known}",
            fname=target.name,
            path=target.parent,
            downloader=partial(_fetch_url, part=target.parent / f"{target.name}.part", progress=progress),
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
        _check_content(path, f"check the address {address}")
    except DownloadError:
        if known is None:
            path.unlink()
        raise
    if known is None:
        _check_hash(path, address)
    return path


def _check_content(path: Path, remedy: str) -> None:
    """A page that says 'not found' with code 200 is no result file."""
    with path.open("rb") as file:
        good = zipfile.is_zipfile(file) if path.suffix == ".zip" else file.read(64).lstrip()[:1] in (b"[", b"{")
    if not good:
        raise DownloadError(f"{path.name} is no {path.suffix[1:]} file; {remedy}")


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


def _fetch_url(address: str, output_file: str, _pooch: Any, *, part: Path, progress: Progress | None) -> None:
    """Downloader for pooch that goes on where a connection broke, as long as each one brings something new."""
    import requests

    target = Path(output_file)
    mark = part.with_suffix(".part.version")
    said, failures, most = "", 0, _size(part)
    while failures < ATTEMPTS:
        if said:
            time.sleep(PAUSE * 2 ** max(failures - 1, 0))
        try:
            if _transfer(address, part, mark, progress):
                shutil.move(part, target)
                mark.unlink(missing_ok=True)
                return
            said = f"the connection broke after {_size(part)} bytes"
        except requests.HTTPError as error:
            said = f"it answers {error}"
        except requests.ConnectionError:
            said = "it cannot be reached"
        except requests.RequestException as error:
            said = f"{type(error).__name__}"
        failures = failures + 1 if _size(part) <= most else 0
        most = max(most, _size(part))
    raise DownloadError(
        f"{address} could not be downloaded: {said}, and {ATTEMPTS} attempts in a row brought nothing new; try again "
        f"later (it goes on from there), name a mirror (url=... or {MIRROR}), or put the file at {target.parent} "
        "yourself"
    )


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _transfer(address: str, part: Path, mark: Path, progress: Progress | None) -> bool:
    """One attempt; whether the file is complete."""
    import requests

    start = _size(part) if mark.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if start:  # only if the file is still the same: its tag or date says
        headers |= {"Range": f"bytes={start}-", "If-Range": mark.read_text(encoding="utf-8")}
    with requests.get(address, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == 416:  # it has no more than what is here, which is not what it has: start over
            part.unlink(missing_ok=True)
            return False
        _refuse_answer(answer, address)
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if version and not version.startswith("W/"):
            mark.write_text(version, encoding="utf-8")
        else:
            mark.unlink(missing_ok=True)
        return _store(answer, part, start if answer.status_code == 206 else 0, progress)


def _refuse_answer(answer: requests.Response, address: str) -> None:
    """Raise for an answer without content: a `requests.HTTPError` if another attempt may go better."""
    import requests

    code = answer.status_code
    if code in (404, 410):
        raise _Absent(f"{address} is not there ({code}); check the address")
    if code >= 500 or code == 429:
        raise requests.HTTPError(str(code))
    if code not in (200, 206):
        raise DownloadError(f"{address} answers {code}; check the address")


def _store(answer: requests.Response, part: Path, there: int, progress: Progress | None) -> bool:
    """Write what arrives behind the `there` bytes that are kept of the file; whether it is complete."""
    import urllib3

    length = answer.headers.get("Content-Length")
    total = there + int(length) if length else None
    try:
        with part.open("ab" if there else "wb") as file:
            # read1 gives what has arrived, so that nothing of it is lost when the connection breaks.
            while piece := answer.raw.read1(1 << 20):
                file.write(piece)
                there += len(piece)
                if progress:
                    progress(part.stem, there, total)
    except (urllib3.exceptions.HTTPError, OSError):
        return False
    return total is None or _size(part) == total
