"""The C compiler: found or not, and what it made kept for the next process."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.trainers.trials import NET
from trainers import build
from trainers.nets import cpu

pytestmark = pytest.mark.usefixtures("compiled")


def test_only_where_a_trial_has_one_thread() -> None:
    assert cpu.fused(torch.zeros(1))
    torch.set_num_threads(2)
    assert not cpu.fused(torch.zeros(1))


def kept_in(folder: Path) -> list[Path]:
    return sorted((folder / "edfstat" / "kernels").iterdir())


@pytest.mark.usefixtures("compiled_anew")
def test_compiled_once_and_again_where_the_file_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    # By other processes, as none opens a file of one name twice.
    command = [sys.executable, "-c", "from trainers.nets import cpu; assert cpu.available()"]
    subprocess.run(command, check=True)
    (made,) = kept_in(tmp_path)
    whole, written = made.read_bytes(), made.stat().st_mtime_ns
    subprocess.run(command, check=True)
    assert made.stat().st_mtime_ns == written
    made.write_bytes(whole[:1000])
    assert cpu.available()
    assert kept_in(tmp_path) == [made]
    assert made.read_bytes() == whole


@pytest.mark.parametrize("change", ["compiler", "flags", "sources", "header", "processor"])
def test_another_file_for_what_is_made_otherwise(change: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = cpu._key(["cc"])
    (tmp_path / "other.h").write_text(cpu.HEADER.read_text() + "/* changed */")
    if change == "flags":
        monkeypatch.setattr(cpu, "FLAGS", (*cpu.FLAGS, "-g"))
    elif change == "sources":
        monkeypatch.setattr(cpu, "SOURCES", cpu.SOURCES[:1])
    elif change == "header":
        monkeypatch.setattr(cpu, "HEADER", tmp_path / "other.h")
    elif change == "processor":
        monkeypatch.setattr(cpu, "_processor", lambda: b"another")
    assert cpu._key(["cc", "-O1"] if change == "compiler" else ["cc"]) != before


@pytest.mark.usefixtures("compiled_anew")
def test_a_kept_file_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that is mounted noexec: each process compiles its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    content = b"no library"
    (tmp_path / "edfstat" / "kernels").mkdir(parents=True)
    (tmp_path / "edfstat" / "kernels" / f"layers-{cpu._key(['cc'])}-{cpu._digest(content)}.so").write_bytes(content)
    assert cpu.available()


@pytest.mark.usefixtures("compiled_anew")
def test_a_file_that_others_could_have_written_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    key, content = cpu._key(["cc"]), b"of somebody"
    (tmp_path / "edfstat" / "kernels").mkdir(parents=True)
    planted = tmp_path / "edfstat" / "kernels" / f"layers-{key}-{cpu._digest(content)}.so"
    planted.write_bytes(content)
    planted.chmod(0o644)
    assert cpu._kept(key) == planted
    planted.chmod(0o666)
    assert cpu._kept(key) is None
    planted.chmod(0o644)
    planted.rename(tmp_path / "elsewhere.so")
    planted.symlink_to(tmp_path / "elsewhere.so")
    assert cpu._kept(key) is None
    assert cpu.available()


@pytest.mark.usefixtures("compiled_anew")
def test_a_cache_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cpu.available()


@pytest.mark.usefixtures("compiled_anew")
@pytest.mark.parametrize(
    ("compiler", "said"),
    [
        ("no-such-cc", "no-such-cc"),
        ("cc -fno-such-flag", "-fno-such-flag"),
        ("cc 'x", "No closing quotation"),
        ("cc -fvisibility=hidden", "left out norm_forward"),
    ],
)
def test_without_a_compiler_torch_does_it(
    compiler: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with caplog.at_level(logging.INFO, "trainers"):
        assert not cpu.available()
        assert not cpu.available()
    (message,) = caplog.messages  # once, not in each layer
    assert said in message
    assert build(NET, num_classes=10)(torch.randn(2, 3, 8, 8)).shape == (2, 10)
