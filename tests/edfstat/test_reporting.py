"""Reports: every part is there, text from data stays text, nothing comes from a network, files are whole."""

import base64
import csv
import html
import io
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from edfstat import InputError, compare, report
from edfstat.population import build_population
from edfstat.reporting.charts import charts_of
from edfstat.reporting.html import embedded_json
from edfstat.reporting.paged_tables import table_pages
from edfstat.reporting.pages import _pages
from edfstat.reporting.tables import Table, tables_of
from edfstat.ticks import nice_ticks, tick_text

HOSTILE = '<script>alert("x")</script>'


def population(names=("A", "B"), n=60, seed=0, **more):
    rng = np.random.default_rng(seed)
    columns = {
        "error": np.concatenate([np.round(rng.gamma(3, 1, n) + 5 + i, 2) for i in range(len(names))]),
        "params": rng.integers(1000, 9000, n * len(names)),
        "flops": rng.integers(10_000, 90_000, n * len(names)),
        "space": np.repeat(np.array(names, dtype=object), n),
        "net": [f'{{"ds": [1, {i}]}}' for i in range(n * len(names))],
    }
    return build_population(columns | more, {"source_files": ["a.json", "b.json"]})


@pytest.fixture(scope="module")
def comparison():
    return compare(population(), rng=0, n_resamples=99)


@pytest.fixture(scope="module")
def page(comparison, tmp_path_factory):
    return report(comparison, tmp_path_factory.mktemp("report") / "report.html").read_text(encoding="utf-8")


def tables(text):
    found = {}
    for key, uri in re.findall(r'download="(\w+)\.csv" href="data:text/csv;charset=utf-8;base64,([^"]+)"', text):
        found[key] = list(csv.DictReader(io.StringIO(base64.b64decode(uri).decode())))
    return found


def test_every_part_is_there(page):
    sections = re.findall(r'<section id="(\w+)">', page)
    assert sections == [
        "verdict", "populations", "complexity", "distributions", "tests", "auc", "search", "sample", "best",
        "sensitivity", "method",
    ]  # fmt: skip
    assert set(re.findall(r'href="#(\w+)"', page)) == {*sections, "main"}
    # Distributions, search and eps for three measures, complexity before and after and the trend for two.
    assert page.count("<figure") == 3 * 3 + 2 * 3
    assert page.index("is better") < page.index("<figure")


def test_nothing_comes_from_a_network(page):
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", page)
    assert "@import" not in page
    assert "url(" not in re.sub(r"url\(#", "", re.sub(r"url\(#\$\{", "", page))
    assert "default-src 'none'" in page


def test_the_tables_are_the_comparison(page, comparison):
    found = tables(page)
    assert set(found) == {
        "population", "bins", "summary", "pairs", "auc", "search", "odds", "sample", "best", "sensitivity",
    }  # fmt: skip
    raw = comparison.sel(measure="none")
    first = found["pairs"][0]
    assert float(first["D"]) == raw["ks"].item()
    assert float(first["p (Holm)"]) == raw["pvalue_holm"].item()
    assert [float(row["AUC"]) for row in found["summary"][:2]] == raw["auc"].values.tolist()
    assert [int(row["models that count"]) for row in found["population"]] == [60, 60]
    assert json.loads(found["best"][0]["architecture"])["ds"][0] == 1


def test_charts_hold_the_curves_of_the_comparison(page, comparison):
    charts = json.loads(re.search(r'id="chart-data">(.*?)</script>', page, re.S).group(1))
    edf = next(chart for chart in charts if chart["key"] == "edf-params")
    stored = comparison["edf"].sel(measure="params", group="B")
    for x, y in zip(edf["series"][1]["x"], edf["series"][1]["y"], strict=True):
        assert y == pytest.approx(100 * stored.sel(support=x, method="nearest").item(), rel=1e-4)
    assert edf["series"][1]["y"][-1] == 100
    for picture in re.findall(r"<svg class=\"plot\".*?</svg>", page, re.S):
        root = ElementTree.fromstring(picture)
        names = root.get("aria-labelledby").split()
        assert [root.find(f"*[@id='{name}']").text.strip() != "" for name in names] == [True, True]
        assert len([p for p in root.iter("path") if p.get("class", "").startswith("curve")]) >= 1
        assert "nan" not in picture
        assert "inf" not in picture.replace("confidence", "")


