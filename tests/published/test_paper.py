"""The paper's figures, worked out again here by plain numpy from the JSON files, convention by convention."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edfstat.errors import InputError
from edfstat.paper import draw_paper
from edfstat.paper.drawing import panel_title
from edfstat.paper.tables import paper_tables
from tests.published.published_data import NAS, write_file, write_jobs

SCALE = {"params": 1e-6, "flops": 1e-9}


@pytest.fixture(scope="module")
def drawn(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("paper")
    output.joinpath("lines.txt").write_text("\n".join(map(str, draw_paper(published, output))))
    return output


def figure(drawn: Path, number: int) -> dict[str, Any]:
    return json.loads((drawn / f"figure_{number:02d}.json").read_text())


def raw(published: Path, name: str) -> Any:
    return json.loads((published / f"{name}.json").read_text())


def column(jobs: list[dict[str, Any]], key: str) -> Any:
    return np.array([job[key] for job in jobs])


def plain_weighted_edf(jobs: Any, measure: str, low: float, high: float, bins: int) -> tuple[Any, Any]:
    """Straight from the table: keep low < c < high, weigh 1/(bins * jobs in the bin), sum up to each error."""
    c, e = column(jobs, measure) * SCALE[measure], column(jobs, "min_test_top1")
    kept = (c > low) & (c < high)
    c, e = c[kept], e[kept]
    edges = [low + (high - low) * i / bins for i in range(bins + 1)]
    weights = np.zeros(e.size)
    for left, right in pairwise(edges):
        inside = (c >= left) & (c < right)
        weights[inside] = 1 / (bins * inside.sum())
    x = np.unique(e)
    return x, np.array([weights[e <= v].sum() for v in x])


WEIGHTED = [
    (1, "right", "params", (0.023, 0.856), 40, ("ResNet-B", "ResNeXt-B")),
    (3, "middle", "params", (0.02, 0.856), 40, ("ResNeXt-A", "ResNeXt-B")),
    (3, "right", "flops", (0.008, 0.129), 40, ("ResNeXt-A", "ResNeXt-B")),
    (6, "left", "params", (0.024, 0.856), 10, ("Vanilla", "ResNet")),
    (9, "left", "params", (0.154, 0.856), 20, NAS),
    (9, "right", "flops", (0.027, 0.129), 20, NAS),
    (11, "left", "params", (0.154, 0.856), 20, ("NASNet", "DARTS", "ResNeXt-A", "ResNeXt-B")),
]


@pytest.mark.parametrize(("number", "name", "measure", "limits", "bins", "files"), WEIGHTED)
def test_weighted_edfs(
    published: Path, drawn: Path, number: int, name: str, measure: str, limits: Any, bins: int, files: Any
) -> None:
    panel = next(p for p in figure(drawn, number)["panels"] if p["panel"] == name)
    assert (panel["kind"], panel["measure"], panel["range"], panel["bins"]) == ("edf", measure, list(limits), bins)
    assert [curve["file"] for curve in panel["curves"]] == list(files)
    for curve in panel["curves"]:
        x, y = plain_weighted_edf(raw(published, curve["file"]), measure, *limits, bins)
        np.testing.assert_array_equal(curve["x"], x)
        np.testing.assert_allclose(curve["y"], y, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("name", "bins", "spaces"), [("a", 8, NAS), ("c", 5, ("NASNet", "DARTS", "ResNeXt-A", "ResNeXt-B"))]
)
def test_imagenet_ranges_start_at_the_largest_of_the_smallest(
    published: Path, drawn: Path, name: str, bins: int, spaces: Any
) -> None:
    panels = [p for p in figure(drawn, 16)["panels"] if p["panel"] == name]
    assert [p["measure"] for p in panels] == ["params", "flops"]
    for panel in panels:
        measure = panel["measure"]
        low = max((column(raw(published, f"{s}_in"), measure) * SCALE[measure]).min() for s in spaces)
        assert panel["range"] == [low, {"params": 6.0, "flops": 0.6}[measure]]
        for curve in panel["curves"]:
            x, y = plain_weighted_edf(raw(published, curve["file"]), measure, *panel["range"], bins)
            np.testing.assert_array_equal(curve["x"], x)
            np.testing.assert_allclose(curve["y"], y, atol=1e-12, rtol=0)


def test_figure_3_left_filters_by_both_measures(published: Path, drawn: Path) -> None:
    panel = figure(drawn, 3)["panels"][0]
    for curve in panel["curves"]:
        jobs = raw(published, curve["file"])
        kept = [j for j in jobs if 0 < j["params"] * 1e-6 < 0.856 and 0 < j["flops"] * 1e-9 < 0.129]
        errors = np.sort(column(kept, "min_test_top1"))
        assert curve["n"] == len(kept)
        np.testing.assert_allclose(curve["y"], [np.mean(errors <= v) for v in np.unique(errors)], atol=1e-12)


def test_random_search_matches_order_statistics(published: Path, drawn: Path) -> None:
    """With errors ascending and S_i the weight above the first i, the best of k is e_i with S_(i-1)^k - S_i^k."""
    panel = figure(drawn, 6)["panels"][1]
    assert panel["kind"] == "search"
    for curve in panel["curves"]:
        x, y = plain_weighted_edf(raw(published, curve["file"]), "params", 0.024, 0.856, 10)
        above = 1 - np.concatenate(([0.0], y))
        above[-1] = 0
        for i, k in enumerate(curve["x"]):
            chances = above[:-1] ** k - above[1:] ** k
            mean = chances @ x
            assert curve["y"][i] == pytest.approx(mean, abs=1e-9)
            assert curve["std"][i] == pytest.approx(np.sqrt(chances @ (x - mean) ** 2), abs=1e-6)
            assert curve["repeats"][i] == curve["n"] // k
            if curve["repeats"][i] > 30:
                noise = 6 * curve["std"][i] / np.sqrt(curve["repeats"][i]) + 1e-9
                assert abs(curve["simulated_mean"][i] - mean) < noise
        assert curve["x"] == [2**i for i in range(13)]


def test_simulations_longer_than_the_file_are_null(drawn: Path) -> None:
    curve = figure(drawn, 6)["panels"][1]["curves"][0]
    assert curve["n"] < 4096
    assert curve["repeats"][-1] == 0
    assert curve["simulated_mean"][-1] is None


def test_figure_2_shares(published: Path, drawn: Path) -> None:
    """Exact shares by the law of a minimum without replacement; the simulation within five standard errors."""
    panel = figure(drawn, 2)["panels"][0]
    errors = np.sort(column(raw(published, "ResNet"), "min_test_top1"))
    counts = np.unique(errors, return_counts=True)[1]
    above = errors.size - np.cumsum(counts)

    def law(size: int) -> Any:
        from scipy.special import gammaln

        def log_choose(n: Any) -> Any:
            return np.where(n >= size, gammaln(n + 1) - gammaln(np.maximum(n - size, 0) + 1), -np.inf)

        return -np.diff(np.exp(log_choose(above) - log_choose(np.array(errors.size))), prepend=1.0)

    small, large = law(100), law(1000)
    win = small @ (1 - np.cumsum(large))
    exact = panel["wins"]["exact"]
    assert exact["best_of_100"] == pytest.approx(win, abs=1e-9)
    assert exact["tie"] == pytest.approx(small @ large, abs=1e-9)
    simulated = panel["wins"]["simulated"]["best_of_1000"]
    assert abs(simulated - exact["best_of_1000"]) < 5 * np.sqrt(0.25 / 5000)
    (curve,) = panel["curves"]
    assert (len(curve["counts"]), sum(curve["counts"])) == (29, 5000)


def test_figure_2_samples_use_the_ordinate_from_zero(drawn: Path) -> None:
    panel = figure(drawn, 2)["panels"][1]
    assert [curve["n"] for curve in panel["curves"]] == [100, 1000]
    for curve in panel["curves"]:
        np.testing.assert_allclose(curve["paper_y"], np.arange(curve["n"]) / curve["n"])
        assert curve["y"][-1] == 1
    assert 0 <= panel["ks"]["statistic"] <= 1


def test_figure_5_counts(published: Path, drawn: Path) -> None:
    for panel, high in zip(figure(drawn, 5)["panels"], (0.856, 0.129), strict=True):
        for curve in panel["curves"]:
            c = column(raw(published, curve["file"]), panel["measure"]) * SCALE[panel["measure"]]
            c = c[(c > 0) & (c < high)]
            place = np.minimum((c / (high / 36)).astype(int), 35)
            assert curve["counts"] == np.bincount(place, minlength=36).tolist()
            assert sum(curve["counts"]) == curve["n"] == c.size


def test_figure_7(published: Path, drawn: Path) -> None:
    left, right = figure(drawn, 7)["panels"]
    assert [curve["n"] for curve in left["curves"]] == [10, 100, 1000, 10_000]
    np.testing.assert_allclose(left["curves"][0]["paper_y"], np.linspace(0, 1, 10))
    (curve,) = right["curves"]
    assert curve["x"] == [2**i for i in range(15)]
    # The gap of one draw to a large sample: E max(U, 1 - U) = 3/4, up to ties and the sample's own noise.
    assert curve["simulated_mean"][0] == pytest.approx(0.75, abs=0.1)
    assert curve["y"][0] == pytest.approx(0.75, abs=0.01)
    # A large sample shares most of its models with the file, of which it is drawn.
    np.testing.assert_allclose(curve["simulated_mean"], curve["y"], rtol=0.25)


def test_figure_8_freedman_diaconis(published: Path, drawn: Path) -> None:
    for panel in figure(drawn, 8)["panels"]:
        for curve in panel["curves"]:
            c = column(raw(published, curve["file"]), panel["measure"]) * SCALE[panel["measure"]]
            q1, q3 = np.percentile(c, [25, 75])
            bins = int(np.ceil((c.max() - c.min()) / (2 * (q3 - q1) / c.size ** (1 / 3))))
            assert len(curve["counts"]) == bins
            assert sum(curve["counts"]) == c.size


def test_figure_12_ranks(published: Path, drawn: Path) -> None:
    for panel in figure(drawn, 12)["panels"]:
        (curve,) = panel["curves"]
        jobs = raw(published, curve["file"])
        errors = column(jobs, "min_test_top1")
        assert sorted(curve["rank"]) == pytest.approx([(i + 1) / errors.size for i in range(errors.size)])
        below = np.array([np.sum(errors < e) for e in errors])
        tied = np.array([np.sum(errors == e) for e in errors])
        np.testing.assert_allclose(curve["average_rank"], (below + (tied + 1) / 2) / errors.size)
        np.testing.assert_allclose(curve["x"], [np.log10(job["optim"]["base_lr"]) for job in jobs])


def test_figure_13_bins(published: Path, drawn: Path) -> None:
    for panel in figure(drawn, 13)["panels"]:
        assert [curve["group"] for curve in panel["curves"]] == ["top", "mid"]
        for curve in panel["curves"]:
            errors = column(raw(published, curve["file"])[curve["group"]], "min_test_top1")
            bins = int((max(errors) - min(errors)) / 0.1)
            assert len(curve["edges"]) == bins + 1
            assert curve["counts"] == np.histogram(errors, bins)[0].tolist()


def test_figure_14_averages_by_architecture(published: Path, drawn: Path) -> None:
    panel = figure(drawn, 14)["panels"][0]
    for curve, seeds in zip(panel["curves"], (1, 2, 3), strict=True):
        errors: dict[str, list[float]] = {}
        for i in range(1, seeds + 1):
            for job in raw(published, f"Vanilla_rng{i}"):
                errors.setdefault(json.dumps(job["net"], sort_keys=True), []).append(job["min_test_top1"])
        means = sorted(round(float(np.mean(values)), 3) for values in errors.values())
        assert curve["n"] == len(means) == 400
        np.testing.assert_allclose(curve["paper_x"], means, atol=1e-12)
        np.testing.assert_allclose(curve["paper_y"], np.linspace(0, 1, 400))


def test_figure_15_includes_both_ends(published: Path, drawn: Path) -> None:
    for panel, high in zip(figure(drawn, 15)["panels"], (856_000, 129_000_000), strict=True):
        assert panel["kind"] == "bins"
        for curve in panel["curves"]:
            jobs = [job for job in raw(published, curve["file"]) if 0 <= job[panel["measure"]] <= high]
            parts: dict[int, list[float]] = {}
            for job in jobs:
                parts.setdefault(min(job[panel["measure"]] * 20 // high, 19), []).append(job["min_test_top1"])
            assert curve["x"] == sorted(parts)
            np.testing.assert_allclose(curve["y"], [np.mean(parts[i]) for i in sorted(parts)], atol=1e-12)
            np.testing.assert_allclose(curve["std"], [np.std(parts[i]) for i in sorted(parts)], atol=1e-12)


def test_scaling_by_multiplication_decides_the_edge() -> None:
    """27 000 000 * 1e-9 is just above 0.027 and so inside the strict range; divided by 1e9 it equals it."""
    assert 27_000_000 * 1e-9 > 0.027
    assert 27_000_000 / 1e9 == 0.027
    import xarray as xr

    from edfstat.paper.results import Jobs

    jobs = Jobs("ENAS", xr.Dataset({"flops": ("model", [27_000_000])}))
    assert jobs.scaled("flops")[0] > 0.027


def test_missing_files_skip_their_panels_with_a_note(drawn: Path) -> None:
    maps = [p for p in figure(drawn, 16)["panels"] if p["panel"] == "d"]
    assert len(maps) == 2
    assert any("DARTS_lr-wd_in.json" in note for note in figure(drawn, 16)["notes"])
    assert "DARTS_lr-wd_in.json" in (drawn / "index.html").read_text()


def test_every_figure_has_its_files_and_the_page_shows_them(drawn: Path) -> None:
    page = (drawn / "index.html").read_text()
    for number in range(1, 17):
        for suffix in ("png", "svg", "json"):
            path = drawn / f"figure_{number:02d}.{suffix}"
            assert path.stat().st_size > 100
            assert path.name in page
    assert "left and middle panels" in page
    assert not [p.name for p in drawn.iterdir() if p.name.startswith((".", "tmp"))]


def test_only_some_files(tmp_path: Path) -> None:
    """Alone, a small ResNet file gives figure 7's left panel in part, and notes for the rest."""
    write_file(tmp_path, "ResNet", 150)
    drawn = list(draw_paper(tmp_path, tmp_path / "out"))
    assert [path.name for path in drawn if isinstance(path, Path)] == [
        "figure_07.json", "table_spaces.json", "table_cells.json", "table_sanity.json", "index.html",
    ]  # fmt: skip
    notes = [line for line in drawn if isinstance(line, str)]
    assert any("figure 2: skipped" in line and "at least 1000" in line for line in notes)
    assert any("figure 9: skipped" in line and "NASNet.json" in line for line in notes)
    assert [c["n"] for c in figure(tmp_path / "out", 7)["panels"][0]["curves"]] == [10, 100]
    page = (tmp_path / "out" / "index.html").read_text()
    assert "ResNet (150)" in page
    assert "Not there: ResNet-B" in page
    assert "<td>1,259,712</td>" in page


