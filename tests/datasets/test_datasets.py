"""Data sets against files written in the official formats, and against the libraries that read them too."""

import dataclasses
import errno
import functools
import gzip
import hashlib
import importlib
import os
import pickle
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


def write_cifar10(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The official layout: pickled dictionaries of bytes, red plane first."""
    folder.mkdir()
    images = {}
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        rows = rng.integers(256, size=(20, 3072), dtype=np.uint8)
        labels = [int(y) for y in rng.integers(10, size=20)]
        content = {"batch_label": name, "labels": labels, "data": rows, "filenames": ["x.png"] * 20}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
        images[name] = rows
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names, "num_vis": 3072}, protocol=2))
    return images


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


def put(folder: Path, name: str, **changes: object) -> None:
    """A file of `write_cifar10` with some of its values replaced."""
    (folder / name).write_bytes(pickle.dumps(pickle.loads((folder / name).read_bytes()) | changes, protocol=2))


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
    write_cifar10(folder, np.random.default_rng(0))
    put(folder, name, **changes)
    with pytest.raises(DatasetError, match=said):
        datasets.get("cifar10", tmp_path, "test")


def test_a_file_as_large_as_the_official_one_that_is_another_is_remarked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar10(folder, np.random.default_rng(0))
    put(folder, "test_batch", data=np.zeros((10_000, 3072), np.uint8), labels=[0] * 10_000)
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


def test_a_batch_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_cifar10(tmp_path / "cifar-10-batches-py", np.random.default_rng(0))
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").unlink()
    with pytest.raises(DatasetError, match=r"data_batch_3 cannot be read \(No such file.*give a root whose files are"):
        datasets.get("cifar10", tmp_path)


def test_the_prepared_folders_recipe_is_where_the_error_says() -> None:
    with pytest.raises(DatasetError, match=r"python -m pydoc datasets\.imagenet says how"):
        datasets.get("imagenet", "/nowhere")
    assert "Preparing it:" in str(importlib.import_module("datasets.imagenet").__doc__)


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
