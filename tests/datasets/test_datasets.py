"""Data sets against files written in the official formats, and against the libraries that read them too."""

import dataclasses
import errno
import functools
import gzip
import hashlib
import importlib
import os
import struct
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import datasets
from datasets import cifar, digits, places, synthetic
from datasets.errors import DatasetError
from tests.datasets.official_files import write_cifar10


def test_digits_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    reference = load_digits()
    parts = [datasets.get("digits", split=split) for split in ("train", "test")]
    assert [len(part) for part in parts] == [1347, 450]
    ours = {(p.tobytes(), int(y)) for part in parts for p, y in zip(part.images, part.labels)}
    theirs = {
        (np.rint(x * 255 / 16).astype(np.uint8).reshape(8, 8, 1).tobytes(), int(y))
        for x, y in zip(reference.data, reference.target)
    }
    assert ours == theirs
    shares = np.bincount(parts[1].labels) / np.bincount(reference.target)
    assert np.all(np.abs(shares - 450 / 1797) < 0.005), "the split is not stratified"
    assert abs(parts[0].images.mean() / 255 - parts[0].mean[0]) < 1e-3
    assert abs(parts[0].images.std() / 255 - parts[0].std[0]) < 1e-3


def test_the_digits_file_has_the_checksum_that_is_written_beside_it() -> None:
    content = gzip.decompress(Path(digits.load(None, "test").source).read_bytes())
    assert hashlib.sha256(content).hexdigest() == digits.SHA256


