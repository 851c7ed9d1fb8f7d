"""Fetching a file once, checked by its checksum and put in place whole."""

from __future__ import annotations

from pathlib import Path

from datasets.errors import DatasetError

__all__ = ["get"]


def get(url: str, folder: Path, *, md5: str) -> Path:
    """Fetch `url` into `folder` unless a file of that checksum is there.

    Parameters
    ----------
    url : str
    folder : Path
    md5 : str
        The official checksum, 32 hexadecimal digits.

    Returns
    -------
    Path

    Raises
    ------
    DatasetError
        If it cannot be fetched, or is not what the checksum says.
    """
    import pooch

    try:
        return Path(pooch.retrieve(url, known_hash=f"md5:{md5}", fname=url.rsplit("/", 1)[1], path=folder))
    except Exception as error:  # requests, ssl and the file system each raise their own
        raise DatasetError(
            f"{url} could not be fetched ({error}); fetch it yourself, put it into {folder}, and give that as root"
        ) from error
