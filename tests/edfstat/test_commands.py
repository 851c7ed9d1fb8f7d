"""The command line as a user meets it: output, exit codes, one line of complaint."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import edfstat
from edfstat import commands, compare
from edfstat.example import example_population
from edfstat.printing import comparison_json

SAMPLES = Path(__file__).parents[1] / "data" / "published"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        commands.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(done.value.code or 0), out, err


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "info", SAMPLES / "ResNet.json", SAMPLES / "ResNeXt-A.json")
    assert code == 0
    assert "80 models" in out
    assert "ResNeXt-A" in out
    code, out, _ = run(capsys, "info", "--json", SAMPLES / "ResNet.json")
    jobs = json.loads((SAMPLES / "ResNet.json").read_text())
    (group,) = json.loads(out)["groups"]
    assert group["error"]["best"] == min(job["min_test_top1"] for job in jobs)
    assert group["params"]["highest"] == max(job["params"] for job in jobs)


def test_info_and_compare_agree_on_the_median(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of an even number of models, the error that half of them reach: 6 of 5, 6, 9, 9, and 5 of 5 and a failure."""
    table = tmp_path / "own.csv"
    table.write_text("space,error,status\nA,9,ok\nA,5,ok\nA,6,ok\nA,9,ok\nB,5,ok\nB,,diverged\n")
    _, out, _ = run(capsys, "info", table, "--json")
    assert [group["error"]["median"] for group in json.loads(out)["groups"]] == [6.0, 5.0]
    _, out, _ = run(capsys, "compare", table, "--json")
    assert json.loads(out)["variables"]["median"]["values"] == [[6.0, 5.0]]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_no_number_is_broken_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    found = comparison_json(compare(example_population(), complexity="none"), "")["variables"]
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    _, out, _ = run(capsys, "compare", "example", "--complexity", "none")
    out = out[out.index("errors as they are") :]
    whole = [f"{value:.3f}" for name in ("auc", "auc_lower", "auc_upper", "ks") for value in found[name]["values"].flat]
    assert [value for value in ["Vanilla", "ResNet", *whole] if value not in re.split(r"[^\w.-]+", out)] == []
    assert max(map(len, re.sub(r"\x1b\[[\d;]*m", "", out).splitlines())) <= columns


def test_ranges_are_those_of_compare(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ranges = ["--range", "params=30000:3e5", "--range", "flops=900000:2e6"]
    code, out, _ = run(capsys, "compare", "example", *ranges, "--resamples", "9", "--json")
    found = json.loads(out)
    measures = found["coordinates"]["measure"]
    lower, upper = (dict(zip(measures, found["variables"][name]["values"], strict=True)) for name in ("lower", "upper"))
    assert code == 0
    assert [(lower[name], upper[name]) for name in ("params", "flops")] == [(3e4, 3e5), (9e5, 2e6)]
    params = example_population()["params"].values
    place = measures.index("params")
    assert sum(found["variables"]["used"]["values"][place]) == ((params > 3e4) & (params < 3e5)).sum()
    code, _, _ = run(capsys, "report", "example", *ranges, "--resamples", "9", "-o", tmp_path / "r.md")
    assert (code, "| params | ResNet | 30 k | 300 k |" in (tmp_path / "r.md").read_text(encoding="utf-8")) == (0, True)


def test_convert(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "convert", SAMPLES / "ResNet.json", tmp_path / "x.nc")
    assert code == 0
    assert "40 models" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["info", "nowhere.json"], "nowhere.json"),
        (["info"], "FILE"),
        (["info", ""], "the name of a file is empty"),
        (["info", "x" * 300], "File name too long: xxx"),
        (["convert", "example", f"{'x' * 300}.nc"], "File name too long"),
        (["report", "example", "-o", f"{'x' * 300}.html"], "File name too long"),
        (["inof", "x"], "inof"),
        (["info", "x", "--wrong"], "--wrong"),
        (["compare", "example", "--bins", "many"], "--bins"),
        (
            ["compare", "example", "--by", "net"],
            "at most 64 groups: give files of fewer of them, or another --by, such as",
        ),
        (["report", "example", "--by", "net"], "by is 'net', which makes 128 groups of 128 models"),
        (["compare", "example", "--range", "params"], "--range is 'params'; give a measure"),
        (["compare", "example", "--range", "params=1:many"], "--range is 'params=1:many'; give a measure"),
        (["compare", "example", "--range", "params=-inf:inf"], "give low:high with low < high, both finite"),
        (["compare", "example", "--range", "params=3:1"], "give low:high with low < high"),
        (["compare", "example", "--range", "loss=1:3"], "range has ['loss'], which are not compared"),
        (["report", "example", "-o", "x.html", "--range", "params"], "--range is 'params'; give a measure"),
        (["report", str(SAMPLES / "ResNet.json"), "-o", "nowhere/report.html"], "no folder"),
        (["report", str(SAMPLES / "ResNet.json"), "-o", "report.docx"], ".html"),
        (["convert", str(SAMPLES / "ResNet.json"), "out.xlsx"], ".nc"),
        (["fetch", "ResNet-1001"], "none of the published files"),
        (["paper", "--data", "nowhere", "-o", "out"], "nowhere"),
        (["paper", "--data", ".", "-o", "out"], "ResNet.json"),
        (["compare", "example", "--seed", "-1"], "--seed"),
        (["compare"], "see edfstat compare --help"),
        (["convert", "example", f"{__file__}/x.nc"], "test_commands.py is a file"),
        (["info", "example", "--column", "error"], "--column"),
        (["info", "example", "--column", "error=nope"], "--space and --column are for files"),
        (["info", "example", "--space", "mine"], "--space and --column are for files"),
        (["info", str(SAMPLES / "ResNet.json"), "--column", "error=nope"], "--column error=nope is for tables"),
    ],
)
def test_wrong_input_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_a_download_that_fails_is_one_line_and_code_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edfstat.downloads.PAUSE", 0.0)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        code, out, err = run(capsys, "fetch", "ResNet", "--directory", tmp_path, "--url", address)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"edfstat: {address}")
    assert "EDFSTAT_DEBUG" not in err
    assert "name a mirror (--url or EDFSTAT_MIRROR)" in err


