"""Handwritten digits, 1,797 images of 8x8 pixels: the one data set that needs no download.

The file is inside scikit-learn's wheel (UCI "Optical Recognition of Handwritten Digits", test part, CC BY 4.0).
It is read from there without importing scikit-learn, which would take longer than reading it.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets import gzipped
from datasets.augment import Augmentation
from datasets.errors import DatasetError
from datasets.images import ImageSet

__all__ = ["SOURCE_URL", "TEST_SIZE", "load"]

SOURCE_URL = "https://archive.ics.uci.edu/dataset/80"
#: Of what is in the file, which Debian compresses anew.
SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
TEST_SIZE = 450
SPLIT_SEED = 0

CLASSES = tuple(str(digit) for digit in range(10))
# Of the 1,347 training images, on the scale 0 to 1.
MEAN, STD = (0.3058,), (0.3761,)
# A digit in its mirror is no digit; a shift by one pixel, an eighth of the side, keeps it.
AUGMENTATION = Augmentation(crop_padding=1, flip=False, fill=(0,))


def load(root: Path | None, split: str) -> ImageSet:
    """Read the training (1,347) or test (450) digits.

    Parameters
    ----------
    root : Path or None
        Folder that holds ``digits.csv.gz``. Default: scikit-learn's own.
    split : {"train", "test"}
        The split is stratified by class and always the same.

    Returns
    -------
    ImageSet

    Raises
    ------
    DatasetError
        If the file is not there, or is another one.
    """
    path = _find(root)
    try:
        text = gzipped.read(path)
    except DatasetError:
        text = b""  # refused for the same reason as any other content
    if hashlib.sha256(text).hexdigest() != SHA256:
        remedy = "install scikit-learn anew" if root is None else "leave root out to use the copy inside scikit-learn"
        raise DatasetError(f"{path} is damaged or another file (its SHA-256 is not the known one); {remedy}")
    table = np.loadtxt(text.decode().splitlines(), delimiter=",", dtype=np.float64)
    labels = table[:, -1].astype(np.int64)
    # Pixels are counts from 0 to 16; 16 becomes 255.
    pixels = np.rint(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    test = stratified(labels, TEST_SIZE, SPLIT_SEED)
    chosen = test if split == "test" else ~test
    return ImageSet("digits", split, pixels[chosen], labels[chosen], CLASSES, MEAN, STD, str(path), AUGMENTATION)


def stratified(labels: NDArray[np.int64], size: int, seed: int) -> NDArray[np.bool_]:
    """Mark `size` images, from each class in proportion (largest remainders), at random by `seed`."""
    generator = np.random.default_rng(seed)
    counts = np.bincount(labels)
    shares = counts * size / len(labels)
    take = np.floor(shares).astype(int)
    take[np.argsort(take - shares, kind="stable")[: size - take.sum()]] += 1
    chosen = np.zeros(len(labels), dtype=bool)
    for label, number in enumerate(take):
        chosen[generator.permutation(np.flatnonzero(labels == label))[:number]] = True
    return chosen


def _find(root: Path | None) -> Path:
    if root is not None:
        path = root / "digits.csv.gz"
        if not path.is_file():
            raise DatasetError(f"{path} is not there; leave root out to use the copy inside scikit-learn")
        return path
    spec = find_spec("sklearn")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return path
    raise DatasetError("digits come with scikit-learn, which is not installed; pip install scikit-learn")
