"""The page on design spaces says what is: its Python runs, its sweep definitions make the spaces it describes."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from trainers.spaces import SPACES, from_dict, regnet

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "design_spaces.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_python_runs_and_its_regnet_is_the_known_one() -> None:
    names: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as said:
        for block in blocks("python"):
            exec(compile(block, "design_spaces.md", "exec"), names)
    assert said.getvalue().startswith("52734375 ")
    known = {"depth": 22, "w0": 24, "wa": 24.48, "wm": 2.54, "group_width": 16}
    assert names["my_regnet"](**known) == regnet(**known)
    # Docs promise about 20 lines for a space of one's own.
    rule = blocks("python")[1].split("def my_regnet")[1].split("space =")[0]
    assert len(rule.strip().splitlines()) <= 20


def test_the_sweep_definitions_make_spaces() -> None:
    yaml = pytest.importorskip("yaml")
    grid, variant = (from_dict(yaml.safe_load(block)) for block in blocks("yaml"))
    # By hand, (width, ratio) -> groups of 1, 4, 8 that divide: 16/1: 3, 16/2: 3, 24/1: 3, 24/2 = 12: 2,
    # 32/1: 3, 32/2: 3, 48/1: 3, 48/2 = 24: 3.
    assert grid.size == (3 * 23) ** 3
    assert variant.size == SPACES["DARTS"].num_cells ** 2


def test_the_table_states_the_sizes() -> None:
    for name in ("Vanilla", "ResNet", "ResNeXt-A", "ResNeXt-B", "ResNet-B"):
        assert f"{SPACES[name].size:,}" in PAGE
