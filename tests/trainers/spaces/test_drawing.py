"""Drawings are written, hold what they should, and are the same each time."""

from pathlib import Path

import pytest

from trainers.spaces import SPACES, ArchitectureError, save_drawing


@pytest.mark.parametrize("name", ["Vanilla", "ResNeXt-B", "NASNet", "DARTS"])
def test_a_drawing_names_every_part(name: str, tmp_path: Path) -> None:
    arch = SPACES[name].sample(1, rng=3)[0]
    text = save_drawing(arch, tmp_path / "arch.svg").read_text(encoding="utf-8")
    if name in ("NASNet", "DARTS"):
        words = [f"{index}: {operation}" for operation, index in (*arch.normal, *arch.reduce)]
    else:
        words = [f"{d} x {arch.block}" for d in arch.depths] + [f"{w} channels" for w in arch.widths]
    assert all(word in text for word in words)
    assert text == save_drawing(arch, tmp_path / "again.svg").read_text(encoding="utf-8")
    assert save_drawing(arch.to_net(), tmp_path / "arch.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ArchitectureError, match=r"\.gif"):
        save_drawing(arch, tmp_path / "arch.gif")
