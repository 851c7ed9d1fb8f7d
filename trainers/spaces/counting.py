"""`complexity`: parameters, flops and activations of any architectures, without building a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainers.spaces.architectures import Architecture, as_architecture
from trainers.spaces.cell_counts import cell_counts
from trainers.spaces.errors import ArchitectureError
from trainers.spaces.genotypes import CellArchitecture
from trainers.spaces.stage_counts import RawCounts, stage_counts
from trainers.spaces.stages import StageArchitecture
from trainers.spaces.tables import Architectures, CellTable, StageTable, frame_of
from trainers.spaces.values import each_of, whole_number

__all__ = ["CONVENTIONS", "STEMS", "complexity", "input_of"]

#: What `flops` counts under each convention, in words for a population's attributes.
CONVENTIONS = {
    "published": "published: multiply-adds of convolutions and classifier + classes + 5 per batch-norm output",
    "macs": "macs: multiply-adds of convolutions and classifier",
}

#: Image size and number of classes that each stem stands for, where nothing else is said.
STEMS = {"cifar": (32, 10), "imagenet": (224, 1000), "simple": (224, 1000)}


def complexity(
    archs: Architectures | Iterable[Architecture | Mapping[str, Any]] | Architecture | Mapping[str, Any],
    *,
    stem: Literal["cifar", "imagenet", "simple"] = "cifar",
    image_size: int | None = None,
    in_channels: int = 3,
    num_classes: int | None = None,
    flops: Literal["published", "macs"] = "published",
) -> dict[str, NDArray[np.int64]]:
    """Parameters, flops and activations of networks, exactly, from their descriptions alone.

    Parameters
    ----------
    archs : Architectures, iterable of Architecture or `net` dictionaries, or one of them
        Stage-wise and cell networks may be mixed.
    stem : {"cifar", "imagenet", "simple"}
        First layers: a 3x3 convolution; the strided ones for large images; or, for stage-wise networks, one
        3x3 convolution of stride 2.
    image_size : int, optional
        Height and width of the input in pixels; 32 for the CIFAR stem, else 224.
    in_channels : int
    num_classes : int, optional
        10 for the CIFAR stem, else 1000.
    flops : {"published", "macs"}
        ``"macs"`` counts multiply-adds of convolutions and of the classifier; ``"published"``, as the
        published files of stage-wise networks, adds one per class and five per batch-norm output element.

    Returns
    -------
    dict of str to int64 array, shape (n,)
        ``params``, ``flops``, ``acts`` (output elements of convolutions and classifier, for one image).
        The auxiliary head counts in none of them.

    Raises
    ------
    ArchitectureError
        If an option is unknown or a net cannot be built.

    See Also
    --------
    trainers.build : The network itself.

    Notes
    -----
    The published flops of cell networks follow neither convention (they lie between the two).

    References
    ----------
    .. [1] Radosavovic et al., On Network Design Spaces for Visual Recognition, ICCV 2019. arXiv:1905.13214.

    Examples
    --------
    The parameters and flops of ResNet-56 are the paper's ceilings:

    >>> net = {"block_type": "res_basic_block", "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
    >>> {name: int(count[0]) for name, count in complexity(net).items()}
    {'params': 855770, 'flops': 128471690, 'acts': 544778}
    """
    if not isinstance(flops, str) or flops not in CONVENTIONS:
        raise ArchitectureError(f"flops is {flops!r:.80}; give one of {sorted(CONVENTIONS)}")
    image_size, in_channels, classes = input_of(stem, image_size, in_channels, num_classes)
    raw = _raw(archs, (stem, image_size, in_channels, classes))
    total = raw.macs if flops == "macs" else raw.macs + classes + 5 * raw.norms
    return {"params": raw.params, "flops": total, "acts": raw.acts}


def input_of(stem: str, image_size: int | None, in_channels: int, num_classes: int | None) -> tuple[int, int, int]:
    """Image size, channels and classes, checked, with the stem's own where None."""
    if not isinstance(stem, str) or stem not in STEMS:
        raise ArchitectureError(f"stem is {stem!r:.80}; give one of {sorted(STEMS)}")
    size, classes = STEMS[stem]
    return (
        whole_number(size if image_size is None else image_size, "image_size", least=1),
        whole_number(in_channels, "in_channels", least=1),
        whole_number(classes if num_classes is None else num_classes, "num_classes", least=1),
    )


def _raw(archs: Any, network: tuple[str, int, int, int]) -> RawCounts:
    if isinstance(archs, StageTable):
        return stage_counts(archs, *network)
    if isinstance(archs, CellTable):
        return cell_counts(archs, *network)
    alone = isinstance(archs, (Architecture, Mapping))
    listed = [archs] if alone else each_of(archs, "archs", "architectures or `net` dictionaries, or one of them")
    return _raw_of_list([as_architecture(arch) for arch in listed], network)


def _raw_of_list(listed: list[Architecture], network: tuple[str, int, int, int]) -> RawCounts:
    """Counts of a mixed list: one table for each kind, put back in the list's order."""
    result = RawCounts(*(np.empty(len(listed), dtype=np.int64) for _ in RawCounts._fields))
    alike: dict[Any, list[int]] = {}
    for i, arch in enumerate(listed):
        if not isinstance(arch, (CellArchitecture, StageArchitecture)):
            raise ArchitectureError(f"{type(arch).__name__} is no architecture that can be counted")
        alike.setdefault(frame_of(arch), []).append(i)
    for positions in alike.values():
        part = _raw(Architectures.of(listed[i] for i in positions), network)
        for whole, values in zip(result, part):
            whole[positions] = values
    return result
