"""Images of one's own: what is read from an archive, where it is found, and how a wrong one is refused."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datasets
from datasets import npz
from datasets.errors import DatasetError
from edfstat import NotReady, Trial
from trainers import train


def arrays(seed: int = 0, channels: int = 3, side: int = 8) -> dict[str, Any]:
    """As MedMNIST writes them: labels in a column, a validation part beside."""
    random = np.random.default_rng(seed)
    form = (side, side) if channels == 1 else (side, side, channels)
    made: dict[str, Any] = {}
    for split, n in (("train", 300), ("val", 20), ("test", 100)):
        made[f"{split}_images"] = random.integers(0, 200, size=(n, *form), dtype=np.uint8)
        made[f"{split}_labels"] = random.integers(0, 3, size=(n, 1)).astype(np.uint8)
    return made


def written(path: Path, changes: dict[str, Any] | None = None, **options: Any) -> Path:
    made = {**arrays(**options), **(changes or {})}
    np.savez(path, **{name: value for name, value in made.items() if value is not None})
    return path


@pytest.mark.parametrize("channels", [1, 3])
def test_an_archive_is_read_as_it_was_written(tmp_path: Path, channels: int) -> None:
    path = written(tmp_path / "mine.npz", channels=channels)
    made = arrays(channels=channels)
    for split in ("train", "test"):
        found = datasets.get(str(path), split=split)
        assert np.array_equal(found.images, made[f"{split}_images"].reshape(-1, 8, 8, channels))
        assert np.array_equal(found.labels, made[f"{split}_labels"][:, 0])
        assert (found.name, found.split, found.classes) == ("mine.npz", split, ("0", "1", "2"))
        scaled = made["train_images"].reshape(-1, channels) / 255
        assert found.mean == pytest.approx(tuple(scaled.mean(axis=0)), abs=1e-12)
        assert found.std == pytest.approx(tuple(scaled.std(axis=0)), abs=1e-12)
        assert (found.augmentation.crop_padding, found.augmentation.flip) == (1, False)
        assert found.augmentation.fill == tuple(np.rint(255 * scaled.mean(axis=0)).astype(int))
    assert npz.shape(path) == (300, 8, channels, 3)


def test_names_of_classes_and_augmentation_are_its_own(tmp_path: Path) -> None:
    extra = {"classes": ["a", "b", "c", "d"], "crop_padding": 2, "flip": True}
    found = datasets.get(str(written(tmp_path / "mine.npz", extra)))
    assert found.classes == ("a", "b", "c", "d")
    assert (found.augmentation.crop_padding, found.augmentation.flip) == (2, True)
    assert npz.shape(tmp_path / "mine.npz")[3] == 4


def test_images_of_one_grey_are_not_divided_by_nothing(tmp_path: Path) -> None:
    grey = np.full((300, 8, 8), 51, dtype=np.uint8)
    found = datasets.get(str(written(tmp_path / "grey.npz", {"train_images": grey}, channels=1)))
    assert (found.mean, found.std) == (pytest.approx((0.2,)), (1.0,))


def test_it_is_found_from_here_in_a_root_and_in_the_places_of_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "data").mkdir()
    written(tmp_path / "here" / "one.npz", seed=1)
    written(tmp_path / "data" / "two.npz", seed=2)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("EDFSTAT_DATA", str(tmp_path / "data"))
    assert datasets.located("one.npz") == str(tmp_path / "here" / "one.npz")
    assert datasets.located("two.npz") == "two.npz"
    assert datasets.get("two.npz").source == str(tmp_path / "data" / "two.npz")
    assert datasets.get("two.npz", root=tmp_path / "data").source == str(tmp_path / "data" / "two.npz")
    for missing in ({"name": "one.npz", "root": tmp_path / "data"}, {"name": "three.npz"}):
        with pytest.raises(DatasetError, match=rf"{missing['name']} is not .*give the path of a NumPy archive"):
            datasets.get(**missing)


def test_another_file_of_the_name_is_read_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.npz", seed=1)
    before = datasets.get(str(path))
    changed = arrays(seed=2)
    np.savez_compressed(path, **changed)
    after = datasets.get(str(path))
    assert before.mean != after.mean
    assert np.array_equal(after.labels, changed["train_labels"][:, 0])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_images": np.zeros((300, 8, 8))}, r"train_images is float64 of shape \(300, 8, 8\); give uint8"),
        ({"test_images": np.zeros((100, 64), np.uint8)}, r"test_images is uint8 of shape \(100, 64\)"),
        ({"test_images": None}, "no array test_images; give train_images, train_labels, test_images, test_labels"),
        ({"test_labels": None}, "no array test_labels"),
        ({"train_labels": np.zeros(300)}, r"train_labels is float64 of shape \(300,\); give a whole number"),
        ({"train_labels": np.zeros((300, 14), int)}, r"train_labels is int64 of shape \(300, 14\)"),
        ({"test_labels": np.zeros(99, int)}, r"labels of mine.npz are int64 \(99,\)"),
        ({"test_images": np.zeros((100, 8, 9, 3), np.uint8)}, "8x9 pixels; give one or more, square"),
        ({"classes": ["a", "b"]}, "labels .* run from 0 to 2, but mine.npz has 2 classes"),
        ({"classes": [1.5, 2.5, 3.5]}, "classes is float64"),
        ({"crop_padding": -1}, "crop_padding is int64 .*; give one whole number, from 0"),
        ({"flip": "yes"}, "flip is <U3"),
        ({"classes": np.array([print, 1, 2], dtype=object)}, "no NumPy archive of plain arrays"),
    ],
)
def test_what_is_wrong_with_an_archive_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = written(tmp_path / "mine.npz", changes)
    with pytest.raises(DatasetError, match=said):
        [datasets.get(str(path), split=split) for split in ("train", "test")]


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.npz").read_bytes()
    path = tmp_path / "mine.npz"
    middle = len(whole) // 3
    for damaged in (
        whole[: len(whole) // 2],
        b"",
        b"PK\x03\x04nothing",
        whole[:middle] + b"\xff" * 40 + whole[middle + 40 :],
    ):
        path.write_bytes(damaged)
        with pytest.raises(DatasetError, match=r"mine.npz is damaged, or no NumPy archive"):
            datasets.get(str(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train_images.npy", b"\x93NUMPY\x09\x00 a version that is none")
    with pytest.raises(DatasetError, match=r"mine.npz is damaged"):
        npz.shape(path)


NET = {"block_type": "res_basic_block", "ds": [1, 1, 1, 1], "ws": [16, 16, 16, 16], "ss": [1, 1, 2, 2]}


def test_digits_written_to_an_archive_train_as_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same pixels in the same order: what differs is the fifth digit of mean and std, and what grows from it."""
    made: dict[str, Any] = {}
    for split in ("train", "test"):
        digits = datasets.get("digits", split=split)
        made |= {f"{split}_images": digits.images, f"{split}_labels": digits.labels}
    np.savez(tmp_path / "digits.npz", **made)
    monkeypatch.chdir(tmp_path)
    plain = {"augment": False, "epochs": 6}
    one, other = (train(Trial("ResNet", NET, name, plain), device="cpu") for name in ("digits", "digits.npz"))
    assert (one["status"], one["params"], one["flops"]) == ("ok", other["params"], other["flops"])
    # Rounding grows from step to step, differently on each processor; three epochs in, the two are still close.
    assert other["train_ep_loss"][:3] == pytest.approx(one["train_ep_loss"][:3], rel=0.05)
    assert max(one["min_test_top1"], other["min_test_top1"]) < 15


def test_a_file_that_is_missing_is_nothing_of_the_trials(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"gone.npz is not"):
        train(Trial("ResNet", NET, str(tmp_path / "gone.npz")), device="cpu")
