"""Data sets by name."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Any

from datasets import cifar, digits, fashion_mnist, imagenet, npz, places, synthetic
from datasets.errors import DatasetError
from datasets.images import ImageSet

__all__ = ["get", "is_known", "located", "names"]


def _cifar(kind: cifar.Cifar) -> Callable[..., ImageSet]:
    return lambda root, split, **options: cifar.load(kind, root, split, **options)


_LOADERS: dict[str, Callable[..., Any]] = {
    "cifar10": _cifar(cifar.CIFAR10),
    "cifar100": _cifar(cifar.CIFAR100),
    "digits": digits.load,
    "fashion-mnist": fashion_mnist.load,
    "imagenet": imagenet.load,
    "synthetic": synthetic.load,
}


def names() -> list[str]:
    """The data sets that `get` knows.

    Returns
    -------
    list of str

    Examples
    --------
    >>> names()
    ['cifar10', 'cifar100', 'digits', 'fashion-mnist', 'imagenet', 'synthetic']
    """
    return sorted(_LOADERS)


def is_known(name: str) -> bool:
    """Whether a name is one that `get` can make something of.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool
        True for `names()`, and for what ends in ``.npz``, be it there or not.

    Examples
    --------
    >>> is_known("digits"), is_known("mine.npz"), is_known("mine")
    (True, True, False)
    """
    return name in _LOADERS or name.endswith(npz.SUFFIX)


def located(name: str, root: str | PathLike[str] | None = None) -> str:
    """A name by which `get` reads the same data set in whatever folder it is called.

    Parameters
    ----------
    name : str
    root : path, optional
        As for `get`.

    Returns
    -------
    str
        The absolute path of a file that `name` is the relative path of; else `name`.

    Raises
    ------
    DatasetError
        If `name` ends in ``.npz`` and there is no such file.

    Examples
    --------
    >>> located("digits")
    'digits'
    """
    if not name.endswith(npz.SUFFIX):
        return name
    found = npz.find(name, None if root is None else places.expanded(root))
    return str(found) if root is None and places.expanded(name).is_file() else name


def get(name: str, root: str | PathLike[str] | None = None, split: str = "train", *, download: bool = False) -> Any:
    """A data set by name.

    Parameters
    ----------
    name : str
        One of `names()`, or the path of a file that ends in ``.npz`` with images of one's own (`datasets.npz`).
    root : path, optional
        Where its files are. Default: the folders in the environment variable EDFSTAT_DATA, the user's cache
        (``~/.cache/edfstat/datasets``) and, where the operating system packages the data set, its place.
    split : {"train", "test"}
        Which part.
    download : bool, default False
        Fetch missing files of ``cifar10``, ``cifar100`` and ``fashion-mnist``, checked by their checksums.

    Returns
    -------
    ImageSet
        Images as uint8 (n, height, width, channels), labels as int64, class names, per-channel mean and std,
        source, and the augmentation that the data set bears. For ``imagenet``, which does not fit in memory,
        an `ImageFolder` of file names and labels, which `trainers` streams.

    Raises
    ------
    DatasetError
        A ValueError: the name or split is unknown, or the files are missing or damaged.

    Examples
    --------
    >>> digits = get("digits", split="test")
    >>> digits.images.shape, digits.images.dtype, digits.augmentation.flip
    ((450, 8, 8, 1), dtype('uint8'), False)
    """
    if not is_known(name):
        raise DatasetError(f"no data set is named {name!r}; there are {names()}, or give a file that ends in .npz")
    if split not in ("train", "test"):
        raise DatasetError(f"split is {split!r}; give 'train' or 'test'")
    folder = None if root is None else places.expanded(root)
    options = {"download": True} if download and name not in ("digits", "imagenet", "synthetic") else {}
    try:
        if name.endswith(npz.SUFFIX):
            return npz.load(npz.find(name, folder), split)
        return _LOADERS[name](folder, split, **options)
    except OSError as error:
        place = error.filename or folder or "EDFSTAT_DATA or the cache"
        raise DatasetError(
            f"{name}: {place} cannot be read ({error.strerror or error}); "
            "give a root whose files are there and may be read"
        ) from None
