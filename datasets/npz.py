"""Images of one's own, from a NumPy archive with the array names of MedMNIST's files."""

from __future__ import annotations

import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets import places
from datasets.augment import Augmentation
from datasets.errors import DatasetError
from datasets.images import ImageSet

__all__ = ["SUFFIX", "find", "load", "shape"]

#: What the name of such a data set ends in.
SUFFIX = ".npz"
_ARRAYS = "train_images, train_labels, test_images, test_labels, as docs/training.md says"
_FORM = f"give {_ARRAYS}"


def find(name: str, root: Path | None = None) -> Path:
    """The file that a name stands for: in `root`; else as a path from here, in EDFSTAT_DATA or in the cache.

    Raises
    ------
    DatasetError
        If it is in none of them.
    """
    path = places.expanded(name)
    looked = [path] if root is None or path.is_absolute() else []
    looked += [folder / path for folder in places.folders(root)]
    for candidate in looked:
        if candidate.is_file():
            return candidate.absolute()
    where = f"in {root}" if root is not None else "here, in EDFSTAT_DATA or in the cache"
    raise DatasetError(f"{name} is not {where}; give the path of a NumPy archive of {_ARRAYS}")


def load(path: Path, split: str) -> ImageSet:
    """Read the training or the test images of an archive.

    Parameters
    ----------
    path : Path
        Holds ``train_images`` and ``test_images``, uint8 (n, side, side, channels) or (n, side, side); ``train_labels``
        and ``test_labels``, whole numbers from 0, (n,) or (n, 1); if wanted ``classes`` (names), ``crop_padding``
        (pixels, by default an eighth of the side) and ``flip`` (whether the mirror image keeps the class, by default
        false). Other arrays are passed over.
    split : {"train", "test"}

    Returns
    -------
    ImageSet

    Raises
    ------
    DatasetError
        If the file is damaged, lacks an array, or one has another form.
    """
    images = _pixels(path, split)
    mean, std = _moments(path, _stamp(path))
    labels, classes = _labels(path, _stamp(path))
    padding = _single(path, "crop_padding", images.shape[1] // 8)
    # The margin is the mean, which is 0 once images are normalized.
    fill = tuple(round(255 * value) for value in mean)
    augmentation = Augmentation(int(padding), bool(_single(path, "flip", False)), fill)
    return ImageSet(path.name, split, images, labels[split], classes, mean, std, str(path), augmentation)


def shape(path: Path) -> tuple[int, int, int, int]:
    """Number of training images, side, channels and classes, without reading the images.

    Raises
    ------
    DatasetError
        As `load`.
    """
    n, side, _, channels = _form_of(path, "train_images")
    return n, side, channels, len(_labels(path, _stamp(path))[1])


def _stamp(path: Path) -> tuple[int, int]:
    """What tells a file from one that took its place."""
    about = path.stat()
    return about.st_size, about.st_mtime_ns


def _pixels(path: Path, split: str) -> NDArray[np.uint8]:
    name = f"{split}_images"
    form = _form_of(path, name)
    return np.ascontiguousarray(_read(path, name).reshape(form))


def _form_of(path: Path, name: str) -> tuple[int, ...]:
    """Shape of images with their channels; what is grey may come without."""
    form, dtype = _header(path, name)
    if dtype != np.uint8 or len(form) not in (3, 4):
        raise DatasetError(
            f"{path}: {name} is {dtype} of shape {form}; give uint8, (n, side, side, channels) or (n, side, side)"
        )
    return form if len(form) == 4 else (*form, 1)


@lru_cache(maxsize=8)
def _moments(path: Path, stamp: tuple[int, int]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of the training images, per channel, on the scale 0 to 1."""
    images = _pixels(path, "train")
    levels = np.arange(256) / 255
    mean, std = [], []
    for channel in range(images.shape[3]):
        share = np.bincount(images[..., channel].ravel(), minlength=256) / max(images[..., channel].size, 1)
        mean.append(float(share @ levels))
        # Images of one grey are all 0 once the mean is taken off.
        std.append(float(np.sqrt(share @ (levels - mean[-1]) ** 2)) or 1.0)
    return tuple(mean), tuple(std)


@lru_cache(maxsize=8)
def _labels(path: Path, stamp: tuple[int, int]) -> tuple[dict[str, NDArray[np.int64]], tuple[str, ...]]:
    """Labels of both splits, and the names of the classes: their numbers where the file has none."""
    found = {}
    for split in ("train", "test"):
        name = f"{split}_labels"
        labels = _read(path, name)
        if labels.dtype.kind not in "iu" or labels.ndim not in (1, 2) or labels.shape[1:] not in ((), (1,)):
            raise DatasetError(
                f"{path}: {name} is {labels.dtype} of shape {labels.shape}; give a whole number for each image, (n,)"
            )
        found[split] = labels.reshape(-1).astype(np.int64)
    most = max((int(labels.max()) for labels in found.values() if labels.size), default=-1)
    names = _read(path, "classes") if "classes" in _names(path) else np.arange(most + 1)
    if names.ndim != 1 or names.dtype.kind not in "Uiu":
        raise DatasetError(f"{path}: classes is {names.dtype} of shape {names.shape}; give one name for each class")
    return found, tuple(str(name) for name in names)


def _single(path: Path, name: str, default: Any) -> Any:
    """A number or truth value of the archive, or what it is without."""
    if name not in _names(path):
        return default
    value = _read(path, name)
    if value.size != 1 or value.dtype.kind not in "biu" or value.item() < 0:
        raise DatasetError(f"{path}: {name} is {value.dtype} of shape {value.shape}; give one whole number, from 0")
    return value.item()


def _names(path: Path) -> set[str]:
    with _opened(path) as archive:
        return {name.removesuffix(".npy") for name in archive.namelist()}


def _header(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of an array, without reading it."""
    readers = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    with _opened(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            raise DatasetError(f"{path} has no array {name}; {_FORM}")
        try:
            with archive.open(f"{name}.npy") as file:
                given, _, dtype = readers[np.lib.format.read_magic(file)[0]](file)
        except (*_DAMAGED, KeyError) as error:  # KeyError: a version of the format that is none
            raise _damaged(path, error) from None
    return given, dtype


def _read(path: Path, name: str) -> NDArray[Any]:
    _header(path, name)
    try:
        with np.load(path, allow_pickle=False) as archive:
            array: NDArray[Any] = archive[name]
            return array
    except _DAMAGED as error:
        raise _damaged(path, error) from None


#: What zip archives and arrays in them raise where they are not whole, or hold objects.
_DAMAGED = (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _DAMAGED as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{path} is damaged, or no NumPy archive of plain arrays ({error}); write it again")
