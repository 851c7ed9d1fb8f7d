"""One folder of synthetic files for all tests of the paper's figures."""

from pathlib import Path

import pytest

from tests.published.published_data import NAS, write_file, write_reruns


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    for name in ("Vanilla", "ResNet-B", "ResNeXt-A", "ResNeXt-B", *NAS, "ResNeXt-A_in", "ResNeXt-B_in"):
        write_file(folder, name, 1500)
    write_file(folder, "ResNet", 16_400)
    for name in NAS:
        write_file(folder, f"{name}_in", 400)
    for name in ("PNAS_fix-w-d", "ENAS_fix-w-d", "DARTS_fix-w-d", "Vanilla_lr-wd", "ResNet_lr-wd", "DARTS_lr-wd"):
        write_file(folder, name, 200)
    for name in ("Vanilla_lr-wd_in", "ResNet_lr-wd_in"):  # DARTS_lr-wd_in is missing on purpose
        write_file(folder, name, 100)
    for seed in (1, 2, 3):
        for space in ("Vanilla", "ResNet"):
            write_file(folder, f"{space}_rng{seed}", 500, seed)
    write_reruns(folder, "Vanilla_reruns")
    write_reruns(folder, "ResNet_reruns")
    return folder
