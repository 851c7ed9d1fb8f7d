"""The paper's figures as data: which files, which range of complexity, how many bins, which sizes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FIGURES", "NAS", "Panel", "doubling"]

NAS = ("NASNet", "Amoeba", "PNAS", "ENAS", "DARTS")
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
    largest, over the files, of a file's smallest complexity.
    """

    name: str
    kind: str
    files: tuple[str, ...]
    measure: str = "none"
    ranges: tuple[tuple[str, float | None, float], ...] = ()
    bins: int | None = None
    last: int = 0
    title: str = ""


def _pair(
    kind: str,
    files: tuple[str, ...],
    params: tuple[float | None, float],
    flops: tuple[float | None, float],
    bins: int | None,
    *,
    names: tuple[str, str] = ("left", "right"),
    last: int = 0,
) -> tuple[Panel, Panel]:
    """The same panel under both measures."""
    limits = {"params": params, "flops": flops}
    left, right = (
        Panel(name, kind, files, measure, ((measure, *limits[measure]),), bins, last)
        for name, measure in zip(names, ("params", "flops"), strict=True)
    )
    return left, right


def _maps(suffix: str, names: tuple[str, ...]) -> tuple[Panel, ...]:
    return tuple(
        Panel(name, "map", (f"{space}_lr-wd{suffix}",), title=space) for name, space in zip(names, _LR_WD, strict=True)
    )


_VANILLA_RESNET = (("params", 0.024, 0.856),)
_NAS_PARAMS, _NAS_FLOPS = (0.154, 0.856), (0.027, 0.129)
_IN_NAS = tuple(f"{space}_in" for space in NAS)
_IN_MIXED = tuple(f"{space}_in" for space in _MIXED)

#: Panels of each figure. Figure 1's left and middle panels show values published elsewhere.
FIGURES: dict[int, tuple[Panel, ...]] = {
    1: (Panel("right", "edf", ("ResNet-B", "ResNeXt-B"), "params", (("params", 0.023, 0.856),), 40),),
    2: (
        Panel("left", "minima", ("ResNet",), bins=29, title="best of 100 less best of 1000"),
        Panel("right", "samples_ks", ("ResNet",), title="one sample of 100, one of 1000"),
    ),
    3: (
        Panel("left", "edf", _RESNEXT, "none", (("params", 0, 0.856), ("flops", 0, 0.129))),
        *_pair("edf", _RESNEXT, (0.02, 0.856), (0.008, 0.129), 40, names=("middle", "right")),
    ),
    4: _pair("scatter", _RESNEXT, (0, 0.856), (0, 0.129), None, last=6000),
    5: _pair("hist", _RESNEXT, (0, 0.856), (0, 0.129), 36),
    6: (
        Panel("left", "edf", ("Vanilla", "ResNet"), "params", _VANILLA_RESNET, 10),
        Panel("right", "search", ("Vanilla", "ResNet"), "params", _VANILLA_RESNET, 10, last=4096),
    ),
    7: (
        Panel("left", "samples", ("ResNet",), title="samples of one design space"),
        Panel("right", "ks", ("ResNet",), last=16384, title="KS D to a sample of 16384"),
    ),
    8: tuple(
        Panel(name, "widths", tuple(f"{space}_fix-w-d" for space in ("PNAS", "ENAS", "DARTS")), measure)
        for name, measure in (("left", "params"), ("right", "flops"))
    ),
    9: _pair("edf", NAS, _NAS_PARAMS, _NAS_FLOPS, 20),
    10: _pair("search", NAS, _NAS_PARAMS, _NAS_FLOPS, 20, last=512),
    11: _pair("edf", _MIXED, _NAS_PARAMS, _NAS_FLOPS, 20),
    12: _maps("", _LR_WD),
    13: tuple(Panel(space, "reruns", (f"{space}_reruns",), title=space) for space in ("Vanilla", "ResNet")),
    14: tuple(
        Panel(space, "seeds", tuple(f"{space}_rng{i}" for i in (1, 2, 3)), title=space)
        for space in ("Vanilla", "ResNet")
    ),
    15: _pair("bins", _RESNEXT, (0, 0.856), (0, 0.129), 20),
    16: (
        *_pair("edf", _IN_NAS, (None, 6.0), (None, 0.6), 8, names=("a", "a")),
        *_pair("search", _IN_NAS, (None, 6.0), (None, 0.6), 8, names=("b", "b"), last=32),
        *_pair("edf", _IN_MIXED, (None, 6.0), (None, 0.6), 5, names=("c", "c")),
        *_maps("_in", ("d", "d", "d")),
    ),
}
