"""`python -m trainers.spaces`: what a user types, and what comes out."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from trainers.spaces import CIFAR_CAPS, SPACES, complexity
from trainers.spaces.__main__ import main

PAGE = Path(__file__).resolve().parents[3] / "docs" / "design_spaces.md"


def test_the_list_holds_the_sizes_of_the_papers_tables(capsys: pytest.CaptureFixture) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    for number in ("1,259,712", "11,390,625", "52,734,375", "71,465,842,174,521,600", "241,591,910,400"):
        assert number in said
    assert "ResNet-B: A published space whose grid is not known" in said


def test_a_sample_goes_to_a_file_is_counted_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    nets, again = tmp_path / "nets.json", tmp_path / "again.json"
    sample = ["sample", "DARTS", "-n", "4", "--seed", "3", "--cifar-caps", "--out", str(nets)]
    assert main(sample) == 0
    expected = SPACES["DARTS"].sample(4, rng=3, **CIFAR_CAPS)
    assert f"{expected.drawn} drawn" in capsys.readouterr().err
    rows = json.loads(nets.read_text(encoding="utf-8"))
    assert [row["net"] for row in rows] == expected.to_nets()
    assert [row["flops"] for row in rows] == complexity(expected)["flops"].tolist()
    assert main(["count", str(nets), "--out", str(again)]) == 0
    assert again.read_text(encoding="utf-8") == nets.read_text(encoding="utf-8")
    assert main(["count", str(nets), "--space", "NASNet"]) == 0
    assert {row["why_not"] for row in json.loads(capsys.readouterr().out)} == {
        "the normal cell has 4 nodes; in NASNet it has 5"
    }
    assert main(["draw", str(nets), str(tmp_path / "cell.svg"), "--index", "3"]) == 0
    assert "reduction cell" in (tmp_path / "cell.svg").read_text(encoding="utf-8")


def test_resnet_56_is_counted_from_a_bare_net(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """The known numbers of ResNet-56: 855,770 parameters, 125,747,840 multiply-adds."""
    net = {"block_type": "res_basic_block", "ds": [1, 9, 9, 9], "ws": [16, 16, 32, 64], "ss": [1, 1, 2, 2]}
    path = tmp_path / "net.json"
    path.write_text(json.dumps(net), encoding="utf-8")
    assert main(["count", str(path), "--flops", "macs"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["params"], row["flops"]) == (855_770, 125_747_840)


def test_a_definition_in_a_file_is_a_space(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("{name: mine, block: basic, stages: 2, depth: [1, 2], width: [8, 16]}", encoding="utf-8")
    assert main(["sample", str(path), "-n", "16", "--no-replacement"]) == 0
    said = capsys.readouterr()
    assert len({json.dumps(row["net"]) for row in json.loads(said.out)}) == 16
    assert "16 of 16 architectures of mine" in said.err


@pytest.mark.parametrize(
    ("command", "content", "word"),
    [
        ("sample Nasnet", "", "known are Vanilla"),
        ("sample FILE.yaml", "name: [", "is not YAML"),
        ("sample missing.yaml", "", "missing.yaml: No such file or directory; check the path"),
        ("sample ResNet --max-params 10", "", "no architecture of ResNet"),
        ("sample ResNet --cifar-caps --max-params 10", "", "or limits of your own"),
        ("sample ResNet --min-flops 9 --max-flops 8", "", "min_flops is 9, above max_flops, 8"),
        ("sample ResNet -n 1 --out .", "", "Is a directory"),
        ("sample ResNet --seed -1", "", "rng is -1"),
        ("count FILE.json", "{", "is no JSON"),
        ("count FILE.json", "[3]", "FILE.json, architecture 0 (from 0): "),
        (
            "count FILE.json",
            '[{"block_type": "basic", "ds": [1, 1], "ws": [16, 8], "ss": [1, 1]}, {}]',
            "architecture 1 (from 0): ",
        ),
        ("draw FILE.json out.svg --index 1", "[3, {}]", "FILE.json, architecture 1 (from 0): "),
        ("draw FILE.json out.svg --index 2", "[{}]", "--index is 2"),
        (
            "draw FILE.json out.gif",
            '{"block_type": "basic", "ds": [1, 1], "ws": [16, 8], "ss": [1, 1]}',
            ".svg or .png",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence_and_exit_code_2(
    command: str,
    content: str,
    word: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("FILE.yaml", "FILE.json"):
        Path(name).write_text(content, encoding="utf-8")
    assert main(shlex.split(command)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert word in said


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line for line in block.splitlines() if line.startswith("python -m trainers.spaces")]
    assert len(lines) == 4
    for line in lines:
        words = [sys.executable, *shlex.split(line, comments=True)[1:]]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "first.svg").stat().st_size > 1000
