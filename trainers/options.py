"""What `Trial.options` may say to this backend, beside recipe and settings of the optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

from edfstat.errors import InputError

__all__ = ["OPTIONS", "Stem", "check_options", "check_seconds", "stem_of"]

Stem = Literal["cifar", "imagenet", "simple"]

OPTIONS = {
    "train_images": "use only so many training images, the same for every trial",
    "test_images": "use only so many test images, the same for every trial",
    "time_limit": "seconds after which the trial ends with status timeout",
    "stem": "first layers: cifar keeps the size, simple halves it, imagenet quarters it; default: the data set's",
}


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse options that there are not, or whose values mean nothing.

    Raises
    ------
    InputError
    """
    if unknown := sorted(set(options) - set(OPTIONS), key=str):
        raise InputError(f"unknown option {unknown}; the torch backend has {sorted(OPTIONS)}")
    check_seconds(options.get("time_limit"))
    stem_of("", options)
    for name in ("train_images", "test_images"):
        number = options.get(name)
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
            raise InputError(f"option {name} is {number!r:.80}; give a whole number of images, from 1")


def check_seconds(limit: Any) -> None:
    """Refuse a time limit that is no number of seconds; None is no limit.

    Raises
    ------
    InputError
    """
    number = isinstance(limit, int | float) and not isinstance(limit, bool)
    if limit is not None and (not number or not limit >= 0):
        raise InputError(f"time_limit is {limit!r}; give seconds, from 0, or leave it out")


def stem_of(dataset: str, options: Mapping[str, Any]) -> Stem:
    """First layers of the networks of a data set, unless the option ``stem`` says others.

    Raises
    ------
    InputError
        If it names none.
    """
    default: Stem = "imagenet" if dataset == "imagenet" else "cifar"
    stem = options.get("stem", default)
    if stem not in get_args(Stem):
        raise InputError(f"option stem is {stem!r:.80}; give one of {', '.join(get_args(Stem))}")
    return cast(Stem, stem)
