"""Round trips through the published `net`, and what impossible architectures are told."""

import copy
import json
from collections import namedtuple

import pytest

from edfstat.errors import InputError
from trainers.spaces import (
    SPACES,
    Architecture,
    ArchitectureError,
    Architectures,
    CellArchitecture,
    StageArchitecture,
    complexity,
)

BOTTLENECK = {
    "block_type": "res_bottleneck_block",
    "ds": [1, 16, 1, 4],
    "ws": [16, 64, 128, 16],
    "ss": [1, 1, 2, 2],
    "bot_muls": [0.0, 0.25, 0.25, 0.25],
    "num_gs": [1, 2, 1, 2],
}
CELL = {
    "genotype": {
        "normal": [["sep_conv_3x3", 0], ["none", 1], ["max_pool_3x3", 2], ["skip_connect", 1]],
        "normal_concat": [2, 3],
        "reduce": [["dil_conv_5x5", 1], ["conv_1x1", 1], ["conv_7x1_1x7", 0], ["avg_pool_3x3", 0]],
        "reduce_concat": [2, 3],
    },
    "width": 16,
    "depth": 8,
    "aux": True,
    "drop_prob": 0.2,
}


def changed(net: dict, *path: object, value: object) -> dict:
    """A copy of a net with one entry changed, or removed where the value is `...`."""
    new = copy.deepcopy(net)
    place = new
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return new


@pytest.mark.parametrize("net", [BOTTLENECK, CELL], ids=["stages", "cells"])
def test_a_net_comes_back_as_it_was(net: dict) -> None:
    arch = Architecture.from_net(net)
    assert arch.to_net() == net
    assert json.loads(json.dumps(arch.to_net())) == net
    assert Architecture.from_net(arch.to_net()) == arch
    assert hash(Architecture.from_net(arch.to_net())) == hash(arch)


@pytest.mark.parametrize("name", SPACES)
def test_samples_come_back_and_are_contained(name: str) -> None:
    space = SPACES[name]
    sample = space.sample(200, rng=5)
    again = [Architecture.from_net(json.loads(json.dumps(net))) for net in sample.to_nets()]
    assert again == sample
    assert all(space.why_not(arch) is None for arch in again)
    assert Architectures.of(again) == sample
    assert space.complexity(again)["flops"].tolist() == space.complexity(sample)["flops"].tolist()


def test_new_key_names_mean_the_same_net() -> None:
    renamed = {("bms" if k == "bot_muls" else "gws" if k == "num_gs" else k): v for k, v in BOTTLENECK.items()}
    assert Architecture.from_net(renamed) == Architecture.from_net(BOTTLENECK)
    vanilla = {"block_type": "vanilla_block", "ds": [1, 2], "ws": [16, 8], "ss": [1, 1]}
    assert Architecture.from_net(vanilla).to_net() == {
        "block_type": "double_plain_block", "ds": [1, 2], "ws": [16, 8], "ss": [1, 1], "bot_muls": [], "num_gs": [],
    }  # fmt: skip


def test_the_later_layout_has_no_stem_in_its_lists_and_group_widths() -> None:
    later = {
        "stem_w": 16, "block_type": "res_bottleneck_block", "ds": [16, 1, 4], "ws": [64, 128, 16], "ss": [1, 2, 2],
        "bms": [0.25] * 3, "gws": [8, 32, 2],
    }  # fmt: skip
    arch = Architecture.from_net(later)
    assert arch.groups == (2, 1, 2)
    assert arch.widths == (64, 128, 16)
    assert arch == Architecture.from_net(BOTTLENECK)
    renamed = {"ds": "depths", "ws": "widths", "ss": "strides", "bms": "bot_muls", "gws": "group_ws"}
    latest = {renamed.get(key, key): value for key, value in later.items()}
    assert Architecture.from_net(latest) == arch
    assert Architecture.from_net(latest | {"stem_type": "res_stem_in"}).to_net()["ss"] == [4, 1, 2, 2]


def test_a_named_tuple_is_a_genotype() -> None:
    kind = namedtuple("Genotype", ["normal", "normal_concat", "reduce", "reduce_concat"])
    genotype = CELL["genotype"]
    as_tuple = kind(
        [tuple(edge) for edge in genotype["normal"]], range(2, 4),
        [tuple(edge) for edge in genotype["reduce"]], range(2, 4),
    )  # fmt: skip
    assert Architecture.from_net({**CELL, "genotype": as_tuple}) == Architecture.from_net(CELL)