def test_values_of_a_search_that_few_models_decide_are_hollow(comparison, page):
    support = comparison["search_support"].sel(measure="params").values
    chart = next(chart for chart in charts_of(comparison)["search"] if chart.measure == "params")
    assert 0 < (support < 5).sum() < support.size
    np.testing.assert_array_equal([series.hollow for series in chart.series], support < 5)
    assert "Hollow: fewer than 5 models decide." in chart.note
    picture = re.search(r'<figure[^>]*data-chart="search-params">.*?(<svg class="plot".*?</svg>)', page, re.S).group(1)
    dots = [node.get("class") for node in ElementTree.fromstring(picture).iter("circle")]
    assert [sum(f"s{place}" in dot and "hollow" in dot for dot in dots) for place in (0, 1)] == (support < 5).sum(
        axis=1
    ).tolist()
    assert len(dots) == support.size
    pages = [axes for figure in _pages(comparison) for axes in figure.axes if axes.get_title(loc="left") == chart.title]
    lines = [line for line in pages[0].lines if line.get_markerfacecolor() == "white"]
    assert sorted(x for line in lines for x in line.get_xdata()) == sorted(
        float(m) for row in support for m, n in zip(comparison["m"].values, row, strict=True) if n < 5
    )


def test_the_shade_of_the_areas_by_eps_is_explained_where_there_is_one(comparison):
    (_, chart, *_) = charts_of(comparison)["eps"]
    assert "Shaded: at each eps by itself" in chart.caption
    assert "95% confidence" in chart.caption
    single = compare(build_population({"error": [5.0, 6.0], "space": ["A", "B"]}))
    (alone,) = charts_of(single)["eps"]
    assert all(series.lower is None for series in alone.series)
    assert "Shaded" not in alone.caption


def test_text_from_data_stays_text(tmp_path):
    ds = population(names=(HOSTILE, "=1+1"), net=[json.dumps({HOSTILE: HOSTILE})] * 120, job_id=[HOSTILE] * 120)
    ds.attrs["note"] = HOSTILE
    text = report(ds, tmp_path / "r.html", rng=0, n_resamples=19).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert text.count("<script") == 2
    assert html.escape(HOSTILE, quote=False) in text.replace("&#34;", '"')
    charts = json.loads(re.search(r'id="chart-data">(.*?)</script>', text, re.S).group(1))
    assert charts[0]["series"][0]["name"] == HOSTILE
    # A spreadsheet must not run a name as a formula.
    assert tables(text)["population"][1]["group"] == "'=1+1"
    plain = report(ds, tmp_path / "r.md", rng=0, n_resamples=19).read_text(encoding="utf-8")
    assert "<script>" not in plain.replace(r"\<script\>", "")
    assert report(ds, tmp_path / "r.pdf", rng=0, n_resamples=19).read_bytes().startswith(b"%PDF-")


def test_embedded_json_cannot_end_its_element():
    text = embedded_json(["</script><!--", "\u2028", "&"])
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == ["</script><!--", "\u2028", "&"]


def test_the_same_comparison_gives_the_same_bytes(comparison, tmp_path):
    for suffix in ("html", "md", "pdf"):
        first, again = (report(comparison, tmp_path / f"{name}.{suffix}") for name in ("one", "two"))
        assert first.read_bytes() == again.read_bytes()


