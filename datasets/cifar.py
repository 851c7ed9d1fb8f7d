"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32x32 pixels.

Read from the official "python version": the archive, or the folder unpacked from it, as torchvision leaves it. A file
as large as an official one that is another is remarked.
"""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
import pickletools
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets import downloads, gzipped, places
from datasets.augment import Augmentation
from datasets.errors import DatasetError
from datasets.images import ImageSet

__all__ = ["CIFAR10", "CIFAR100", "Cifar", "load"]


@dataclass(frozen=True)
class Cifar:
    """What tells the two data sets apart."""

    name: str
    url: str
    md5: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    label_key: str
    class_key: str
    num_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


CIFAR10 = Cifar(
    "cifar10", "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a",
    "cifar-10-batches-py", tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",), "batches.meta",
    "labels", "label_names", 10, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616),
)  # fmt: skip
CIFAR100 = Cifar(
    "cifar100", "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85",
    "cifar-100-python", ("train",), ("test",), "meta",
    "fine_labels", "fine_label_names", 100, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762),
)  # fmt: skip

logger = logging.getLogger("datasets")

#: MD5 of the official files of images, which lie in the archives.
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
}
#: Bytes that each of them has at least: 10,000 images.
WHOLE = 10_000 * 3072


def load(kind: Cifar, root: Path | None, split: str, *, download: bool = False) -> ImageSet:
    """Read the training or test images of CIFAR-10 or CIFAR-100.

    Parameters
    ----------
    kind : Cifar
        `CIFAR10` or `CIFAR100`.
    root : Path or None
        Folder that holds the official archive or what it unpacks to.
    split : {"train", "test"}
    download : bool, default False
        Fetch the archive (about 165 MB) into `root` (or the cache) where nothing is found.

    Returns
    -------
    ImageSet

    Raises
    ------
    DatasetError
        If the files are not there, are damaged or are not of the official ones' format.
    """
    place = _find(kind, root)
    if place is None and download:
        place = downloads.get(kind.url, root or places.cache(), md5=kind.md5)
    if place is None:
        raise DatasetError(
            f"{kind.name} ({kind.folder}) is not in {root or 'EDFSTAT_DATA or the cache'}; give root, set EDFSTAT_DATA "
            f"to the folder that holds it, or fetch it: datasets.get({kind.name!r}, download=True)"
        )
    wanted = kind.train if split == "train" else kind.test
    meta, *batches = _read(place, kind.folder, (kind.meta, *wanted))
    try:
        rows = np.concatenate([_numbers(batch, "data", np.uint8) for batch in batches])
        labels = np.concatenate([_numbers(batch, kind.label_key, np.integer) for batch in batches]).astype(np.int64)
        classes = tuple(str(name) for name in meta[kind.class_key])
        if len(classes) != kind.num_classes:
            raise ValueError(f"{len(classes)} {kind.class_key}")
        # Stored channel by channel: 1,024 red bytes, then green, then blue.
        images = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    except Exception as error:  # whatever a damaged file holds in place of arrays
        raise DatasetError(
            f"{place} is not of the form of {kind.name} ({error!r:.200}); delete it and fetch it again"
        ) from None
    # What a margin of the mean colour becomes by normalization is zero.
    fill = tuple(round(255 * value) for value in kind.mean)
    return ImageSet(
        kind.name, split, np.ascontiguousarray(images), labels, classes, kind.mean, kind.std, str(place),
        Augmentation(crop_padding=4, flip=True, fill=fill),
    )  # fmt: skip


def _find(kind: Cifar, root: Path | None) -> Path | None:
    archive = kind.url.rsplit("/", 1)[1]
    for folder in places.folders(root, kind.folder, kind.name):
        if (folder / kind.meta).is_file() and (folder / kind.test[0]).is_file():
            return folder
        if (folder / archive).is_file():
            return folder / archive
    return None


def _numbers(batch: Mapping[str, Any], key: str, kind: Any) -> NDArray[Any]:
    values = np.asarray(batch[key])
    # Of another type they would wrap or be cut to fit: 300 would become 44, and 1.5 the label 1.
    if not np.issubdtype(values.dtype, kind):
        raise TypeError(f"{key} of {values.dtype}")
    return values


def _read(place: Path, folder: str, names: tuple[str, ...]) -> list[Mapping[str, Any]]:
    if place.is_dir():
        return [_unpickle((place / name).read_bytes(), place / name) for name in names]
    data = io.BytesIO(gzipped.read(place))
    try:
        with tarfile.open(fileobj=data, mode="r:") as archive:
            members = {name: archive.extractfile(f"{folder}/{name}") for name in names}
            contents = {name: member.read() for name, member in members.items() if member is not None}
    except Exception as error:  # a damaged header makes tarfile raise whatever it met
        raise DatasetError(f"{place} cannot be read ({error!r:.200}); delete it and fetch it again") from None
    if lacking := [name for name in names if name not in contents]:
        raise DatasetError(f"{place} holds no files {lacking} in {folder}; delete it and fetch it again")
    return [_unpickle(content, place / folder / name) for name, content in contents.items()]


def _unpickle(data: bytes, path: Path) -> Mapping[str, Any]:
    official = hashlib.md5(data, usedforsecurity=False).hexdigest() == MD5.get(path.name)
    if len(data) >= WHOLE and not official:
        # Not refused, as it may hold other images in the official form.
        logger.warning(
            "%s is not the official file (its MD5 differs): if it should be, delete it, fetch it again", path
        )
    try:
        if not official:
            _check_memo(data)
        # The official files were written by Python 2; latin1 is how numpy asks for its bytes.
        value = _Unpickler(io.BytesIO(data), encoding="latin1").load()
    except Exception as error:  # damaged bytes are other instructions, which fail in any way
        raise DatasetError(f"{path} is damaged ({error!r:.200}); delete it and fetch it again") from None
    if not isinstance(value, dict):
        raise DatasetError(f"{path} holds no mapping; delete it and fetch it again")
    return value


def _check_memo(data: bytes) -> None:
    # pickle reserves memory for as many values as the number says under which one is put down: 16 GiB for six bytes.
    for count, (code, value, _) in enumerate(pickletools.genops(data)):
        if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and (value or 0) > count:
            raise pickle.UnpicklingError(f"it puts value {value} before so many were read")


class _Unpickler(pickle.Unpickler):
    """Rebuilds arrays and plain values only: a file from elsewhere must not run code here, nor fill the memory."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _empty
        if module == "numpy" and name in _NUMPY:
            return _NUMPY[name]
        if (module, name) == ("_codecs", "encode"):
            import _codecs

            return _codecs.encode
        raise pickle.UnpicklingError(f"it holds {module}.{name}, which is not data")


def _empty(kind: object, shape: object, code: object) -> NDArray[np.uint8]:
    # What follows in the file gives the array its bytes and its shape, which must agree.
    return np.ndarray(0, dtype=np.uint8)


def _number(code: str, *flags: object) -> np.dtype[Any]:
    # The shared type of that code, which a file cannot change.
    kind = np.dtype(code)
    if kind.kind not in "biuf":
        raise pickle.UnpicklingError(f"it holds an array of {kind}, which is no number")
    return kind


#: What a file gets for these names: nothing that could be called to make an array of any size.
_NUMPY: dict[str, Any] = {"ndarray": "ndarray", "dtype": _number}