LATER = {
    "block_type": "res_bottleneck_block", "stem_w": 32, "ds": [1, 2], "ws": [16, 32], "ss": [2, 2], "bms": [1.0, 1.0],
    "gws": [8, 8],
}  # fmt: skip


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (changed(BOTTLENECK, "num_gs", 2, value=3), ["stage 2", "3 groups", "inner width 32", "divide"]),
        (changed(BOTTLENECK, "ds", value=[1]), ["list of stages is empty"]),
        (changed(BOTTLENECK, "ds", 1, value=0), ["stage 1", "depth", "0", "at least 1"]),
        (changed(BOTTLENECK, "ws", 3, value=-4), ["stage 3", "width", "-4"]),
        (changed(BOTTLENECK, "ws", 3, value=16.5), ["stage 3", "16.5", "whole number"]),
        (changed(BOTTLENECK, "bot_muls", 1, value=0.0), ["stage 1", "multiplier", "positive"]),
        (changed(BOTTLENECK, "bot_muls", 1, value=0.001), ["stage 1", "no inner channel"]),
        (changed(BOTTLENECK, "bot_muls", 1, value=None), ["stage 1", "multiplier is None"]),
        (LATER | {"gws": [8, "x"]}, ["stage 2", "group width", "'x'"]),
        (LATER | {"ws": [16, "x"]}, ["stage 2", "width", "'x'"]),
        (LATER | {"gws": [8, 5]}, ["stage 2", "group width 5", "inner width 32"]),
        (changed(BOTTLENECK, "ss", value=[1, 1, 2]), ["4, 4 and 3"]),
        (changed(BOTTLENECK, "block_type", value="dense_block"), ["dense_block", "bottleneck"]),
        (changed(BOTTLENECK, "ws", value=...), ["lacks", "ws"]),
        (changed(BOTTLENECK, "num_gs", value=[1, 2]), ["groups", "1 entries for 3 stages"]),
        (changed(BOTTLENECK, "num_gs", value=...) | {"num_groups": [1, 2, 1, 2]}, ["'num_groups'", "'num_gs'"]),
        (changed(BOTTLENECK, "bot_muls", value=...) | {"bot_mul": [0, 1, 1, 1]}, ["'bot_mul'", "'bot_muls'"]),
        (changed(CELL, "genotype", "normal", 2, value=["conv_9x9", 0]), ["normal cell, node 3", "conv_9x9"]),
        (changed(CELL, "genotype", "reduce", 0, value=["none", 2]), ["reduction cell, node 2", "index 2", "below"]),
        (changed(CELL, "genotype", "normal", value=[]), ["normal cell", "two"]),
        (changed(CELL, "genotype", "normal", 0, value=["none"]), ["node 2", "pair"]),
        (changed(CELL, "genotype", "reduce_concat", value=[2, 4]), ["reduce_concat", "index 4", "2 to 3"]),
        (changed(CELL, "genotype", "reduce_concat", value=[]), ["reduce_concat", "at least one"]),
        (changed(CELL, "genotype", "normal_concat", value=[2, 2]), ["normal_concat", "once"]),
        (changed(CELL, "drop_prob", value=1.0), ["drop_prob", "1.0"]),
        (changed(CELL, "drop_prob", value=[0.2]), ["drop_prob", "[0.2]"]),
        (changed(CELL, "depth", value=...), ["lacks", "depth"]),
        (changed(CELL, "genotype", "normal", value=...), ["lacks", "normal"]),
        ({}, ["block_type", "genotype"]),
    ],
)
def test_an_impossible_architecture_is_named_with_its_rule(net: dict, words: list[str]) -> None:
    with pytest.raises(ArchitectureError) as caught:
        Architecture.from_net(net)
    assert isinstance(caught.value, InputError)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    # A space answers the same question without raising.
    assert SPACES["ResNeXt-A"].why_not(net) == str(caught.value)


@pytest.mark.parametrize(
    ("space", "net", "word"),
    [
        ("ResNeXt-A", changed(BOTTLENECK, "ds", 2, value=3), "stage 2: depth 3"),
        ("ResNeXt-A", changed(BOTTLENECK, "ws", 1, value=80), "stage 1: width 80"),
        ("ResNeXt-A", changed(BOTTLENECK, "num_gs", 1, value=8), "stage 1: groups 8"),
        ("ResNeXt-A", changed(BOTTLENECK, "bot_muls", 2, value=0.75), "stage 2: ratio 1.33"),
        ("ResNeXt-A", changed(BOTTLENECK, "ss", 2, value=1), "strides"),
        ("ResNeXt-A", changed(BOTTLENECK, "ws", 0, value=64), "stem width is 64"),
        ("ResNeXt-A", changed(BOTTLENECK, "ss", 0, value=4), "stem stride is 4"),
        ("ResNeXt-B", BOTTLENECK, "stage 3: width 16"),
        ("ResNet", BOTTLENECK, "block is bottleneck"),
        ("ResNet", CELL, "made of cells"),
        ("DARTS", BOTTLENECK, "stage-wise"),
        ("DARTS", CELL, "2 nodes"),
    ],
)
def test_why_not_names_the_first_thing_off_the_grid(space: str, net: dict, word: str) -> None:
    assert word in (SPACES[space].why_not(net) or "")
    assert not SPACES[space].contains(net)
    assert Architecture.from_net(net)  # off the grid, but never refused