def test_markdown_has_the_verdict_and_every_table(comparison, tmp_path):
    text = report(comparison, tmp_path / "r.md").read_text(encoding="utf-8")
    assert text.startswith("# Comparison of A, B\n\n## Verdict\n\n**A is better than B")
    grids = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(grids) == 10
    for grid in grids:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in grid.splitlines()}
        assert len(widths) == 1


def text_of(found):
    """All text on the pages of the PDF, a line for each piece."""
    return "\n".join(text.get_text() for page in _pages(found) for text in page.findobj(Text))


def test_pdf_has_every_part_and_cuts_no_architecture(tmp_path):
    net = json.dumps({"block_type": "unknown to any package " * 4, "ds": [1, 2, 3], "last": "end-of-the-net"})
    ds = population(net=[net] * 120)
    found = compare(ds, rng=0, n_resamples=99)
    words = text_of(found)
    assert report(found, tmp_path / "r.pdf").read_bytes().count(b"/Type /Page ") == len(_pages(found))
    for title in ("Models of each group", "Pairwise tests", "Best models", "Other bins", "Method", "References"):
        assert title in words
    assert words.count("end-of-the-net") == 10
    assert "a.json, b.json" in words


def test_a_table_longer_than_a_page_goes_on(tmp_path):
    rows = [[str(i), "word " * (i % 40)] for i in range(200)]
    table = Table("t", "Long", ["n", "architecture"], rows, rows, [""] * 200, [[]] * 200)
    pages = table_pages([table], lambda: Figure(figsize=(8.27, 11.69)))
    texts = [[t for t in page.texts if t.get_text()] for page in pages]
    assert [words[0].get_text() for words in texts] == ["Long"] + ["Long (continued)"] * (len(pages) - 1)
    # Every cell is there, above the lower edge and within the page.
    assert sum(t.get_text() == str(i) for i in range(200) for words in texts for t in words) == 200
    assert sum(t.get_text().split().count("word") for words in texts for t in words) == sum(i % 40 for i in range(200))
    assert all(0.03 < t.get_position()[1] < 1 for words in texts for t in words)
    renderer = FigureCanvasAgg(pages[0]).get_renderer()
    assert max(t.get_window_extent(renderer).x1 for t in texts[0]) < pages[0].bbox.x1


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize(
    ("name", "drawn"), [("空间", "空间"), ("\N{ROCKET} fast", "\N{ROCKET} fast"), ("a\tb\nc\x07", "a b c ")]
)
def test_names_that_the_font_has_no_letters_for(name, drawn, tmp_path):
    ds = population((name, "B"), n=15)
    assert report(ds, tmp_path / "r.pdf", rng=0, n_resamples=9).read_bytes().startswith(b"%PDF-")
    table = Table("t", "Names", ["name", "architecture"], [], [[name, name * 60]], [""], [[]])
    (page,) = table_pages([table], lambda: Figure(figsize=(8.27, 11.69)))
    cells = [text for text in page.texts if text.get_text()]
    assert drawn in [text.get_text() for text in cells]
    renderer = FigureCanvasAgg(page).get_renderer()
    assert max(text.get_window_extent(renderer).x1 for text in cells) < page.bbox.x1


def test_a_population_that_does_not_say_who_made_it(tmp_path):
    text = report(population(n=15).drop_attrs(), tmp_path / "r.html", n_resamples=9).read_text(encoding="utf-8")
    assert "Made by edfstat. This file" in text
    for suffix in ("md", "pdf"):
        assert report(population(n=15).drop_attrs(), tmp_path / f"r.{suffix}", n_resamples=9).stat().st_size > 1000


