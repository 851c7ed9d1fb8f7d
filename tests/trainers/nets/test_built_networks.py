"""Built networks: their own layers add up to the arithmetic, they train a step, and their extras work."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import trainers
from trainers.spaces import SPACES, ArchitectureError, complexity

_SPEC = importlib.util.spec_from_file_location("counting_module", Path(__file__).with_name("counting_module.py"))
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
counted = _MODULE.counted

CELLS = ("NASNet", "Amoeba", "PNAS", "ENAS", "DARTS")
SETTINGS = (("cifar", 32, 3), ("cifar", 28, 1), ("cifar", 8, 1), ("imagenet", 224, 3), ("cifar", 9, 2))


def on_meta(arch: object, **options: object) -> nn.Module:
    """A network without storage: shapes are worked out, nothing is computed."""
    with torch.device("meta"):
        return trainers.build(arch, **options)


def check_counts(sample: list, stem: str, size: int, channels: int) -> None:
    options = {"stem": stem, "image_size": size, "in_channels": channels, "num_classes": 7}
    macs, published = complexity(sample, flops="macs", **options), complexity(sample, **options)
    for i, arch in enumerate(sample):
        seen = counted(on_meta(arch, **options), size, channels)
        assert seen["params"] == macs["params"][i]
        assert seen["macs"] == macs["flops"][i]
        assert seen["acts"] == macs["acts"][i]
        assert seen["macs"] + 7 + 5 * seen["norms"] == published["flops"][i]


@pytest.mark.parametrize("name", SPACES)
def test_modules_add_up_to_the_arithmetic(name: str) -> None:
    sample = SPACES[name].sample(5, rng=np.random.default_rng(17))
    for i, (stem, size, channels) in enumerate(SETTINGS):
        check_counts([sample[i]], stem, size, channels)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("name", SPACES)
def test_hundreds_of_modules_add_up_to_the_arithmetic(name: str, part: int) -> None:
    sample = list(SPACES[name].sample(200, rng=np.random.default_rng(99))[50 * part : 50 * part + 50])
    for i, (stem, size, channels) in enumerate(SETTINGS):
        check_counts(sample[10 * i : 10 * i + 10], stem, size, channels)


def small(name: str, n: int) -> list:
    """The smallest of a sample, so that a CPU trains a step quickly."""
    sample = SPACES[name].sample(20 * n, rng=8)
    return list(sample[np.argsort(complexity(sample)["flops"])[:n]])


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (32, 3)])
@pytest.mark.parametrize("name", SPACES)
def test_a_training_step_stays_finite(name: str, size: int, channels: int) -> None:
    torch.manual_seed(0)
    for arch in small(name, 2):
        network = trainers.build(arch, num_classes=5, in_channels=channels, image_size=size, aux=True)
        network.set_drop_path(0.2)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
        images, labels = torch.randn(4, channels, size, size), torch.tensor([0, 1, 2, 3])
        for _ in range(2):
            logits, side = network(images)
            loss = nn.functional.cross_entropy(logits, labels) + 0.4 * nn.functional.cross_entropy(side, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            assert torch.isfinite(loss)
        assert all(torch.isfinite(parameter).all() for parameter in network.parameters())
        network.eval()
        assert network(images).shape == (4, 5)


@pytest.mark.parametrize("name", CELLS)
def test_the_auxiliary_head_has_the_parameters_of_the_authors(name: str) -> None:
    import json

    data = Path(__file__).resolve().parents[2] / "data" / "complexity.json"
    entries = [e for e in json.loads(data.read_text(encoding="utf-8")) if "params_aux" in e]
    chosen = [e for e in entries if e["space"] in (name, f"{name}_in")]
    for entry in chosen[:3] + chosen[-1:]:
        imagenet = entry["dataset"] == "imagenet"
        options = {"num_classes": 1000 if imagenet else 10, "stem": "imagenet" if imagenet else "cifar"}
        with_head = on_meta({**entry["net"], "aux": True}, **options)
        assert sum(p.numel() for p in with_head.parameters()) == entry["params_aux"]
        assert sum(p.numel() for p in on_meta(entry["net"], **options).parameters()) == entry["params"]


def test_drop_path_drops_whole_images_keeps_the_mean_and_rests_in_evaluation() -> None:
    from trainers.nets import DropPath

    torch.manual_seed(1)
    drop, ones = DropPath(), torch.ones(20_000, 2, 1, 1)
    assert drop(ones) is ones
    drop.set(0.3)
    out = drop(ones)
    assert torch.equal(out[:, 0], out[:, 1])
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)
    assert (out == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert drop.eval()(ones) is ones
    assert not DropPath().state_dict()
    with pytest.raises(ValueError, match=r"1\.0"):
        drop.set(1.0)


def test_drop_path_changes_training_and_spares_identities() -> None:
    skips = [["skip_connect", 0], ["skip_connect", 1]]
    genotype = {"normal": skips, "normal_concat": [2], "reduce": [["conv_1x1", 0]] * 2, "reduce_concat": [2]}
    network = trainers.build({"genotype": genotype, "width": 4, "depth": 3}, num_classes=3)
    images = torch.randn(6, 3, 8, 8)
    torch.manual_seed(0)
    plain = network(images)
    network.set_drop_path(0.5)
    torch.manual_seed(0)
    assert not torch.allclose(plain, network(images))
    # A normal cell of identities only has nothing that could be dropped.
    normal = network.cells[0]
    states = torch.randn(2, 12, 8, 8)
    assert torch.equal(normal(states, states), normal(states, states))


def test_a_dropped_path_of_a_stage_wise_network_leaves_its_shortcut() -> None:
    net = {"block_type": "res_basic_block", "ds": [1, 2], "ws": [8, 8], "ss": [1, 1]}
    network = trainers.build(net, num_classes=3)
    block = next(part for part in network.stages[0] if part.projection is None)
    images = torch.randn(5, 8, 6, 6)
    network.set_drop_path(0.999999)
    torch.manual_seed(0)
    assert torch.equal(block(images), images.relu())
    network.set_drop_path(0)
    assert not torch.equal(block(images), images.relu())


def test_the_same_torch_seed_builds_the_same_network() -> None:
    arch = SPACES["DARTS"].sample(1, rng=0)[0]
    built = []
    for _ in range(2):
        torch.manual_seed(3)
        built.append(trainers.build(arch, num_classes=10).state_dict())
    assert all(torch.equal(a, b) for a, b in zip(built[0].values(), built[1].values()))


def test_initialisation_has_the_stated_spread() -> None:
    torch.manual_seed(0)
    network = trainers.build(SPACES["ResNet"].sample(1, rng=1)[0], num_classes=10)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 5000:
            fan_out = module.kernel_size[0] ** 2 * module.out_channels
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)


@pytest.mark.parametrize("name", ["regnet_x_400mf", "regnet_y_400mf", "regnet_y_800mf"])
def test_a_regnet_adds_up_like_torchvisions_module(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    from trainers.spaces import REGNETS, regnet

    arch = regnet(**REGNETS[name])
    # Theirs reads numbers from tensors while it is built, so it needs storage.
    theirs = counted(getattr(models, name)(), 224)
    ours = counted(on_meta(arch, num_classes=1000, stem="simple"), 224)
    assert ours == theirs


def test_what_cannot_be_built_is_named() -> None:
    cell = SPACES["DARTS"].sample(1, rng=0)[0]
    with pytest.raises(ArchitectureError, match="simple"):
        trainers.build(cell, num_classes=10, stem="simple")
    with pytest.raises(ArchitectureError, match="num_classes is 0"):
        trainers.build(cell, num_classes=0)
    with pytest.raises(ArchitectureError, match="huge"):
        trainers.build(cell, num_classes=10, stem="huge")
