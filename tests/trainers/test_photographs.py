"""Decoding against Pillow, what is no JPEG among the others, and feeds that decode together or one by one."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import datasets
from edfstat import InputError, Trial
from trainers import photographs, resolve, train
from trainers.photographs import PhotographError, by_pillow, decoded, decoded_together, read, resized
from trainers.streams import StreamFeed
from trainers.task import prepare


def scene(rng: np.random.Generator, height: int = 60, width: int = 90) -> Image.Image:
    coarse = rng.integers(0, 256, size=(4, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, kind: str) -> torch.Tensor:
    out = io.BytesIO()
    picture.save(out, kind)
    return torch.frombuffer(bytearray(out.getvalue()), dtype=torch.uint8)


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "JPEG"), ("L", "JPEG"), ("RGB", "PNG"), ("P", "PNG")])
def test_pixels_are_those_of_pillow(mode: str, kind: str) -> None:
    picture = scene(np.random.default_rng(0)).convert(mode)
    data = encoded(picture, kind)
    theirs = np.asarray(Image.open(io.BytesIO(data.numpy().tobytes())).convert("RGB")).astype(int)
    assert theirs.shape == (60, 90, 3)
    for ours in (decoded(data), by_pillow(data)):
        # Both use libjpeg-turbo, of different releases perhaps.
        assert np.abs(ours.permute(1, 2, 0).numpy() - theirs).max() <= (2 if kind == "JPEG" else 0)


def test_colours_for_printing_are_read_about_as_by_pillow() -> None:
    picture = scene(np.random.default_rng(1)).convert("CMYK")
    data = encoded(picture, "JPEG")
    theirs = np.asarray(Image.open(io.BytesIO(data.numpy().tobytes())).convert("RGB")).astype(int)
    ours = decoded(data).permute(1, 2, 0).numpy().astype(int)
    assert np.abs(ours - theirs).mean() < 3


@pytest.mark.parametrize("decoder", ["torchvision", "pillow"])
def test_what_cannot_be_decoded_is_named(decoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if decoder == "pillow":
        monkeypatch.setattr(photographs, "_decoder", lambda: by_pillow)
    with pytest.raises(PhotographError, match=r"n01/7\.JPEG cannot be decoded .*replace it"):
        decoded(torch.zeros(50, dtype=torch.uint8), "n01/7.JPEG")
    deep = Image.fromarray(np.zeros((4, 4), dtype=np.uint16))
    with pytest.raises(PhotographError, match="16 bits"):
        decoded(encoded(deep, "PNG"), "deep.png")


def test_one_that_is_no_jpeg_spoils_none_of_the_others() -> None:
    rng = np.random.default_rng(2)
    files = [
        encoded(scene(rng), "JPEG"), encoded(scene(rng, 30, 30), "PNG"), encoded(scene(rng).convert("CMYK"), "JPEG"),
    ]  # fmt: skip
    together = decoded_together(files, torch.device("cpu"), ["a", "b", "c"])
    assert [list(pixels.shape) for pixels in together] == [[3, 60, 90], [3, 30, 30], [3, 60, 90]]
    assert all(torch.equal(one, decoded(data)) for one, data in zip(together, files))
    with pytest.raises(PhotographError, match="d cannot be decoded"):
        decoded_together([files[0], torch.zeros(9, dtype=torch.uint8)], torch.device("cpu"), ["a", "d"])


def test_resizing_bytes_is_resizing_numbers_to_one_level() -> None:
    pixels = decoded(encoded(scene(np.random.default_rng(3)), "PNG"))
    exact = torch.nn.functional.interpolate(
        pixels[None].double(), size=(24, 31), mode="bilinear", antialias=True
    )[0]  # fmt: skip
    assert (resized(pixels, 24, 31).double() - exact).abs().max() <= 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    for split, n in (("train", 6), ("val", 2)):
        for label in range(2):
            place = tmp_path / split / f"n{label}"
            place.mkdir(parents=True)
            for i in range(n):
                # One is a PNG by the name of a JPEG, as in ImageNet.
                scene(rng).save(place / f"{i}.JPEG", "PNG" if i == 1 else "JPEG")
    return tmp_path


def test_batches_decoded_together_are_those_decoded_one_by_one(folder: Path) -> None:
    """The way of a GPU's decoder, on the CPU: the same crops of the same photographs in the same order."""
    recipe = resolve({"batch_size": 4, "image_size": 32, "precise_bn": 8}, dataset="imagenet")
    train_set, test_set = (datasets.get("imagenet", folder, split) for split in ("train", "test"))
    feeds = [
        StreamFeed(train_set, test_set, recipe=recipe, device=torch.device("cpu"), seed=1, rank=rank, world=world)
        for rank, world in [(0, 1), (0, 1), (1, 2)]
    ]
    feeds[1].decodes = feeds[2].decodes = True
    for name, argument in (("train", [3]), ("norm", [3]), ("test", [])):
        alone, together, half = ([*getattr(feed, name)(*argument)] for feed in feeds)
        assert len(alone) == len(together) > 0
        for (a, y), (b, z) in zip(alone, together):
            assert torch.equal(a, b)
            assert torch.equal(y, z)
        if name != "test":
            assert all(torch.equal(a[1::2], b) for (a, _), (b, _) in zip(alone, half))


