"""Small files in the official formats of data sets."""

import pickle
from pathlib import Path

import numpy as np


def write_cifar10(folder: Path, rng: np.random.Generator, **changes: dict[str, object]) -> dict[str, np.ndarray]:
    """The official layout: pickled dictionaries of bytes, red plane first; `changes` by the names of files."""
    folder.mkdir()
    images = {}
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        rows = rng.integers(256, size=(20, 3072), dtype=np.uint8)
        labels = [int(y) for y in rng.integers(10, size=20)]
        content = {"batch_label": name, "labels": labels, "data": rows, "filenames": ["x.png"] * 20}
        (folder / name).write_bytes(pickle.dumps(content | changes.get(name, {}), protocol=2))
        images[name] = rows
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    meta = {"label_names": names, "num_vis": 3072} | changes.get("batches.meta", {})
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol=2))
    return images