def test_the_best_model_of_each_group_is_drawn(tmp_path):
    nets = ['{"block_type": "res_basic_block", "ds": [1, 2], "ws": [16, 24], "ss": [1, 1]}', HOSTILE]
    ds = population(net=[nets[0]] * 60 + [nets[1]] * 60)
    for suffix in ("html", "pdf"):
        report(ds, tmp_path / f"r.{suffix}", rng=0, n_resamples=19)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    (drawn,) = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]+)">', text)
    assert json.loads(html.unescape(drawn[1])) == json.loads(nets[0])
    picture = base64.b64decode(drawn[0]).decode()
    ElementTree.fromstring(picture)
    assert "2 x basic" in picture
    assert "stage 1" in text_of(compare(ds, rng=0, n_resamples=19))


def test_without_a_package_that_draws_the_architecture_stays_text(tmp_path, monkeypatch):
    monkeypatch.setattr("edfstat.drawings.entry_points", lambda group: [])
    ds = population(net=['{"block_type": "res_basic_block", "ds": [1, 2], "ws": [16, 24], "ss": [1, 1]}'] * 120)
    text = report(ds, tmp_path / "r.html", rng=0, n_resamples=19).read_text(encoding="utf-8")
    assert "<img" not in text
    assert "block_type res_basic_block; ds [1, 2]" in text


@pytest.mark.parametrize("spaces", [("A",), ("A", "B", "C")])
@pytest.mark.parametrize("complexity", ["none", "auto"])
@pytest.mark.parametrize("suffix", ["html", "md", "pdf"])
def test_any_number_of_groups(spaces, complexity, suffix, tmp_path):
    found = compare(population(spaces, n=15), rng=0, n_resamples=19, complexity=complexity)
    assert report(found, tmp_path / f"r.{suffix}").stat().st_size > 1000


def test_failed_models_and_single_models(tmp_path):
    ds = build_population(
        {"error": [5.0, np.nan, np.nan, 6.0], "status": ["ok", "diverged", "diverged", "ok"], "params": [1, 2, 1, 2],
         "space": ["A", "A", "B", "C"]}
    )  # fmt: skip
    for suffix in ("html", "md", "pdf"):
        assert report(ds, tmp_path / f"r.{suffix}").stat().st_size > 1000


def test_an_unknown_suffix_is_refused(comparison, tmp_path):
    with pytest.raises(InputError, match=r"a report is written as \.html, \.pdf or \.md"):
        report(comparison, tmp_path / "r.docx")
    with pytest.raises(InputError, match="no suffix"):
        report(comparison, tmp_path / "report")


def test_a_missing_folder_is_named(comparison, tmp_path):
    with pytest.raises(InputError, match="there is no folder"):
        report(comparison, tmp_path / "no" / "r.html")


def test_options_do_not_go_with_a_finished_comparison(comparison, tmp_path):
    with pytest.raises(InputError, match="bins cannot change a finished comparison"):
        report(comparison, tmp_path / "r.html", bins=3)


def test_a_failure_leaves_the_old_file_and_nothing_else(comparison, tmp_path, monkeypatch):
    target = tmp_path / "r.html"
    target.write_text("before")

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        report(comparison, target)
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert target.read_text() == "before"


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (2034.5, ".3g", "2,034"), (999.6, ".3g", "1,000"), (20.345, ".3g", "20.3"), (9826.3, ".1f", "9,826"),
        (98.26, ".1f", "98.3"), (-12345.6, "+.3f", "−12,346"), (0.5, "+.3f", "+0.500"),
    ],
)  # fmt: skip
def test_numbers_are_written_one_way(value, form, shown):
    """As one writes them by hand: no power of ten, and commas from a thousand on, as in the columns of counts."""
    from edfstat.reporting.tables import _num

    assert _num(value, form) == (value, shown)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(999, "999"), (999_999, "1 M"), (2_314_000, "2.31 M"), (192e9, "192 B"), (3.2e12, "3.2 T"), (5e15, "5,000 T")],
)
def test_counts_have_the_unit_of_the_rounded_number(value, shown):
    from edfstat.reporting.tables import _count

    assert _count(value) == (value, shown)