def test_a_name_that_is_not_utf_8(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rows = "".join(f"{space},{5 + i}\n" for space in "AB" for i in range(5))
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/r\xe9s.csv")
    Path(odd).write_text(f"space,error\n{rows}")
    for command in ("info", "compare"):
        code, out, _ = run(capsys, command, odd, "--json")
        assert code == 0
        assert json.loads(out)
    for command in (["convert", odd, f"{odd}.nc"], ["report", odd, "-o", f"{odd}.html"]):
        code, out, _ = run(capsys, *command)
        assert code == 0
        assert f"{tmp_path}/r\ufffds.csv." in out


@pytest.mark.parametrize("value", ["by hand", '{"a": 1}', '[{"file": 3}]', '["x"]', 7, [1.5, 2.5]])
def test_attributes_that_others_wrote_are_shown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, value: object
) -> None:
    population = edfstat.load(SAMPLES / "ResNet.json").assign_attrs(
        sources=value, skipped="two or three", skipped_jobs=value
    )
    path = edfstat.save(population, tmp_path / "x.nc")
    code, out, _ = run(capsys, "info", path)
    assert code == 0
    assert "40 models" in out
    code, out, _ = run(capsys, "info", path, "--json")
    assert code == 0
    found = json.loads(out)
    entries = json.loads(value) if isinstance(value, str) and value.startswith("[") else [value]
    assert (found["sources"], found["skipped"], found["skipped_jobs"]) == (entries, None, entries)


def test_corrupt_jobs_can_be_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    jobs = json.loads((SAMPLES / "ResNet.json").read_text())
    jobs[3]["min_test_top1"] = -4.0
    path = tmp_path / "ResNet.json"
    path.write_text(json.dumps(jobs))
    code, _, err = run(capsys, "info", path)
    assert (code, "job 3, key 'min_test_top1'" in err, "--skip-corrupt" in err) == (2, True, True)
    code, out, err = run(capsys, "info", path, "--skip-corrupt")
    assert (code, "39 models" in out, "1 jobs left out" in err) == (0, True, True)


def test_a_table_with_names_of_its_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text("space,hits\nA,91.5\nA,88\nB,70\n")
    code, _, err = run(capsys, "info", table)
    assert (code, "--column accuracy=val_acc" in err) == (2, True)
    code, out, _ = run(capsys, "info", table, "--column", "accuracy=hits", "--json")
    best = [group["error"]["best"] for group in json.loads(out)["groups"]]
    assert (code, best) == (0, [8.5, 30.0])


@pytest.mark.parametrize("arguments", [["info", "example"], ["compare", "example", "--resamples", "9"]])
def test_a_reader_that_has_seen_enough_is_no_failure(arguments: list[str]) -> None:
    code = f"from edfstat.commands import main; main({arguments!r})"
    running = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None
    running.stdout.close()
    _, complaint = running.communicate(timeout=120)
    assert (running.returncode, b"Traceback" in complaint) == (0, False)


