"""The paper's figures as data: which files, which range of complexity, how many bins, which sizes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FIGURES", "NAS", "Panel", "doubling"]

NAS = ("NASNet", "Amoeba", "PNAS", "ENAS", "DARTS")
View = tuple[float, float] | None
_RESNEXT = ("ResNeXt-A", "ResNeXt-B")
_MIXED = ("NASNet", "DARTS", *_RESNEXT)
_LR_WD = ("Vanilla", "ResNet", "DARTS")


def doubling(last: int) -> list[int]:
    """1, 2, 4 ... up to `last`.

    Examples
    --------
    >>> doubling(8)
    [1, 2, 4, 8]
    """
    return [1 << i for i in range(last.bit_length())]


@dataclass(frozen=True)
class Panel:
    """One panel: what it shows of which files.

    `ranges` are on the scaled measures (params in millions, flops in billions). A lower end of None is the
    largest, over the files, of a file's smallest complexity. `fresh` panels start from the seed again. `x` and
    `y` are the ends of the axes as the paper draws them; `default` the learning rate and weight decay that a map
    marks; `zoom` the part (x, then y) that is drawn larger.
    """

    name: str
    kind: str
    files: tuple[str, ...]
    measure: str = "none"
    ranges: tuple[tuple[str, float | None, float], ...] = ()
    bins: int | None = None
    last: int = 0
    title: str = ""
    fresh: bool = False
    x: View = None
    y: View = None
    default: View = None
    zoom: tuple[View, View] | None = None


def _pair(
    kind: str,
    files: tuple[str, ...],
    params: tuple[float | None, float],
    flops: tuple[float | None, float],
    bins: int | None,
    *,
    names: tuple[str, str] = ("left", "right"),
    last: int = 0,
    x: tuple[View, View] = (None, None),
    y: View = None,
) -> tuple[Panel, Panel]:
    """The same panel under both measures."""
    limits = {"params": params, "flops": flops}
    left, right = (
        Panel(name, kind, files, measure, ((measure, *limits[measure]),), bins, last, x=across, y=y)
        for name, measure, across in zip(names, ("params", "flops"), x, strict=True)
    )
    return left, right


def _maps(suffix: str, names: tuple[str, ...], default: View) -> tuple[Panel, ...]:
    return tuple(
        Panel(name, "map", (f"{space}_lr-wd{suffix}",), title=space, x=(-3, 0), y=(-5, -2), default=default)
        for name, space in zip(names, _LR_WD, strict=True)
    )


_VANILLA_RESNET = (("params", 0.024, 0.856),)
_NAS_PARAMS, _NAS_FLOPS = (0.154, 0.856), (0.027, 0.129)
_IN_NAS = tuple(f"{space}_in" for space in NAS)
_IN_MIXED = tuple(f"{space}_in" for space in _MIXED)

_CIFAR_ERRORS, _SAMPLE_ERRORS, _NAS_ERRORS, _IN_ERRORS = (4.5, 17.5), (4.7, 12.3), ((5, 12), (5, 12)), (27, 50)

#: Panels of each figure. Figure 1's left and middle panels show values published elsewhere.
FIGURES: dict[int, tuple[Panel, ...]] = {
    1: (Panel("right", "edf", ("ResNet-B", "ResNeXt-B"), "params", (("params", 0.023, 0.856),), 40, x=(4.5, 12.5)),),
    2: (
        Panel("left", "minima", ("ResNet",), bins=29, title="best of 100 less best of 1000", x=(-0.5, 1.0)),
        Panel(
            "right", "samples_ks", ("ResNet",), title="one sample of 100, one of 1000", fresh=True,
            x=_SAMPLE_ERRORS, zoom=((7.6, 8.6), (0.8, 0.92)),
        ),
    ),
    3: (
        Panel("left", "edf", _RESNEXT, "none", (("params", 0, 0.856), ("flops", 0, 0.129)), x=_CIFAR_ERRORS),
        *_pair(
            "edf", _RESNEXT, (0.02, 0.856), (0.008, 0.129), 40, names=("middle", "right"),
            x=(_CIFAR_ERRORS, _CIFAR_ERRORS),
        ),
    ),
    4: _pair("scatter", _RESNEXT, (0, 0.856), (0, 0.129), None, last=6000, x=((0, 0.856), (0, 0.129)), y=(4, 20)),
    5: _pair("hist", _RESNEXT, (0, 0.856), (0, 0.129), 36, x=((0, 0.856), (0, 0.129))),
    6: (
        Panel("left", "edf", ("Vanilla", "ResNet"), "params", _VANILLA_RESNET, 10, x=(5, 17.5)),
        Panel("right", "search", ("Vanilla", "ResNet"), "params", _VANILLA_RESNET, 10, last=4096, y=(5, 10)),
    ),
    7: (
        Panel("left", "samples", ("ResNet",), title="samples of one design space", x=_SAMPLE_ERRORS),
        Panel("right", "ks", ("ResNet",), last=16384, title="KS D to a sample of 16384", fresh=True, y=(-0.035, 0.8)),
    ),
    8: tuple(
        Panel(name, "widths", tuple(f"{space}_fix-w-d" for space in ("PNAS", "ENAS", "DARTS")), measure, x=across)
        for name, measure, across in (("left", "params", (0, 3)), ("right", "flops", (0, 0.5)))
    ),
    9: _pair("edf", NAS, _NAS_PARAMS, _NAS_FLOPS, 20, x=_NAS_ERRORS),
    10: _pair("search", NAS, _NAS_PARAMS, _NAS_FLOPS, 20, last=512, y=(5, 11)),
    11: _pair("edf", _MIXED, _NAS_PARAMS, _NAS_FLOPS, 20, x=_NAS_ERRORS),
    12: _maps("", _LR_WD, (0.1, 5e-4)),
    13: tuple(
        Panel(space, "reruns", (f"{space}_reruns",), title=space, x=(4.5, 10)) for space in ("Vanilla", "ResNet")
    ),
    14: tuple(
        Panel(space, "seeds", tuple(f"{space}_rng{i}" for i in (1, 2, 3)), title=space, x=_CIFAR_ERRORS)
        for space in ("Vanilla", "ResNet")
    ),
    15: _pair("bins", _RESNEXT, (0, 0.856), (0, 0.129), 20, x=((0, 20), (0, 20)), y=(4, 20)),
    16: (
        *_pair("edf", _IN_NAS, (None, 6.0), (None, 0.6), 8, names=("a", "a"), x=(_IN_ERRORS, _IN_ERRORS)),
        *_pair("search", _IN_NAS, (None, 6.0), (None, 0.6), 8, names=("b", "b"), last=32, y=_IN_ERRORS),
        *_pair("edf", _IN_MIXED, (None, 6.0), (None, 0.6), 5, names=("c", "c"), x=(_IN_ERRORS, _IN_ERRORS)),
        *_maps("_in", ("d", "d", "d"), (0.05, 5e-5)),
    ),
}  # fmt: skip