@pytest.mark.parametrize("groups", [2, 5, 12])
def test_legends_of_the_pdf_hide_no_curve_and_stay_on_the_page(groups):
    from edfstat.reporting.charts import charts_of
    from edfstat.reporting.pages import _chart_page, _two_a_page

    names = [f"a_very_long_design_space_name_{i}_variant" for i in range(groups)]
    rng = np.random.default_rng(5)
    ds = build_population({"error": rng.gamma(3, 1, 30 * groups) + 5, "space": np.repeat(names, 30)})
    charts = [chart for each in charts_of(compare(ds, rng=0, n_resamples=9)).values() for chart in each]
    pages = list(_two_a_page(charts))
    assert [chart for page in pages for chart in page] == charts
    for page in pages:
        figure = _chart_page(page)
        figure.draw_without_rendering()
        boxes = [ax.get_legend().get_window_extent() for ax in figure.axes]
        for ax, box in zip(figure.axes, boxes, strict=True):
            assert len(ax.get_legend().get_texts()) == len(page[figure.axes.index(ax)].series)
            assert not any(box.overlaps(other.bbox) for other in figure.axes)
            assert not any(box.overlaps(text.get_window_extent()) for text in figure.texts)
            assert min(box.x0, box.y0) >= 0
            assert box.x1 <= figure.bbox.width
        assert not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])
        assert not any(box.overlaps(ax.title.get_window_extent()) for box in boxes for ax in figure.axes)


def test_no_two_of_ten_groups_look_alike(tmp_path):
    """There are 8 colours; the ninth group had colour and dashes of the first."""
    names = [f"S{i}" for i in range(10)]
    ds = build_population({"error": np.random.default_rng(6).gamma(3, 1, 300) + 5, "space": np.repeat(names, 30)})
    page = report(compare(ds, rng=0, n_resamples=9), tmp_path / "report.html").read_text(encoding="utf-8")
    switches = re.findall(r'name="group" value="(S\d)".*?class="curve (s\d d\d)"', page)
    assert [name for name, _ in switches] == names
    assert len({look for _, look in switches}) == 10
    (legend,) = re.findall(r'data-chart="edf-none".*?<ul class="legend">(.*?)</ul>', page, re.S)
    assert re.findall(r'class="curve (s\d d\d)"', legend) == [look for _, look in switches]
    charts = json.loads(re.search(r'id="chart-data">(.*?)</script>', page, re.S).group(1))
    drawn = [f"s{s['color'] % 8} d{s['dash']}" for s in charts[0]["series"]]
    assert drawn == [look for _, look in switches]


def test_widths_of_letters_do_not_depend_on_what_was_drawn_before():
    """By the font's own units: an M of DejaVu Sans is 1767 of 2048 wide."""
    from matplotlib.font_manager import findfont, get_font

    from edfstat.reporting import paged_tables

    get_font(findfont("DejaVu Sans")).set_size(30, 200)
    paged_tables._advance.cache_clear()
    assert paged_tables._advance("M") == pytest.approx(1767 / 2048 * paged_tables.SIZE, rel=1e-3)


def test_markdown_shows_names_as_they_are(tmp_path):
    """`&amp;` would be shown as an ampersand, and what is between two dollars as a formula."""
    text = report(population(names=("a &amp; b", "$x$")), tmp_path / "r.md", rng=0, n_resamples=19).read_text("utf-8")
    assert text.startswith("# Comparison of a \\&amp; b, \\$x\\$\n")


def test_no_two_ticks_have_one_label():
    """As of a space all of whose models have 1000 parameters."""
    assert len(set(map(tick_text, nice_ticks(999.5, 1000.5)))) == len(nice_ticks(999.5, 1000.5))


@pytest.fixture(scope="module")
def seven():
    """Seven groups, 21 pairs: more than have a paragraph, a band or a curve of their own."""
    names = [f"S{i}" for i in range(7)]
    return compare(population(names, n=40, seed=3), complexity=["params"], rng=0, n_resamples=499)