def test_cutout_blanks_one_square_of_the_same_crop_whatever_the_number_of_processes(folder: Path) -> None:
    def batches(cutout: int, *, rank: int = 0, world: int = 1, epoch: int = 3) -> list[tuple[torch.Tensor, ...]]:
        recipe = resolve({"batch_size": 4, "image_size": 32, "cutout": cutout}, dataset="imagenet")
        sets = [datasets.get("imagenet", folder, split) for split in ("train", "test")]
        feed = StreamFeed(*sets, recipe=recipe, device=torch.device("cpu"), seed=1, rank=rank, world=world)
        return [*feed.train(epoch)]

    whole, cut, again = batches(0), batches(16), batches(16)
    places = set()
    for (plain, _), (images, _), (repeated, _) in zip(whole, cut, again):
        assert torch.equal(images, repeated)
        for image, before in zip(images, plain):
            blank = (image == 0).all(0)
            rows, columns = blank.any(1), blank.any(0)
            # The centre lies inside, so a quarter of the square at least.
            assert 8 * 8 <= int(blank.sum()) <= 16 * 16
            assert torch.equal(blank, rows[:, None] & columns[None, :])
            assert torch.equal(image[:, ~blank], before[:, ~blank])
            places.add((int(rows.nonzero()[0]), int(columns.nonzero()[0])))
    assert len(places) > 6
    halves = [batches(16, rank=rank, world=2) for rank in (0, 1)]
    for (images, _), *parts in zip(cut, *halves):
        assert all(torch.equal(images[rank::2], part) for rank, (part, _) in enumerate(parts))
    assert not any(torch.equal(a, b) for (a, _), (b, _) in zip(cut, batches(16, epoch=4)))


def test_half_of_the_crops_are_mirrored_and_the_centre_is_cut_as_for_the_paper(folder: Path) -> None:
    """224 pixels of a shorter side of 256, and in that proportion of any other."""
    sets = [datasets.get("imagenet", folder, split) for split in ("train", "test")]

    def feed(side: int) -> StreamFeed:
        recipe = resolve({"batch_size": 4, "image_size": side}, dataset="imagenet")
        return StreamFeed(*sets, recipe=recipe, device=torch.device("cpu"), seed=1)

    brighter = torch.arange(0, 240, 3, dtype=torch.uint8).expand(3, 60, 80)
    crops = [feed(32)._random(brighter, np.random.default_rng(i)).float() for i in range(300)]
    mirrored = [bool((crop[..., 0] > crop[..., -1]).all()) for crop in crops]
    assert np.mean(mirrored) == pytest.approx(0.5, abs=0.12)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 256, 320), dtype=np.uint8))
    assert torch.equal(feed(224)._centre(pixels, 0), pixels[:, 16:240, 48:272])
    assert torch.equal(feed(56)._centre(pixels[:, :64, :100], 0), pixels[:, 4:60, 22:78])


def test_a_damaged_photograph_ends_the_trial_with_its_name(folder: Path) -> None:
    damaged = folder / "train" / "n1" / "3.JPEG"
    damaged.write_bytes(b"no photograph")
    net = {"block_type": "res_basic_block", "ds": [1] * 5, "ws": [8] * 5, "ss": [4, 1, 2, 2, 2]}
    recipe = {"batch_size": 12, "image_size": 32, "precise_bn": 0}
    record = train(Trial("ResNet", net, "imagenet", recipe, {"max_ep": 1}), device="cpu", root=folder)
    assert record["status"] == "error"
    assert str(damaged) in record["message"]


def test_hidden_folders_and_files_are_no_classes_and_no_photographs(folder: Path) -> None:
    (folder / "val" / ".ipynb_checkpoints").mkdir()
    (folder / "val" / "n0" / "._0.JPEG").write_bytes(b"what another system leaves")
    images = datasets.get("imagenet", folder, "test")
    assert images.classes == ("n0", "n1")
    assert [(Path(path).parent.name, label) for path, label in zip(images.paths, images.labels)] == [
        ("n0", 0), ("n0", 0), ("n1", 1), ("n1", 1),
    ]  # fmt: skip


def test_splits_of_different_classes_are_refused(folder: Path) -> None:
    (folder / "val" / "a").mkdir()
    (folder / "val" / "a" / "1.JPEG").write_bytes(b"x")
    net = {"block_type": "res_basic_block", "ds": [1] * 5, "ws": [8] * 5, "ss": [4, 1, 2, 2, 2]}
    trial = Trial("ResNet", net, "imagenet", {"batch_size": 12, "image_size": 32}, {"max_ep": 1})
    with pytest.raises(InputError, match=r"train and .*val do not hold the same classes \(a is in one"):
        prepare(trial, folder)


def test_reading_gives_the_bytes_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.JPEG").write_bytes(bytes(range(256)))
    assert read(tmp_path / "a.JPEG").tolist() == list(range(256))