def test_loose_ends_are_required_where_a_space_joins_them() -> None:
    arch = SPACES["ENAS"].sample(1, rng=0)[0]
    net = arch.to_net()
    net["genotype"]["normal_concat"] = [2, 3, 4, 5, 6]
    assert "no other node reads" in (SPACES["ENAS"].why_not(net) or "")
    assert SPACES["ENAS"].why_not(arch) is None


def test_tables_index_like_sequences() -> None:
    table = SPACES["DARTS"].sample(5, rng=0)
    assert isinstance(table[0], CellArchitecture)
    assert table[-1] == table[4]
    assert list(table[1:3]) == [table[1], table[2]]
    assert table[[4, 0]][1] == table[0]
    with pytest.raises(IndexError, match="5"):
        table[5]
    mixed = Architectures.of(
        [StageArchitecture("basic", (1,), (8,)), table[0], StageArchitecture("vanilla", (1,), (8,))]
    )
    assert len(mixed) == 3
    assert mixed[[2, 0]][1] == mixed[0] == StageArchitecture("basic", (1,), (8,))
    one_by_one = [int(complexity(arch)["flops"][0]) for arch in mixed]
    assert complexity(mixed)["flops"].tolist() == complexity(list(mixed))["flops"].tolist() == one_by_one
    with pytest.raises(ArchitectureError, match="empty"):
        Architectures.of([])


JUNK = (None, True, -1, 1.5, float("nan"), float("inf"), 10**30, "3", b"1", [], [None], {}, {1}, 1j, object())


@pytest.mark.parametrize("net", [BOTTLENECK, LATER, CELL], ids=["stages", "later", "cells"])
def test_wrong_values_anywhere_in_a_net_are_errors_of_ours_or_a_network(net: dict) -> None:
    def paths(value: object, path: tuple = ()) -> list[tuple]:
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [path] * bool(path) + [found for key, part in parts for found in paths(part, (*path, key))]

    refused = 0
    for path in paths(net):
        for junk in (*JUNK, ...):
            try:
                arch = Architecture.from_net(changed(net, *path, value=junk))
                assert Architecture.from_net(arch.to_net()) == arch
            except ArchitectureError:
                refused += 1
    assert refused > 100


def test_counts_beyond_64_bits_are_refused_not_wrapped() -> None:
    wide = StageArchitecture("basic", (1, 1), (10**9, 16))
    with pytest.raises(ArchitectureError, match=r"architecture 1 .*64-bit"):
        complexity([StageArchitecture("basic", (1, 1), (16, 16)), wide])
    # By hand: a stem of 16, then 9 w (16 + w) + 16 w weights and 6 w of batch norms, and the classifier's 10 (w + 1).
    width = 500_000_000
    params = complexity(StageArchitecture("basic", (1,), (width,)), image_size=1)["params"][0]
    assert int(params) == 9 * 3 * 16 + 32 + 9 * width * (16 + width) + 16 * width + 6 * width + 10 * (width + 1)


def test_squeeze_and_excitation_goes_through_the_net() -> None:
    arch = StageArchitecture("bottleneck", (2, 1), (16, 32), se_ratio=0.25)
    assert arch.to_net()["se_r"] == 0.25
    assert Architecture.from_net(arch.to_net()) == arch != StageArchitecture("bottleneck", (2, 1), (16, 32))
    assert arch.squeezed_widths == ((4, 4), (4, 8))
    three = StageArchitecture("bottleneck", (1, 1, 1), (16, 16, 16), se_ratio=0.25)
    assert "se_ratio is 0.25" in (SPACES["ResNeXt-A"].why_not(three) or "")
    with pytest.raises(ArchitectureError, match="belongs to bottlenecks"):
        StageArchitecture("basic", (1,), (16,), se_ratio=0.25)
    with pytest.raises(ArchitectureError, match="stage 1: an input of 16 channels"):
        StageArchitecture("bottleneck", (1,), (16,), se_ratio=0.01)
