"""Sizes against the paper's tables, counts against networks built by the authors' code and printed records."""

import json
from pathlib import Path

import numpy as np
import pytest

from trainers.spaces import REGNETS, SPACES, Architecture, Architectures, complexity, regnet

DATA = Path(__file__).resolve().parents[2] / "data"
ENTRIES = json.loads((DATA / "complexity.json").read_text(encoding="utf-8"))
RECORDS = json.loads((DATA / "published_records.json").read_text(encoding="utf-8"))["records"]

#: Table 1 of the paper: depth, width, ratio, groups as "from, to, number", and the total.
TABLE_1 = {
    "Vanilla": ((1, 24, 9), (16, 256, 12), (1, 1, 1), (1, 1, 1), 1_259_712),
    "ResNet": ((1, 24, 9), (16, 256, 12), (1, 1, 1), (1, 1, 1), 1_259_712),
    "ResNeXt-A": ((1, 16, 5), (16, 256, 5), (1, 4, 3), (1, 4, 3), 11_390_625),
    "ResNeXt-B": ((1, 16, 5), (64, 1024, 5), (1, 4, 3), (1, 16, 5), 52_734_375),
}

#: Table 2: operations, nodes, output, cells in billions as printed, and exactly.
TABLE_2 = {
    "NASNet": (13, 5, "loose", 71_465_842, 71_465_842_174_521_600),
    "Amoeba": (8, 5, "loose", 556_628, 556_627_761_561_600),
    "PNAS": (8, 5, "all", 556_628, 556_627_761_561_600),
    "ENAS": (5, 5, "loose", 5_063, 5_062_500_000_000),
    "DARTS": (8, 4, "all", 242, 241_591_910_400),
}


@pytest.mark.parametrize("name", TABLE_1)
def test_stage_spaces_have_the_papers_grids_and_sizes(name: str) -> None:
    depth, width, ratio, groups, total = TABLE_1[name]
    space = SPACES[name]
    for values, (first, last, count) in zip(
        (space.depth, space.width, space.ratio, space.groups), (depth, width, ratio, groups)
    ):
        assert (values[0], values[-1], len(values)) == (first, last, count)
        # "Spaced about evenly in log space": no value is a whole step away from its even place.
        even = np.geomspace(first, last, count)
        step = np.log(last / first) / max(1, count - 1)
        assert np.all(np.abs(np.log(np.array(values) / even)) < step + 1e-12)
    assert space.size == total


@pytest.mark.parametrize("name", TABLE_2)
def test_cell_spaces_have_the_papers_operations_and_cells(name: str) -> None:
    operations, nodes, output, billions, cells = TABLE_2[name]
    space = SPACES[name]
    assert (len(space.operations), space.nodes, space.output) == (operations, nodes, output)
    assert space.num_cells == cells
    # The paper rounds halves up: 5,062.5 is printed as 5,063.
    assert (space.num_cells + 5 * 10**8) // 10**9 == billions
    assert space.size == cells**2 * 15


def test_there_are_ten_spaces_and_one_group_makes_resnet_b_of_resnext_b() -> None:
    assert list(SPACES) == [
        "Vanilla", "ResNet", "ResNet-B", "ResNeXt-A", "ResNeXt-B", "NASNet", "Amoeba", "PNAS", "ENAS", "DARTS",
    ]  # fmt: skip
    assert SPACES["ResNet-B"].size == SPACES["ResNeXt-B"].size // 5**3


def test_every_entry_of_the_oracle_is_there() -> None:
    assert len(ENTRIES) == 214
    assert len(RECORDS) == 4


@pytest.mark.parametrize("dataset", ["cifar10", "imagenet"])
def test_counts_equal_networks_built_by_the_authors_code(dataset: str) -> None:
    entries = [entry for entry in ENTRIES if entry["dataset"] == dataset]
    stem = "cifar" if dataset == "cifar10" else "imagenet"
    archs = [Architecture.from_net(entry["net"]) for entry in entries]
    macs = complexity(archs, stem=stem, flops="macs")
    published = complexity(archs, stem=stem)
    for key, counts in (("params", macs["params"]), ("flops", macs["flops"]), ("acts", macs["acts"])):
        assert counts.dtype == np.int64
        assert counts.tolist() == [entry[key] for entry in entries]
    assert published["flops"].tolist() == [entry["flops_bn5"] for entry in entries]


@pytest.mark.parametrize("name", [name for name in SPACES if name != "ResNet-B"])
def test_a_table_counts_like_its_architectures(name: str) -> None:
    nets = [entry["net"] for entry in ENTRIES if entry["space"] == name and entry["dataset"] == "cifar10"]
    assert len(nets) == 20
    table = Architectures.of(Architecture.from_net(net) for net in nets)
    assert SPACES[name].complexity(table)["params"].tolist() == [
        entry["params"] for entry in ENTRIES if entry["space"] == name and entry["dataset"] == "cifar10"
    ]
    assert table.to_nets() == nets
    assert all(SPACES[name].contains(net) for net in nets)


@pytest.mark.parametrize("record", RECORDS, ids=[record["file"] for record in RECORDS])
def test_counts_equal_the_published_records(record: dict) -> None:
    counts = complexity(record["net"])
    assert counts["params"].tolist() == [record["params"]]
    if "genotype" not in record["net"]:
        assert counts["flops"].tolist() == [record["flops"]]
    else:
        # The rule for cell networks is not public; theirs lies between our two conventions.
        macs = complexity(record["net"], flops="macs")["flops"][0]
        assert macs < record["flops"] < counts["flops"][0]
    assert SPACES[record["file"]].contains(record["net"])


@pytest.mark.parametrize("name", REGNETS)
def test_regnet_counts_equal_what_torchvision_states(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    arch = regnet(**REGNETS[name])
    for weights in models.get_model_weights(name):
        # The models tuned end to end were counted at their own resolution.
        size = 384 if "E2E" in weights.name else 224
        counts = complexity(arch, stem="simple", image_size=size, flops="macs")
        assert counts["params"].tolist() == [weights.meta["num_params"]]
        # torchvision states flops in thousandths of 10^9.
        assert abs(counts["flops"][0] / 1e9 - weights.meta["_ops"]) <= 0.0006


def test_every_regnet_of_torchvision_is_there() -> None:
    models = pytest.importorskip("torchvision.models")
    assert set(REGNETS) == {name for name in models.list_models() if name.startswith("regnet_")}
