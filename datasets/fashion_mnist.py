"""Fashion-MNIST: 60,000 + 10,000 images of clothes, 28x28 grey pixels (Xiao, Rasul, Vollgraf 2017, MIT licence)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from datasets import downloads, idx, places
from datasets.augment import Augmentation
from datasets.errors import DatasetError
from datasets.images import ImageSet

__all__ = ["FILES", "SOURCE_URL", "load"]

SOURCE_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
#: File name and MD5 of the official files.
FILES = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
FOLDERS = ("FashionMNIST/raw", "fashion-mnist", "fashion_mnist", "dataset-fashion-mnist")
#: Where Debian's package dataset-fashion-mnist puts it.
SYSTEM = ("/usr/share/datasets", "/usr/share")

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
MEAN, STD = (0.2860,), (0.3530,)
AUGMENTATION = Augmentation(crop_padding=4, flip=True, fill=(0,))


def load(root: Path | None, split: str, *, download: bool = False) -> ImageSet:
    """Read the training (60,000) or test (10,000) images.

    Parameters
    ----------
    root : Path or None
        Folder with the four idx files, or one that has them in a folder of a usual name.
    split : {"train", "test"}
    download : bool, default False
        Fetch the files of this split into `root` (or the cache) where they are missing.

    Returns
    -------
    ImageSet

    Raises
    ------
    DatasetError
        If the files are not there or are damaged.
    """
    part = "train" if split == "train" else "t10k"
    names = (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
    found = _find(root, names)
    if found is None and download:
        target = (root or places.cache()) / "fashion-mnist"
        found = tuple(downloads.get(SOURCE_URL + f"{n}.gz", target, md5=FILES[f"{n}.gz"]) for n in names)
    if found is None:
        raise DatasetError(
            f"Fashion-MNIST ({names[0]}.gz) is not in {root or 'EDFSTAT_DATA, the cache or /usr/share'}; "
            "give root, set EDFSTAT_DATA to the folder that holds it, fetch it: datasets.get('fashion-mnist', "
            f"split={split!r}, download=True), or on Debian: apt install dataset-fashion-mnist"
        )
    images, labels = idx.read(found[0]), idx.read(found[1])
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise DatasetError(
            f"{found[0]} and {found[1]} do not fit together ({images.shape}, {labels.shape}); "
            "delete both and fetch them again"
        )
    return ImageSet(
        "fashion-mnist", split, images[..., None], labels.astype(np.int64), CLASSES, MEAN, STD,
        str(found[0].parent), AUGMENTATION,
    )  # fmt: skip


def _find(root: Path | None, names: tuple[str, ...]) -> tuple[Path, ...] | None:
    for folder in places.folders(root, *FOLDERS, also=SYSTEM):
        for suffix in (".gz", ""):
            paths = tuple(folder / f"{name}{suffix}" for name in names)
            if all(path.is_file() for path in paths):
                return paths
    return None