def test_digits_compressed_anew_are_digits(tmp_path: Path) -> None:
    """As in Debian's package of scikit-learn."""
    content = gzip.decompress(Path(digits.load(None, "test").source).read_bytes())
    (tmp_path / "digits.csv.gz").write_bytes(gzip.compress(content, 1))
    assert np.array_equal(digits.load(tmp_path, "test").images, digits.load(None, "test").images)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of a server on this machine, and the folder that it serves."""
    served = tmp_path / "served"
    served.mkdir()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", served
        running.shutdown()
        thread.join()


def test_downloads_are_kept_if_their_checksum_is_right(server: tuple[str, Path], tmp_path: Path) -> None:
    address, served = server
    folder = tmp_path / "cifar-10-batches-py"
    rows = write_cifar10(folder, np.random.default_rng(0))
    name = "cifar-10-python.tar.gz"
    with tarfile.open(served / name, "w:gz") as archive:
        archive.add(folder, "cifar-10-batches-py")
    md5 = hashlib.md5((served / name).read_bytes()).hexdigest()
    kind = dataclasses.replace(cifar.CIFAR10, url=f"{address}/{name}", md5=md5)
    root = tmp_path / "fetched"
    wrong = dataclasses.replace(kind, md5="0" * 32)
    with pytest.raises(DatasetError, match=r"could not be fetched .*give that as root"):
        cifar.load(wrong, root, "test", download=True)
    assert not (root / name).exists()
    images = cifar.load(kind, root, "test", download=True)
    assert images.images[0, 0, 0, 0] == rows["test_batch"][0, 0]
    (served / name).unlink()
    assert len(cifar.load(kind, root, "test", download=True)) == 20, "it was fetched again"


def write_idx(path: Path, values: np.ndarray) -> None:
    header = bytes([0, 0, 8, values.ndim]) + b"".join(struct.pack(">I", n) for n in values.shape)
    with gzip.open(path, "wb") as out:
        out.write(header + values.tobytes())


def test_fashion_mnist_reads_idx_and_refuses_a_cut_file(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(256, size=(6, 28, 28), dtype=np.uint8)
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", np.arange(6, dtype=np.uint8))
    found = datasets.get("fashion-mnist", tmp_path, "test")
    assert np.array_equal(found.images[..., 0], images)
    assert found.classes[5] == "Sandal"
    whole = gzip.decompress((tmp_path / "t10k-images-idx3-ubyte.gz").read_bytes())
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(whole[:-1]))
    with pytest.raises(DatasetError, match=r"fetch it again"):
        datasets.get("fashion-mnist", tmp_path, "test")


@pytest.mark.parametrize(
    ("header", "values", "said"),
    [
        ([0, 28, 28], b"", "holds 0 bytes"),
        ([2**32 - 1] * 4, b"1", "holds 1 bytes"),
        ([1] * 70, b"1", "holds 1 bytes"),
        ([0, 2**32 - 1, 2**32 - 1], b"", "holds 0 bytes"),
        ([1, 20, 28], bytes(560), "1 images of 20x28 pixels"),
        ([1, 28], bytes(28), "do not fit together"),
    ],
    ids=["no images", "overflow", "70 dimensions", "none of overflow", "not square", "no images but rows"],
)
def test_idx_headers_that_cannot_be_are_refused(tmp_path: Path, header: list[int], values: bytes, said: str) -> None:
    head = bytes([0, 0, 8, len(header)]) + b"".join(struct.pack(">I", n) for n in header)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(head + values)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 3]))
    with pytest.raises(DatasetError, match=said):
        datasets.get("fashion-mnist", tmp_path, "test")
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(head[:6])
    with pytest.raises(DatasetError, match="holds 0 bytes"):
        datasets.get("fashion-mnist", tmp_path, "test")


def test_damage_to_a_compressed_idx_file_is_refused(tmp_path: Path) -> None:
    images, labels = tmp_path / "t10k-images-idx3-ubyte.gz", tmp_path / "t10k-labels-idx1-ubyte.gz"
    write_idx(images, np.random.default_rng(0).integers(256, size=(6, 28, 28), dtype=np.uint8))
    write_idx(labels, np.array([0, 1, 2, 3, 4, 10], dtype=np.uint8))
    with pytest.raises(DatasetError, match=r"labels in .* run from 0 to 10, but fashion-mnist has 10 classes"):
        datasets.get("fashion-mnist", tmp_path, "test")
    write_idx(labels, np.arange(6, dtype=np.uint8))
    whole = images.read_bytes()
    for place in np.linspace(60, len(whole) - 1, 100, dtype=int):
        images.write_bytes(whole[:place] + bytes([whole[place] ^ 8]) + whole[place + 1 :])
        with pytest.raises(DatasetError, match=r"images-idx3-ubyte\.gz is damaged"):
            datasets.get("fashion-mnist", tmp_path, "test")
    images.write_bytes(whole[:100])
    with pytest.raises(DatasetError, match=r"is damaged .*; delete it and fetch it again"):
        datasets.get("fashion-mnist", tmp_path, "test")


@pytest.mark.parametrize("damage", ["cut", "empty", "page", "flipped", "rows"])
def test_another_or_damaged_file_of_digits_is_refused(tmp_path: Path, damage: str) -> None:
    whole = Path(digits.load(None, "test").source).read_bytes()
    changed = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "page": b"<html>not here</html>",
        "flipped": whole[:9000] + bytes([whole[9000] ^ 1]) + whole[9001:],
        "rows": gzip.compress(b"\n".join(gzip.decompress(whole).split(b"\n")[:100])),
    }
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(changed[damage])
    with pytest.raises(DatasetError, match=r"digits\.csv\.gz is damaged or another file .*leave root out"):
        datasets.get("digits", tmp_path)
    path.write_bytes(whole)
    assert len(datasets.get("digits", tmp_path)) == 1347


@pytest.mark.usefixtures("fashion_mnist")
def test_the_systems_fashion_mnist_is_found_where_it_is_installed() -> None:
    images = datasets.get("fashion-mnist", split="test")
    assert np.bincount(images.labels).tolist() == [1000] * 10


def test_what_is_missing_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"download=True"):
        datasets.get("cifar10", tmp_path)
    with pytest.raises(DatasetError, match=r"train/CLASS"):
        datasets.get("imagenet", tmp_path)
    with pytest.raises(DatasetError, match=r"train/CLASS"):
        datasets.get("imagenet", tmp_path, download=True)  # which nobody may
    with pytest.raises(DatasetError, match=r"no data set is named 'mnist'.*digits"):
        datasets.get("mnist")
    with pytest.raises(DatasetError, match=r"'train' or 'test'"):
        datasets.get("digits", split="val")


@pytest.mark.parametrize("name", ["cifar10", "fashion-mnist", "imagenet", "digits"])
def test_a_folder_that_may_not_be_read_is_refused_by_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, **options: object) -> os.stat_result:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    # What a user other than root meets; the tests may run as root, whom nothing is denied.
    monkeypatch.setattr(Path, "stat", denied)
    with pytest.raises(DatasetError, match=rf"^{name}: /closed.* cannot be read \(Permission denied\); give a root"):
        datasets.get(name, "/closed", "test")


def test_the_prepared_folders_recipe_is_where_the_error_says() -> None:
    with pytest.raises(DatasetError, match=r"python -m pydoc datasets\.imagenet says how"):
        datasets.get("imagenet", "/nowhere")
    assert "Preparing it:" in str(importlib.import_module("datasets.imagenet").__doc__)


def test_a_root_is_the_only_place_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "edfstat" / "datasets"
    cache.mkdir(parents=True)
    write_cifar10(cache / "cifar-10-batches-py", np.random.default_rng(0))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("EDFSTAT_DATA", raising=False)
    assert len(datasets.get("cifar10")) > 0
    with pytest.raises(DatasetError, match="download=True"):
        datasets.get("cifar10", tmp_path / "elsewhere")


def test_home_in_edfstat_data_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path / "cifar-10-batches-py", np.random.default_rng(0))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EDFSTAT_DATA", "~")
    assert datasets.get("cifar10", split="test").source == str(tmp_path / "cifar-10-batches-py")
    assert datasets.get("cifar10", "~", split="test").source == str(tmp_path / "cifar-10-batches-py")
    monkeypatch.setenv("EDFSTAT_DATA", "~nobody-has-this-name/images")
    with pytest.raises(DatasetError, match=r"~nobody-has-this-name/images; give a path without ~"):
        datasets.get("cifar10")


def test_without_a_home_there_is_no_cache_and_other_places_are_looked_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    monkeypatch.delenv("EDFSTAT_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert places.folders(None, also=["/usr/share"]) == [Path("/usr/share")]
    with pytest.raises(DatasetError, match=r"no home folder for the ~ of ~/\.cache; .*set HOME"):
        places.cache()


def test_synthetic_images_are_reproducible_and_splits_differ() -> None:
    assert np.array_equal(synthetic.make(50).images, synthetic.make(50).images)
    assert not np.array_equal(synthetic.make(50).images, synthetic.make(50, split="test").images)


def test_a_set_without_images_is_none() -> None:
    with pytest.raises(DatasetError, match=r"holds 0 images"):
        synthetic.make(0)


def test_reading_needs_neither_torch_nor_scikit_learn() -> None:
    code = "import datasets, sys; datasets.get('digits'); print([m for m in ('torch', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_photographs_are_found_as_torchvision_finds_them(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    for name in ("a/1.JPEG", "a/2.png", "b/more/3.jpg", "b/10.JPG", "b/9.jpeg"):
        path = tmp_path / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    found, theirs = datasets.get("imagenet", tmp_path), ImageFolder(str(tmp_path / "train"))
    assert sorted(zip(found.paths, found.labels.tolist())) == sorted(theirs.samples)
    assert list(found.classes) == theirs.classes
    (tmp_path / "train" / "c").mkdir()
    (tmp_path / "train" / "c" / "readme.txt").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"train/c holds no photographs \(\.jpeg, \.jpg, \.png\)"):
        datasets.get("imagenet", tmp_path)


def test_a_part_of_a_data_set_keeps_its_order_and_is_in_every_larger_part() -> None:
    digits = datasets.get("digits")
    place = {image.tobytes(): i for i, image in enumerate(digits.images)}
    few, more = ([place[image.tobytes()] for image in digits.subset(n, seed=3).images] for n in (40, 200))
    assert few == sorted(few)
    assert more == sorted(more)
    assert set(few) < set(more)


@pytest.mark.parametrize("n", [0, -5, 2.5, True, "3"])
def test_a_part_of_a_data_set_has_a_whole_number_of_images(n: object, tmp_path: Path) -> None:
    (tmp_path / "train" / "a").mkdir(parents=True)
    (tmp_path / "train" / "a" / "1.JPEG").write_bytes(b"x")
    for images in (datasets.get("digits"), datasets.get("imagenet", tmp_path)):
        with pytest.raises(DatasetError, match="give a whole number of images, from 1"):
            images.subset(n)