def test_many_groups_have_no_bands_and_no_curve_per_pair(seven, tmp_path):
    charts = charts_of(seven)
    for chart in charts["eps"]:
        assert [series.groups for series in chart.series] == [[f"S{i}"] for i in range(7)]
        stored = seven["auc_curve"].sel(measure=chart.measure).values
        np.testing.assert_array_equal([series.y for series in chart.series], stored)
    page = report(seven, tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'class="curve s6' in page
    assert 'class="band' not in page
    assert "Shaded while at most 6 curves are shown: the band" in page
    assert 'data-show="none"' in page
    # Whoever hides some sees the bands of the others: they are in the data.
    data = json.loads(re.search(r'id="chart-data">(.*?)</script>', page, re.S).group(1))
    assert all(series["lower"] for chart in data if chart["key"].startswith("edf") for series in chart["series"])
    figures = _pages(seven)
    assert not any(axes.collections for figure in figures for axes in figure.axes)
    assert "Shaded" not in text_of(seven)


def test_many_groups_are_told_one_by_one(seven, tmp_path):
    page = report(seven, tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'class="card' not in page
    assert re.search(r'<li data-groups="S0">S0: better than .*</li>', page)
    text = report(seven, tmp_path / "r.md").read_text(encoding="utf-8")
    assert "### Group by group, the best first\n\n- S0: better than" in text
    assert "not told apart; D =" not in text


def test_other_bins_of_many_pairs_are_summed_up(seven):
    (row, *_) = tables_of(seven)["sensitivity"].rows
    one = seven.sel(measure="params")
    place = list(one["setting"].values).index(row[1])
    gap, low, high = (one[f"sensitivity_auc_difference{end}"].values for end in ("", "_lower", "_upper"))
    shown = [pair for pair in range(21) if low[pair, 0] > 0 or high[pair, 0] < 0]
    assert row[0] == "params"
    assert row[3:5] == [len(shown), sum(gap[pair, 0] * gap[pair, place] < 0 for pair in shown)]
    ks = one["sensitivity_ks"].values
    assert row[5] == max(abs(ks[pair, place] - ks[pair, 0]) for pair in range(21))
    assert row[6] == max(abs(gap[pair, place] - gap[pair, 0]) for pair in range(21))
    assert 0 < len(shown) < 21


def test_tables_too_long_for_paper_say_where_their_rows_are(comparison, tmp_path, monkeypatch):
    monkeypatch.setattr("edfstat.reporting.tables.MOST_ROWS", 9)
    said = "10 rows, which are too many to be read here: the HTML report has them"
    markdown = report(comparison, tmp_path / "r.md").read_text(encoding="utf-8")
    assert f"## Best models\n\n{said}" in markdown
    assert said in text_of(comparison).replace("\n", " ")
    assert '{"ds"' not in text_of(comparison)
    page = report(comparison, tmp_path / "r.html").read_text(encoding="utf-8")
    assert said not in page
    assert len(tables(page)["best"]) == 10


def test_one_bin_has_no_trend(tmp_path):
    found = compare(population(), complexity="params", bins=1, rng=0, n_resamples=9)
    assert not charts_of(found)["trend"]
    assert 'data-chart="trend' not in report(found, tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_table_that_becomes_blocks_on_a_phone_names_its_roles(page):
    """As ARIA has them: browsers that drop a table's roles with its layout take these."""
    (table,) = re.findall(r'<table id="table-best".*?</table>', page, re.S)
    roles = {
        "table": "table",
        "thead": "rowgroup",
        "tbody": "rowgroup",
        "tr": "row",
        "th": "columnheader",
        "td": "cell",
    }
    for tag, role in roles.items():
        found = re.findall(rf"<{tag}\b[^>]*>", table)
        assert found
        assert all(f'role="{role}"' in one for one in found)