def test_one_model_is_no_plural_and_has_no_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.csv"
    path.write_text("space,error,params\nA,5.0,1000\n")
    assert run(capsys, "info", path)[1].startswith("1 model\n")
    code, out, err = run(capsys, "compare", path)
    assert code == 0
    assert "nan" not in out
    assert "Small samples: A has 1 model; " in err
    assert run(capsys, "convert", path, tmp_path / "one.nc")[1].endswith("one.nc: 1 model\n")


def test_help_has_a_short_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "compare", "-h") == run(capsys, "compare", "--help")


def test_help_leaves_heavy_packages_unloaded() -> None:
    code = (
        "import sys\nfrom edfstat import commands\ntry:\n    commands.main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy', 'xarray', 'scipy', 'pandas', 'matplotlib') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "compare" in done.stdout


def test_version_is_that_of_the_package() -> None:
    command = [sys.executable, "-m", "edfstat", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"edfstat {version('edfstat')}\n")


def test_an_empty_file_is_called_empty(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("")
    code, _, err = run(capsys, "info", tmp_path / "a.json")
    assert code == 2
    assert err.rstrip().endswith("a.json is empty; get the file again")


def test_a_file_of_another_kind_is_refused_with_what_to_do(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "table.txt").write_text("error,space\n5,a\n")
    code, _, err = run(capsys, "info", tmp_path / "table.txt")
    assert (code, "ends of names, such as .csv for a table" in err) == (2, True)


def test_a_mistake_is_told_of_the_option_and_not_of_the_argument(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "compare", "example", "--resamples", "0")
    assert (code, err) == (2, "edfstat: --resamples is 0; give a whole number from 1\n")


def test_what_was_left_out_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("space,error,params\n" + "A,5,100\n" * 4)
    second.write_text("space,error\n" + "B,6\n" * 4)
    said = "note: The models of b.csv have no params, so params is left out for all."
    for arguments in (("info",), ("info", "--json"), ("compare",), ("compare", "--json")):
        code, _, err = run(capsys, *arguments, first, second)
        assert code == 0
        assert err.splitlines().count(said) == 1
    _, out, _ = run(capsys, "info", "--json", first, second)
    assert json.loads(out)["notes"] == [said.removeprefix("note: ")]
    (tmp_path / "both").mkdir()
    for path in (first, second):
        path.rename(tmp_path / "both" / path.name)
    _, _, err = run(capsys, "convert", tmp_path / "both", tmp_path / "all.nc")
    assert err.splitlines() == [said]
    assert said in run(capsys, "info", tmp_path / "all.nc")[2].splitlines()


@pytest.mark.parametrize("outcome", ["error", "final_error", "seed"])
def test_an_outcome_is_no_complexity(capsys: pytest.CaptureFixture[str], outcome: str) -> None:
    code, _, err = run(capsys, "compare", "example", "--complexity", outcome)
    assert code == 2
    offered = err.partition("give one or several of: ")[2].strip().split(", ")
    assert "params" in offered
    assert not {"error", "final_error", "seed"} & set(offered)


def test_a_download_says_how_far_it_is() -> None:
    said: list[str] = []
    progress = commands._arriving(said.append)
    progress("data.zip", 5_000_000, 2_000_000_000)
    progress("ResNet.json", 5_000_000, None)
    assert said == ["fetching data.zip: 5 of 2,000 MB", "fetching ResNet.json: 5 MB"]


def test_measures_with_spaces_after_their_commas(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "compare", "example", "--complexity", "params, flops", "--resamples", "9", "--json")
    assert code == 0
    assert json.loads(out)["coordinates"]["measure"] == ["none", "params", "flops"]


def test_letters_that_the_output_has_no_code_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("error,space\n5,ä日\n6,B\n", encoding="utf-8")
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "edfstat", "info", str(tmp_path / "a.csv")]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\n\xe4? " in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="descriptors are closed by a POSIX shell")
@pytest.mark.parametrize(("closed", "arguments", "code"), [(">&-", "info example", 0), ("2>&-", "info nowhere", 2)])
def test_output_that_was_closed(closed: str, arguments: str, code: int) -> None:
    done = subprocess.run(["sh", "-c", f'"$0" -m edfstat {arguments} {closed}', sys.executable], check=False)
    assert done.returncode == code


@pytest.mark.parametrize("command", ["info", "compare"])
def test_names_command_no_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str) -> None:
    (tmp_path / "a.csv").write_text('error,space\n5,\x1b[2Ja\x07\n6,"b\nc"\n', encoding="utf-8")
    code, out, err = run(capsys, command, tmp_path / "a.csv")
    assert code == 0
    assert not set(out + err) & {"\x1b", "\x07"}
    assert "\ufffd[2Ja\ufffd " in out
    assert "\nb c " in out
