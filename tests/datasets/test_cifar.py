"""CIFAR: the official layout is read, whatever is damaged or hostile is refused in one sentence."""

import gzip
import hashlib
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

import datasets
from datasets import cifar
from datasets.errors import DatasetError
from tests.datasets.official_files import write_cifar10


@pytest.mark.parametrize("archived", [False, True])
def test_cifar10_reads_the_official_layout(tmp_path: Path, archived: bool) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    rows = write_cifar10(folder, np.random.default_rng(0))
    root = tmp_path
    if archived:
        root = tmp_path / "archives"
        root.mkdir()
        with tarfile.open(root / "cifar-10-python.tar.gz", "w:gz") as archive:
            archive.add(folder, "cifar-10-batches-py")
    train, test = (datasets.get("cifar10", root, split) for split in ("train", "test"))
    assert train.images.shape == (100, 32, 32, 3)
    assert train.classes[3] == "cat"
    # Image 0, channel 2 (blue), row 5, column 7.
    assert test.images[0, 5, 7, 2] == rows["test_batch"][0, 2 * 1024 + 5 * 32 + 7]
    assert train.augmentation == datasets.Augmentation(4, True, (125, 123, 114))


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("test_batch", {"labels": [99] * 20}, "labels in .* run from 99 to 99, but cifar10 has 10 classes"),
        ("test_batch", {"labels": [-1] * 20}, "labels in .* run from -1 to -1, but cifar10 has 10 classes"),
        ("test_batch", {"labels": [1.5] * 20}, "labels of float64"),
        ("test_batch", {"labels": [1] * 19}, "labels of cifar10 are int64"),
        ("test_batch", {"data": np.full((20, 3072), 300)}, "data of int64"),
        ("test_batch", {"data": np.full((20, 3072), -5.0)}, "data of float64"),
        ("test_batch", {"data": 7}, "is not of the form of cifar10"),
        ("batches.meta", {"label_names": ["cat", "dog"]}, "2 label_names"),
    ],
)
def test_cifar_values_that_cannot_be_are_refused(
    tmp_path: Path, name: str, changes: dict[str, object], said: str
) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar10(folder, np.random.default_rng(0), **{name: changes})
    with pytest.raises(DatasetError, match=said):
        datasets.get("cifar10", tmp_path, "test")


def test_a_file_as_large_as_the_official_one_that_is_another_is_remarked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    large = {"data": np.zeros((10_000, 3072), np.uint8), "labels": [0] * 10_000}
    write_cifar10(folder, np.random.default_rng(0), test_batch=large)
    assert len(datasets.get("cifar10", tmp_path, "test")) == 10_000
    assert "test_batch is not the official file" in caplog.text
    caplog.clear()
    md5 = hashlib.md5((folder / "test_batch").read_bytes()).hexdigest()
    monkeypatch.setitem(cifar.MD5, "test_batch", md5)
    assert len(datasets.get("cifar10", tmp_path, "test")) == 10_000
    assert not caplog.text


def test_the_checksums_of_cifar_are_those_of_torchvision() -> None:
    from torchvision.datasets import CIFAR10, CIFAR100

    lists = [*CIFAR10.train_list, *CIFAR10.test_list, *CIFAR100.train_list, *CIFAR100.test_list]
    assert dict(lists) == cifar.MD5
    assert (CIFAR10.tgz_md5, CIFAR100.tgz_md5) == (cifar.CIFAR10.md5, cifar.CIFAR100.md5)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_damaged_pickles_are_read_or_refused_in_one_sentence(tmp_path: Path, protocol: int) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar10(folder, np.random.default_rng(0))
    content = {"labels": [3, 4], "data": np.zeros((2, 3072), np.uint8)}
    whole = pickle.dumps(content, protocol=protocol)
    rng = np.random.default_rng(1)
    refused = []
    for _ in range(400):
        damaged = bytearray(whole)
        # Where the instructions are, not the pixels between them.
        place = int(rng.integers(300)) * int(rng.choice([1, -1]))
        damaged[place : place + int(rng.integers(3))] = rng.bytes(int(rng.integers(1, 5)))
        (folder / "test_batch").write_bytes(damaged)
        try:
            datasets.get("cifar10", tmp_path, "test")
        except DatasetError as error:
            refused.append(str(error))
    assert len(refused) > 100
    assert not [said for said in refused if str(folder) not in said or "\n" in said]


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02}r\xff\xff\xff\x7f.",
        b"cnumpy\nndarray\n(L100000000000L\ntR.",
        b"\x80\x05\x96" + b"\xff" * 5 + b"\0\0\0.",
    ],
    ids=["memo", "array", "bytes"],
)
def test_a_pickle_that_would_fill_the_memory_is_refused(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar10(folder, np.random.default_rng(0))
    (folder / "test_batch").write_bytes(data)
    # Not a MemoryError turned into a sentence: what has that much memory would use it up.
    with pytest.raises(DatasetError, match=r"damaged \((UnpicklingError|TypeError|ValueError)"):
        datasets.get("cifar10", tmp_path, "test")


def archived(root: Path) -> Path:
    write_cifar10(root / "cifar-10-batches-py", np.random.default_rng(0))
    (root / "archives").mkdir()
    path = root / "archives" / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(root / "cifar-10-batches-py", "cifar-10-batches-py")
    return path


def test_a_flipped_bit_anywhere_in_an_archive_is_noticed(tmp_path: Path) -> None:
    path = archived(tmp_path)
    whole = path.read_bytes()
    # The header of gzip, ten bytes and the name, is in no checksum.
    for place in np.linspace(100, len(whole) - 1, 40, dtype=int):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(DatasetError, match=r"tar\.gz is damaged .*; delete it and fetch it again"):
            datasets.get("cifar10", path.parent, "test")
    path.write_bytes(gzip.decompress(whole))
    assert len(datasets.get("cifar10", path.parent, "test")) == 20, "unpacked on the way, as some browsers do"


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>not here</html>", gzip.compress(b""), "folders"],
    ids=["empty", "page", "nothing", "folders"],
)
def test_what_is_no_archive_of_cifar_is_refused_in_one_line(tmp_path: Path, content: bytes | str) -> None:
    path = archived(tmp_path)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name in ("batches.meta", "test_batch"):
                member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
    # Also where it could be fetched: what is there is the user's, who may delete it.
    with pytest.raises(DatasetError, match=r"^.*cifar-10-python\.tar\.gz .*; delete it and fetch it again$"):
        datasets.get("cifar10", path.parent, "test", download=True)


def test_cifar100_reads_the_official_layout(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("train", "test"):
        content = {
            "fine_labels": [99, 0], "coarse_labels": [1, 2], "data": rng.integers(256, size=(2, 3072), dtype=np.uint8),
        }  # fmt: skip
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": [f"c{i}" for i in range(100)]}, protocol=2))
    images = datasets.get("cifar100", tmp_path, "test")
    assert images.labels.tolist() == [99, 0]
    assert images.num_classes == 100


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar10(folder, np.random.default_rng(0))
    (folder / "data_batch_3").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DatasetError, match=r"system"):
        datasets.get("cifar10", tmp_path, "train")


def test_a_batch_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "cifar-10-batches-py", np.random.default_rng(0))
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").unlink()
    with pytest.raises(DatasetError, match=r"data_batch_3 cannot be read \(No such file.*give a root whose files are"):
        datasets.get("cifar10", tmp_path)
