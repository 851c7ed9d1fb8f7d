"""Models that are read twice are refused; parts of a population are read together."""

from pathlib import Path

import pytest

import edfstat
from edfstat.errors import FormatError
from tests.edfstat.formats.published_files import job, write


def two_spaces(folder: Path) -> list[Path]:
    """Two files, of which the models of one differ from those of the other in their errors alone."""
    for name, start in (("A", 5.0), ("B", 6.0)):
        write(folder / f"{name}.json", [job(min_test_top1=start + i / 10) for i in range(6)])
    return [folder / "A.json", folder / "B.json"]


def test_models_that_would_count_twice_are_refused(tmp_path: Path) -> None:
    a, b = two_spaces(tmp_path)
    with pytest.raises(FormatError, match=r"A\.json is read twice"):
        edfstat.load([a, b, a])
    (tmp_path / "copy").mkdir()
    copy, other = tmp_path / "copy" / "A.json", tmp_path / "copy" / "C.json"
    for path in (copy, other):
        path.write_bytes(a.read_bytes())
    with pytest.raises(FormatError, match=r"A\.json and \S+copy/A\.json hold the same models"):
        edfstat.load([a, b, copy])
    # Under the name of another space they count once in each.
    assert set(edfstat.load([a, other])["space"].values) == {"A", "C"}
    with pytest.raises(FormatError, match="hold the same models"):
        edfstat.load([a, other], space="A")
    for suffix in (".nc", ".parquet"):
        everything = edfstat.save(edfstat.load([a, b]), tmp_path / f"all{suffix}")
        for files in ([tmp_path], [everything, b], [a, everything]):
            with pytest.raises(FormatError, match=rf"all\{suffix}.* hold the same models|hold .*all\{suffix}"):
                edfstat.load(files)
        with pytest.raises(FormatError, match="read twice"):
            edfstat.load([everything, everything])
        everything.unlink()


def test_parts_of_a_population_saved_apart_are_read_together(tmp_path: Path) -> None:
    everything = edfstat.load(two_spaces(tmp_path))
    spaces = [everything.isel(model=everything["space"].values == name) for name in ("A", "B")]
    halves = [everything.isel(model=slice(start, None, 2)) for start in (0, 1)]
    for parts in (spaces, halves):
        files = [edfstat.save(part, tmp_path / f"{i}.nc") for i, part in enumerate(parts)]
        assert sorted(edfstat.load(files)["error"].values) == sorted(everything["error"].values)
    with pytest.raises(FormatError, match=r"A\.json and \S+0\.nc hold the same models"):
        edfstat.load([tmp_path / "A.json", files[0]])
