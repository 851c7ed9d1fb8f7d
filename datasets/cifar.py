"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32x32 pixels.

Read from the official "python version": the archive, or the folder unpacked from it, as torchvision leaves it.
"""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets import downloads, places
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
        If the files are not there or are not the official ones' format.
    """
    place = _find(kind, root)
    if place is None and download:
        place = downloads.get(kind.url, root or places.cache(), md5=kind.md5)
    if place is None:
        raise DatasetError(
            f"{kind.name} ({kind.folder}) is not in {root or 'EDFSTAT_DATA or the cache'}; give root, "
            f"set EDFSTAT_DATA to the folder that holds it, or pass download=True to fetch {kind.url}"
        )
    wanted = kind.train if split == "train" else kind.test
    meta, *batches = _read(place, kind.folder, (kind.meta, *wanted))
    try:
        rows = np.concatenate([np.asarray(batch["data"], dtype=np.uint8) for batch in batches])
        labels = np.concatenate([np.asarray(batch[kind.label_key], dtype=np.int64) for batch in batches])
        classes = tuple(str(name) for name in meta[kind.class_key])
        # Stored channel by channel: 1,024 red bytes, then green, then blue.
        images = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{place} is not of the form of {kind.name} ({error!r}); fetch it again") from None
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


def _read(place: Path, folder: str, names: tuple[str, ...]) -> list[Mapping[str, Any]]:
    try:
        if place.is_dir():
            return [_unpickle((place / name).read_bytes()) for name in names]
        with tarfile.open(place) as archive:
            members = [archive.extractfile(f"{folder}/{name}") for name in names]
            return [_unpickle(member.read()) for member in members if member is not None]
    except (OSError, EOFError, KeyError, tarfile.TarError, pickle.UnpicklingError) as error:
        raise DatasetError(f"{place} cannot be read ({error}); fetch it again") from None


class _Unpickler(pickle.Unpickler):
    """Rebuilds arrays and plain values only: a file from elsewhere must not run code here."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in {
            ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
        }:  # fmt: skip
            return np.ndarray(0).__reduce__()[0]
        if module == "numpy" and name in {"ndarray", "dtype"}:
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):
            import _codecs

            return _codecs.encode
        raise pickle.UnpicklingError(f"it holds {module}.{name}, which is not data")


def _unpickle(data: bytes) -> Mapping[str, Any]:
    # The official files were written by Python 2; latin1 is how numpy asks for its bytes.
    value = _Unpickler(io.BytesIO(data), encoding="latin1").load()
    if not isinstance(value, dict):
        raise pickle.UnpicklingError("it holds no mapping")
    return value