def test_a_figure_that_is_asked_for_must_be_possible(tmp_path: Path) -> None:
    write_file(tmp_path, "ResNet", 150)
    with pytest.raises(InputError, match=r"figure 9 cannot be drawn: .* holds no NASNet.json, Amoeba.json"):
        draw_paper(tmp_path, tmp_path / "out", figures=[9])
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"figure 2 cannot be drawn: .*at least 1000"):
        list(draw_paper(tmp_path, tmp_path / "out", figures=[2]))


def test_figures_2_and_10_take_the_random_numbers_of_the_paper(published: Path, drawn: Path) -> None:
    """Python's generator with seed 1: samples of jobs in the file's order; weighted draws of ascending errors."""
    errors = [job["min_test_top1"] for job in raw(published, "ResNet")]
    rng = random.Random(1)
    difference = [min(rng.sample(errors, 100)) - min(rng.sample(errors, 1000)) for _ in range(5000)]
    counts, edges = np.histogram(difference, bins=29)
    (curve,) = figure(drawn, 2)["panels"][0]["curves"]
    assert curve["counts"] == counts.tolist()
    np.testing.assert_array_equal(curve["edges"], edges)
    rng = random.Random(1)
    for panel in figure(drawn, 10)["panels"]:
        for curve in panel["curves"]:
            x, y = plain_weighted_edf(raw(published, curve["file"]), panel["measure"], *panel["range"], 20)
            for i, k in enumerate(curve["x"]):
                best = [min(rng.choices(x, cum_weights=y, k=k)) for _ in range(curve["n"] // k)]
                assert curve["simulated_mean"][i] == (pytest.approx(np.mean(best), abs=1e-9) if best else None)


def test_models_on_the_edges_of_bins_and_ranges(tmp_path: Path) -> None:
    """Both ends of the range are out, an inner edge belongs to the bin above it."""
    places = [round(23_000 + 833_000 * i / 40) for i in range(41)] * 2 + [33_000 + 20_825 * i for i in range(40)]
    errors = np.round(np.random.default_rng(0).uniform(5, 9, len(places)), 1)
    for name in ("ResNet-B", "ResNeXt-B"):
        jobs = [
            {"params": p, "net": {}, "min_test_top1": float(e)} for p, e in zip(places, errors, strict=True)
        ]  # fmt: skip
        write_jobs(tmp_path, name, jobs)
    list(draw_paper(tmp_path, tmp_path / "out", figures=[1]))
    c = np.array(places) * 1e-6
    kept = (c > 0.023) & (c < 0.856)
    place = np.digitize(c[kept], np.linspace(0.023, 0.856, 41))
    weights = 1 / (40 * np.bincount(place)[place])
    for curve in figure(tmp_path / "out", 1)["panels"][0]["curves"]:
        assert curve["n"] == kept.sum() == 118
        np.testing.assert_array_equal(curve["x"], np.unique(errors[kept]))
        np.testing.assert_allclose(curve["y"], [weights[errors[kept] <= v].sum() for v in curve["x"]], atol=1e-12)


def test_failed_jobs_count_against_their_space(tmp_path: Path) -> None:
    for name in ("Vanilla", "ResNet"):
        jobs = json.loads(write_file(tmp_path, name, 400).read_text())
        for job in jobs[::4]:
            job |= {"status": "diverged", "min_test_top1": None, "test_ep_top1": []}
        write_jobs(tmp_path, name, jobs)
    list(draw_paper(tmp_path, tmp_path / "out", figures=[6]))
    found = figure(tmp_path / "out", 6)
    for curve in found["panels"][0]["curves"]:
        jobs = [job for job in raw(tmp_path, curve["file"]) if 0.024 < job["params"] * 1e-6 < 0.856]
        assert curve["n"] == len(jobs)
        assert curve["y"][-1] < 0.85
        assert None not in curve["x"]
    assert found["panels"][1]["curves"][0]["y"][0] is None
    assert any("reached no error" in note for note in found["notes"])


@pytest.mark.parametrize("suffix", ["json", "png", "svg"])
def test_simulations_repeat_with_their_seed(suffix: str, published: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        list(draw_paper(published, tmp_path / name, figures=[10], rng=3))
    one, two = ((tmp_path / name / f"figure_10.{suffix}").read_bytes() for name in ("one", "two"))
    assert one == two


def test_every_panel_says_what_it_shows(drawn: Path) -> None:
    """Left and right are places; what differs between them is the measure or the space."""
    for number in range(1, 17):
        for panel in figure(drawn, number)["panels"]:
            title = panel_title(panel)
            said = title.removeprefix(panel["panel"]).removeprefix(":").strip() or title
            assert said not in ("left", "middle", "right", "a", "b", "c", "d"), (number, title)
            if panel["measure"] != "none":
                assert panel["measure"] in title
    assert panel_title(figure(drawn, 3)["panels"][0]) == "left: not normalized"
    assert panel_title(figure(drawn, 15)["panels"][1]) == "right: mean error in 20 bins of flops"


def test_bad_input(published: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no figure 17"):
        draw_paper(published, tmp_path, figures=[17])
    with pytest.raises(InputError, match="none of the published files"):
        draw_paper(tmp_path, tmp_path)
    with pytest.raises(FileNotFoundError, match="edfstat fetch"):
        draw_paper(tmp_path / "nowhere", tmp_path)
    occupied = tmp_path / "file"
    occupied.write_text("x")
    with pytest.raises(InputError, match="it is a file"):
        draw_paper(published, occupied)


def test_tables_match_the_paper() -> None:
    spaces, cells, sanity = paper_tables()
    assert [row[-1] for row in spaces["rows"]] == [1_259_712, 1_259_712, 11_390_625, 52_734_375]
    billions = [71_465_842, 556_628, 556_628, 5_063, 242]
    assert [int(row[-1] + 0.5) for row in cells["rows"]] == billions
    assert sanity["rows"][0] == ["ResNet-110", 1.7, 0.26, 6.61, 5.91, 3.65]
