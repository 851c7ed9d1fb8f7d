"""ImageNet (ILSVRC 2012), 1,281,167 + 50,000 photographs in 1,000 classes, as folders of JPEG files.

Layout, for any set of photographs::

    ROOT/train/n01440764/n01440764_10026.JPEG     one folder per class
    ROOT/val/n01440764/ILSVRC2012_val_00000293.JPEG

Both parts must hold the same class folders, as each numbers its own; names that begin with a dot are passed over.

Preparing it: unpack ILSVRC2012_img_train.tar, then each of its 1,000 archives into a folder of the same name;
unpack ILSVRC2012_img_val.tar and move each photograph into the folder of its class, as the development kit's
ILSVRC2012_validation_ground_truth.txt and meta.mat say. `torchvision.datasets.ImageNet` does both, given the
three archives. The photographs cannot be downloaded without an account on image-net.org.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets import places
from datasets.augment import Augmentation
from datasets.errors import DatasetError
from datasets.images import some_of

__all__ = ["MD5", "SOURCE_URL", "ImageFolder", "load"]

SOURCE_URL = "https://image-net.org/challenges/LSVRC/2012/"
#: Checksums of the official archives.
MD5 = {
    "ILSVRC2012_img_train.tar": "1d675b47d978889d74fa0da5fadfb00e",
    "ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622",
}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AUGMENTATION = Augmentation(crop_padding=0, flip=True, fill=(124, 116, 104))
SUFFIXES = {".jpeg", ".jpg", ".png"}
FOLDERS = {"train": ("train",), "test": ("val", "test")}


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Photographs on disk: their paths and labels, read when they are needed.

    Parameters
    ----------
    name, split : str
    paths : tuple of str
    labels : array of int64, shape (n,)
    classes : tuple of str
        Folder names, in alphabetical order.
    mean, std : tuple of float
        Per channel, on the scale 0 to 1.
    source : str
    augmentation : Augmentation
        Mirror images keep the class; crops are of random size, as a recipe says.
    """

    name: str
    split: str
    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    source: str
    mean: tuple[float, ...] = MEAN
    std: tuple[float, ...] = STD
    augmentation: Augmentation = AUGMENTATION
    in_channels: int = 3
    image_size: int = 224

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    def subset(self, n: int, seed: int = 0) -> ImageFolder:
        """Some of the photographs, drawn at random without replacement and kept in their order.

        Parameters
        ----------
        n : int
            How many; more than there are give all.
        seed : int, default 0
            The same seed gives the same photographs, and of a larger `n` the same ones and others.

        Returns
        -------
        ImageFolder

        Examples
        --------
        >>> paths = tuple(f"{i}.JPEG" for i in range(5))
        >>> folder = ImageFolder("imagenet", "train", paths, np.zeros(5, dtype=np.int64), ("n0",), "memory")
        >>> few = folder.subset(2)
        >>> len(few), set(few.paths) <= set(paths)
        (2, True)
        """
        chosen = some_of(len(self), n, seed)
        return replace(self, paths=tuple(self.paths[i] for i in chosen), labels=self.labels[chosen])


def load(root: Path | None, split: str) -> ImageFolder:
    """List the photographs of a split.

    Parameters
    ----------
    root : Path or None
        Folder with ``train`` and ``val``.
    split : {"train", "test"}
        ``test`` is the official validation part.

    Returns
    -------
    ImageFolder

    Raises
    ------
    DatasetError
        If there is no such folder, or one of its classes holds no photographs.
    """
    for place in places.folders(root, "imagenet", "ImageNet"):
        for name in FOLDERS[split]:
            if (place / name).is_dir() and (found := _listed(place / name, split)) is not None:
                return found
    raise DatasetError(
        f"ImageNet ({split}) is not in {root or 'EDFSTAT_DATA or the cache'}; give a root with train/CLASS/*.JPEG and "
        "val/CLASS/*.JPEG (python -m pydoc datasets.imagenet says how to prepare it)"
    )


def _listed(folder: Path, split: str) -> ImageFolder | None:
    # A class is its folder's number in the alphabet: a hidden folder of some program's would shift those after it.
    classes = sorted(part.name for part in os.scandir(folder) if part.is_dir() and not part.name.startswith("."))
    if not classes:
        return None
    found = [_photographs(os.path.join(folder, name)) for name in classes]  # noqa: PTH118 - a million of them
    if [] in found:
        empty = folder / classes[found.index([])]
        raise DatasetError(
            f"{empty} holds no photographs ({', '.join(sorted(SUFFIXES))}), so its class would be missing; unpack it "
            "again, or remove the folder from both parts"
        )
    labels = np.repeat(np.arange(len(classes)), [len(paths) for paths in found])
    return ImageFolder("imagenet", split, tuple(chain.from_iterable(found)), labels, tuple(classes), str(folder))


def _photographs(folder: str) -> list[str]:
    """Paths of the photographs of a class, also of those in folders within it, in alphabetical order."""
    paths: list[str] = []
    for place, inner, names in os.walk(folder, followlinks=True):
        inner[:] = [name for name in inner if not name.startswith(".")]
        paths += [
            f"{place}{os.sep}{name}" for name in names
            if not name.startswith(".") and name[name.rfind(".") :].lower() in SUFFIXES
        ]  # fmt: skip
    return sorted(paths)
