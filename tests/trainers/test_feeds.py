"""Batched augmentation against torchvision's, schedules by hand, precise batch-norm against plain statistics."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import functional as reference

from datasets import synthetic
from edfstat import InputError
from trainers import load_recipe, resolve
from trainers.evaluation import precise_norm
from trainers.feeds import DeviceFeed
from trainers.schedules import learning_rate


def feed(**changes: object) -> DeviceFeed:
    images = synthetic.make(200, image_size=16)
    test = synthetic.make(50, image_size=16, split="test")
    recipe = resolve({"batch_size": 50, **changes})
    return DeviceFeed(images, test, recipe=recipe, device=torch.device("cpu"), seed=3)


def test_every_augmented_image_is_a_shifted_or_mirrored_crop_of_its_own_image() -> None:
    images = synthetic.make(200, image_size=16)
    padding, fill = images.augmentation.crop_padding, list(images.augmentation.fill)
    mean, std = torch.tensor(images.mean), torch.tensor(images.std)
    allowed: dict[bytes, tuple[int, tuple[bool, int, int]]] = {}
    pixels = torch.from_numpy(images.images).permute(0, 3, 1, 2)
    padded = reference.pad(pixels, [padding] * 4, fill=fill)
    for flip in (False, True):
        for top in range(2 * padding + 1):
            for left in range(2 * padding + 1):
                crops = reference.crop(padded, top, left, 16, 16)
                crops = reference.horizontal_flip(crops) if flip else crops
                view = flip, top, left
                allowed |= {crop.contiguous().numpy().tobytes(): (i, view) for i, crop in enumerate(crops)}
    seen, views = [], []
    source = feed()
    for batch, labels in (pair for epoch in range(5) for pair in source.train(epoch)):
        assert batch.is_contiguous(memory_format=torch.channels_last)
        back = (batch * std[:, None, None] + mean[:, None, None]).mul(255).round().to(torch.uint8)
        for crop, label in zip(back, labels):
            number, view = allowed[crop.contiguous().numpy().tobytes()]
            assert images.labels[number] == int(label)
            seen.append(number)
            views.append(view)
    assert sorted(seen) == sorted([*range(200)] * 5)
    # All 50 come up, each as likely as the others.
    assert len(set(views)) == 2 * (2 * padding + 1) ** 2
    assert np.mean([flip for flip, _, _ in views]) == pytest.approx(0.5, abs=0.06)


def test_epochs_differ_and_repeat() -> None:
    one, two = feed(), feed()
    list(one.train(0))
    first, again = next(one.train(1))[0], next(two.train(1))[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, next(one.train(2))[0])


def test_test_images_are_plain() -> None:
    images = synthetic.make(50, image_size=16, split="test")
    batch, labels = next(feed().test())
    expected = (images.images[7] / 255 - 0.5) / 0.22
    assert np.allclose(batch[7].permute(1, 2, 0).numpy(), expected, atol=1e-5)
    assert labels.tolist() == images.labels.tolist()


def test_cutout_blanks_one_square() -> None:
    batch, _ = next(feed(cutout=8, augment=False).train(0))
    heights, widths = set(), set()
    for image in batch:
        blank = (image == 0).all(0)
        rows, columns = blank.any(1), blank.any(0)
        assert torch.equal(blank, rows[:, None] & columns[None, :])
        heights.add(int(rows.sum()))
        widths.add(int(columns.sum()))
    # The centre lies anywhere, so that half of the square at most is beyond each border.
    assert heights == widths == {4, 5, 6, 7, 8}


def test_learning_rate_is_half_a_cosine() -> None:
    rates = [learning_rate(e, base_lr=0.1, epochs=100) for e in range(100)]
    assert rates[0] == 0.1
    assert rates[50] == pytest.approx(0.05)
    assert rates[99] == pytest.approx(0.05 * (1 + np.cos(0.99 * np.pi)))


def test_warm_up_begins_at_a_tenth_of_the_schedule() -> None:
    constant = {"base_lr": 0.1, "epochs": 10, "warmup_epochs": 4, "schedule": "constant"}
    assert [learning_rate(e, **constant) for e in (0, 2, 4, 9)] == pytest.approx([0.01, 0.055, 0.1, 0.1])
    half = learning_rate(2, base_lr=0.1, epochs=4, warmup_epochs=4)
    assert half == pytest.approx(0.55 * 0.05)


def test_precise_norm_is_the_mean_over_batches() -> None:
    source = feed(precise_bn=100)
    net = nn.Sequential(nn.BatchNorm2d(3))
    precise_norm(net, source, 0, torch.no_grad)
    batches = [images for images, _ in source.norm(0)]
    assert len(batches) == 2
    assert torch.allclose(net[0].running_mean, torch.stack([b.mean((0, 2, 3)) for b in batches]).mean(0), atol=1e-5)
    assert torch.allclose(net[0].running_var, torch.stack([b.var((0, 2, 3)) for b in batches]).mean(0), atol=1e-5)
    assert net[0].momentum == 0.1
    # So many images or a few more, but none twice.
    assert [len(list(feed(precise_bn=images).norm(0))) for images in (0, 1, 50, 101, 1024)] == [0, 1, 1, 3, 4]


def test_recipes_come_from_yaml(tmp_path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: enhanced\nepochs: 30\nlabel_smoothing: 0.1\n")
    recipe = resolve(load_recipe(path), optim={"base_lr": 0.2})
    assert (recipe.epochs, recipe.cutout, recipe.base_lr) == (30, 16, 0.2)
    assert resolve(load_recipe(path), optim={"max_ep": 7}).epochs == 7, "what a trial says comes first"
    path.write_text("epochs: many\n")
    with pytest.raises(InputError, match="epochs is 'many'"):
        load_recipe(path)
