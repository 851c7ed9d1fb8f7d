"""What the names of the published files say: design space, data set, and which of its files it is."""

from __future__ import annotations

__all__ = ["ARCHIVE", "CHECKSUMS", "PUBLISHED_NAMES", "SPACES", "describe_name"]

#: What a download leaves in its folder: the release as it comes, and what is known of the files there.
ARCHIVE, CHECKSUMS = "data.zip", "checksums.json"

#: Design spaces of the published files.
SPACES = ("Vanilla", "ResNet", "ResNet-B", "ResNeXt-A", "ResNeXt-B", "NASNet", "Amoeba", "PNAS", "ENAS", "DARTS")

#: The 34 published files, without ``.json``.
PUBLISHED_NAMES = (
    *SPACES,
    *(f"{space}_fix-w-d" for space in ("PNAS", "ENAS", "DARTS")),
    *(f"{space}_lr-wd" for space in ("Vanilla", "ResNet", "DARTS")),
    *(f"{space}_rng{seed}" for space in ("Vanilla", "ResNet") for seed in (1, 2, 3)),
    *(f"{space}_reruns" for space in ("Vanilla", "ResNet")),
    *(f"{space}_in" for space in ("ResNeXt-A", "ResNeXt-B", "NASNet", "Amoeba", "PNAS", "ENAS", "DARTS")),
    *(f"{space}_lr-wd_in" for space in ("Vanilla", "ResNet", "DARTS")),
)


def describe_name(stem: str) -> tuple[str, str]:
    """Design space and data set that a file name stands for.

    Names of the published files are read by their rule: the part before the first ``_`` is the space, ``_in``
    at the end means ImageNet, otherwise CIFAR-10. Any other name is a space of its own, data set unknown.

    Examples
    --------
    >>> describe_name("ResNeXt-A_in"), describe_name("Vanilla_lr-wd"), describe_name("my_sweep")
    (('ResNeXt-A', 'imagenet'), ('Vanilla', 'cifar10'), ('my_sweep', ''))
    """
    space, *rest = stem.split("_")
    if space not in SPACES:
        return stem, ""
    return space, "imagenet" if rest[-1:] == ["in"] else "cifar10"
