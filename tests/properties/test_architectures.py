"""Corners of the spaces, found by hypothesis: any architecture that can be described is counted as it is built."""

import importlib.util
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import trainers
from trainers.spaces import (
    OPERATIONS,
    Architecture,
    ArchitectureError,
    CellArchitecture,
    StageArchitecture,
    StageSpace,
    complexity,
)

_PATH = Path(__file__).resolve().parents[1] / "trainers" / "nets" / "counting_module.py"
_SPEC = importlib.util.spec_from_file_location("counting_module", _PATH)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)


@st.composite
def stage_archs(draw: st.DrawFn) -> StageArchitecture:
    stages = draw(st.integers(1, 4))
    block = draw(st.sampled_from(["vanilla", "basic", "bottleneck"]))
    depths = (*(draw(st.integers(1, 3)) for _ in range(stages - 1)), draw(st.sampled_from([1, 24])))
    multipliers = tuple(draw(st.sampled_from([0.25, 0.5, 1.0, 2.0])) for _ in range(stages))
    groups = tuple(draw(st.sampled_from([1, 2, 4, 16])) for _ in range(stages))
    # A width of 16 with a multiplier of 1 and 16 groups is depthwise; 64 x 0.25 likewise.
    widths = tuple(draw(st.sampled_from([64, 128] if g == 16 else [16, 48])) for g in groups)
    strides = tuple(draw(st.sampled_from([1, 2])) for _ in range(stages))
    # Squeezed widths: 1 of 16 channels at the least, halves to round, more than there were at 1.5.
    se_ratio = draw(st.sampled_from([0.0, 0.04, 0.25, 0.28125, 1.5])) if block == "bottleneck" else 0.0
    return StageArchitecture(block, depths, widths, strides, multipliers, groups, se_ratio=se_ratio)


@st.composite
def cell_archs(draw: st.DrawFn) -> CellArchitecture:
    cells = []
    for _ in range(2):
        nodes = draw(st.integers(1, 5))
        edges = tuple(
            (draw(st.sampled_from(OPERATIONS)), draw(st.integers(0, edge // 2 + 1))) for edge in range(2 * nodes)
        )
        concat = draw(st.lists(st.integers(2, nodes + 1), min_size=1, unique=True).map(sorted))
        cells += [edges, tuple(concat)]
    return CellArchitecture(*cells, width=draw(st.integers(2, 9)), depth=draw(st.integers(1, 7)))


def check(arch: Architecture, stem: str, size: int) -> None:
    with torch.device("meta"):
        network = trainers.build(arch, num_classes=3, image_size=size, stem=stem)
    seen = _MODULE.counted(network, size)
    for convention, flops in (("macs", seen["macs"]), ("published", seen["macs"] + 3 + 5 * seen["norms"])):
        counts = complexity(arch, num_classes=3, image_size=size, stem=stem, flops=convention)
        assert {k: int(v[0]) for k, v in counts.items()} == {
            "params": seen["params"],
            "flops": flops,
            "acts": seen["acts"],
        }


@settings(max_examples=25)
@given(stage_archs(), st.sampled_from(["cifar", "imagenet", "simple"]), st.integers(1, 40))
def test_any_stage_network_is_counted_as_built(arch: StageArchitecture, stem: str, size: int) -> None:
    check(arch, stem, size)


@settings(max_examples=15)
@given(
    st.integers(1, 3).flatmap(lambda n: st.tuples(*[st.lists(st.integers(1, 40), min_size=n, max_size=n)] * 2)),
    st.floats(0.05, 2),
    st.sampled_from(["cifar", "imagenet", "simple"]),
    st.integers(1, 40),
)
def test_any_squeeze_and_excitation_is_counted_as_built_or_named(
    shape: tuple[list[int], list[int]], se_ratio: float, stem: str, size: int
) -> None:
    """Any widths and ratio: what a stage squeezes to follows its input in the first block, its own width later."""
    widths, depths = shape
    before = [16, *widths[:-1]]
    net = {
        "block_type": "res_bottleneck_block",
        "ds": [1, *(1 + depth % 3 for depth in depths)],
        "ws": [16, *widths],
        "ss": [1] * (len(widths) + 1),
        "bot_muls": [0.0, *[1.0] * len(widths)],
        "num_gs": [1, *widths],
        "se_r": se_ratio,
    }
    if any(min(b, w) * se_ratio <= 0.5 for b, w in zip(before, widths)):
        with pytest.raises(ArchitectureError, match=r"stage \d: an input of"):
            Architecture.from_net(net)
        return
    arch = Architecture.from_net(net)
    assert arch.to_net()["se_r"] == se_ratio
    check(arch, stem, size)


@settings(max_examples=25)
@given(cell_archs(), st.sampled_from(["cifar", "imagenet"]), st.integers(1, 40))
def test_any_cell_network_is_counted_as_built(arch: CellArchitecture, stem: str, size: int) -> None:
    check(arch, stem, size)


@given(st.one_of(stage_archs(), cell_archs()))
def test_any_net_comes_back(arch: Architecture) -> None:
    assert Architecture.from_net(arch.to_net()) == arch


@given(st.integers(1, 64), st.sampled_from([1, 2, 3, 4]), st.integers(1, 24))
def test_groups_pass_exactly_where_they_divide(width: int, ratio: int, groups: int) -> None:
    inner = round(width / ratio)
    options = {"multipliers": (1 / ratio,), "groups": (groups,)}
    if inner < 1 or inner % groups:
        with pytest.raises(ArchitectureError, match="stage 1"):
            StageArchitecture("bottleneck", (1,), (width,), **options)
        return
    arch = StageArchitecture("bottleneck", (1,), (width,), **options)
    assert arch.inner_widths == (inner,)
    assert StageSpace("one", "bottleneck", [1], [width], [ratio], [groups], stages=1).contains(arch)


@given(st.one_of(stage_archs(), cell_archs()), st.integers(1, 4))
def test_more_classes_cost_what_a_linear_layer_costs(arch: Architecture, more: int) -> None:
    """Params and published flops grow by the same inputs + 1 per class, acts by 1."""
    few, many = (complexity(arch, num_classes=classes) for classes in (2, 2 + more))
    grown = {key: int(many[key][0] - few[key][0]) for key in few}
    assert grown["params"] == grown["flops"] > 0
    assert grown["acts"] == more
