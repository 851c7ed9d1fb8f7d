"""The HTML report in a real browser: no errors, every chart redrawn, switches and keys work.

A script of the test's own runs after the page's, presses what a reader would press, and writes what it saw into
the document, which the browser then dumps.
"""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from itertools import pairwise

import numpy as np
import pytest

from edfstat import compare, report
from edfstat.population import build_population
from tests.absent import absent

pytestmark = pytest.mark.browser
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--enable-blink-features=ComputedAccessibilityInfo",
    "--window-size=1280,1000", "--virtual-time-budget=5000",
]  # fmt: skip
WATCH = """
window.seen = [];
addEventListener("error", (event) => window.seen.push(String(event.message)));
for (const name of ["error", "warn"]) console[name] = (...args) => window.seen.push(args.join(" "));
addEventListener("securitypolicyviolation", (event) => window.seen.push("blocked " + event.violatedDirective));
"""
PRESS = """
const all = (selector) => [...document.querySelectorAll(selector)];
const shown = (node) => node.getClientRects().length > 0;
const charts = () => all("figure.chart").filter(shown);
const curves = () => charts().map((figure) => figure.querySelectorAll("path.curve").length
  - figure.querySelectorAll(".legend path.curve").length);
const choose = (value) => {
  const radio = all("input[name=measure]").find((node) => node.value === value);
  radio.click();
  return charts().map((figure) => figure.dataset.chart);
};
const result = { ready: document.documentElement.dataset.ready, first: charts().map((f) => f.dataset.chart) };
result.pictures = all("svg.plot").length;
result.curves = curves();
// Left and right ends of the labels under each chart; its other two texts in the middle are the names of the axes.
const ends = () => charts().map((figure) =>
  [...figure.querySelectorAll("svg.plot text[text-anchor=middle]")].slice(0, -2).map((node) => {
    const box = node.getBoundingClientRect();
    return [box.left, box.right];
  }));
result.ticks = ends();
result.flops = choose("flops");
result.flopsTicks = ends();
result.none = choose("none");
result.all = choose("").length;
const dots = (kind) => document.querySelectorAll(`figure[data-chart="search-none"] .dot${kind}`).length;
result.dots = [dots(""), dots(".hollow")];
choose("params");
result.rowsBefore = all("#table-pairs tbody tr").filter(shown).length;
const box = all("input[name=group]")[1];
box.click();
result.curvesWithout = curves();
result.rowsWithout = all("#table-pairs tbody tr").filter(shown).length;
result.cardsWithout = all(".card").filter(shown).length;
box.click();
result.curvesAgain = curves();
const figure = all('figure[data-chart="edf-params"]')[0];
const plot = figure.querySelector("svg.plot");
plot.focus();
result.focused = document.activeElement === plot;
plot.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
result.readout = figure.querySelector(".readout").textContent;
const ticks = () => [...plot.querySelectorAll("text")].map((node) => node.textContent).join(" ");
const before = ticks();
figure.querySelectorAll("button")[0].click();
result.zoomed = ticks() !== before;
figure.querySelectorAll("button")[2].click();
result.reset = ticks() === before;
result.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
// Right ends of what the columns beside the text of an architecture would push off a phone.
result.nets = all("#table-best td.net").filter(shown).map((node) => node.getBoundingClientRect().right);
result.names = all("input, button, svg.plot").filter((n) => !(n.labels?.length || n.textContent.trim())).length;
const headings = all("h1, h2, h3, h4, h5, h6").map((node) => Number(node.tagName[1]));
result.skipped = headings.filter((level, place) => place > 0 && level > headings[place - 1] + 1).length;
result.roles = {};
for (const node of all("#table-best, #table-best > :not(caption), #table-best tr, #table-best th, #table-best td")) {
  result.roles[node.computedRole] = (result.roles[node.computedRole] ?? 0) + 1;
}
result.cell = all("#table-best tbody td")[0].computedName;
result.pictureNames = all("svg.plot").map((node) => `${node.computedRole} ${node.computedName}`);
result.seen = window.seen;
const out = document.createElement("pre");
out.id = "result";
out.textContent = JSON.stringify(result);
document.body.append(out);
"""


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        absent("BROWSER", "needs chromium (Debian package chromium)")
    return BROWSER


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    rng = np.random.default_rng(0)
    names = ["A", "B", '<img src=x onerror="seen.push(1)">']
    ds = build_population(
        {
            "error": np.concatenate([rng.gamma(3, 1, 80) + 5 + i for i in range(3)]),
            "params": rng.integers(1000, 9000, 240),
            "flops": rng.integers(10_000, 90_000, 240),
            "space": np.repeat(np.array(names, dtype=object), 80),
        }
    )
    target = tmp_path_factory.mktemp("page") / "report.html"
    return report(compare(ds, rng=0, n_resamples=19), target)


def visit(browser, page, folder, *flags, script=PRESS):
    """Document after the test's scripts ran; they are allowed by their hashes, as the page's own is."""
    text = page.read_text(encoding="utf-8")
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in (WATCH, script)]
    text = text.replace("script-src ", "script-src " + " ".join(f"'sha256-{h}'" for h in hashes) + " ")
    text = text.replace("<title>", f"<script>{WATCH}</script><title>", 1)
    text = text.replace("</body>", f"<script>{script}</script></body>")
    copy = folder / "pressed.html"
    copy.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [browser, *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", "--dump-dom", copy.as_uri()],
        capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found.group(1)))


@pytest.fixture(scope="module")
def found(browser, page, tmp_path_factory):
    return visit(browser, page, tmp_path_factory.mktemp("visit"))


def test_the_page_works(found, page):
    assert found["seen"] == []
    assert int(found["ready"]) == found["pictures"] == 15
    # One measure is shown at first: complexity before and after, trend, distribution, search, eps.
    assert found["first"] == [
        "complexity-params-before", "complexity-params-after", "trend-params", "edf-params", "search-params",
        "eps-params",
    ]  # fmt: skip
    assert set(found["curves"]) == {3}
    assert found["flops"] == [name.replace("params", "flops") for name in found["first"]]
    assert {"edf-none", "search-none", "eps-none"} <= set(found["none"])
    assert found["all"] == 15
    charts = json.loads(re.search(r'id="chart-data">(.*?)</script>', page.read_text(encoding="utf-8"), re.S).group(1))
    (search,) = [chart for chart in charts if chart["key"] == "search-none"]
    # Best of 1, 2, 4, ... 64 models in each of three groups.
    assert found["dots"] == [21, sum(sum(series["hollow"]) for series in search["series"])]
    assert 0 < found["dots"][1] < 21


def test_groups_can_be_hidden_and_shown(found):
    assert found["curvesWithout"] == [2, 2, 2, 2, 2, 1]
    assert (found["rowsBefore"], found["rowsWithout"], found["cardsWithout"]) == (3, 1, 1)
    assert found["curvesAgain"] == found["curves"]


def test_values_are_read_and_ranges_zoomed_by_keyboard(found):
    assert found["focused"]
    assert re.match(r"error ≤ [\d.]+ %: A [\d.]+ % · B [\d.]+ % · <img", found["readout"])
    assert found["zoomed"]
    assert found["reset"]
    assert found["names"] == 0


def test_headings_and_pictures_are_told_to_those_who_hear_the_page(found):
    assert found["skipped"] == 0
    seen = [name for name in found["pictureNames"] if name.removeprefix("image ")]
    # Pictures of the measure that is shown; a name is the title and what is to be read from the chart.
    assert len(seen) == 6
    assert any(
        re.match(r"image Error distributions, at equal params models with .* for A, B, .* Higher", s) for s in seen
    )


def test_a_phone_need_not_scroll_sideways(browser, page, tmp_path):
    found = visit(browser, page, tmp_path, "--window-size=390,800")
    # Five models of three groups, each with seven cells, below seven names of columns.
    assert found["roles"] == {"table": 1, "row": 16, "rowgroup": 2, "columnheader": 7, "cell": 105}
    assert found["wide"] <= 0
    assert found["seen"] == []
    assert len(found["ticks"]) == 6
    assert min(map(len, found["ticks"])) >= 3
    assert all(one[1] < other[0] for labels in found["ticks"] for one, other in pairwise(labels))


def test_long_names_and_cells_fit_a_phone(browser, tmp_path):
    """Names wider than the screen, pairs of which stand in claims, and an architecture of the length of a cell's."""
    rng = np.random.default_rng(4)
    names = [f"{'a_very_long_design_space_name_' * 3}{i}_variant" for i in range(3)]
    net = json.dumps({"genotype": {"normal": [["sep_conv_3x3", 1], ["max_pool_3x3", 0]] * 5}, "width": 16})
    ds = build_population(
        {
            "error": rng.gamma(3, 1, 120) + 5,
            "params": rng.integers(1000, 9000, 120),
            "flops": rng.integers(10_000, 90_000, 120),
            "net": [net] * 120,
            "space": np.repeat(names, 40),
        }
    )
    found = visit(
        browser, report(compare(ds, rng=0, n_resamples=9), tmp_path / "report.html"), tmp_path, "--window-size=390,800"
    )
    assert found["wide"] <= 0
    assert found["nets"]
    # Chromium opens no window narrower than 500 pixels.
    assert max(found["nets"]) <= 500


def test_scales_of_a_wide_and_a_narrow_range_can_be_read_on_a_phone(browser, tmp_path):
    """Params over three decades in logarithmic bins, and flops that differ by a tenth."""
    rng = np.random.default_rng(2)
    ds = build_population(
        {
            "error": 80 * rng.random(160),
            "params": (10 ** rng.uniform(4, 7, 160)).astype(int),
            "flops": rng.integers(50_000, 55_000, 160),
            "space": ["A", "B"] * 80,
        }
    )
    comparison = compare(ds, spacing="log", rng=0, n_resamples=9)
    found = visit(browser, report(comparison, tmp_path / "report.html"), tmp_path, "--window-size=390,800")
    assert min(map(len, [*found["ticks"], *found["flopsTicks"]])) >= 3
    for labels in [*found["ticks"], *found["flopsTicks"]]:
        assert all(one[1] < other[0] for one, other in pairwise(labels))


MANY = """
const all = (selector) => [...document.querySelectorAll(selector)];
const figure = document.querySelector('figure[data-chart="edf-none"]');
const drawn = () => [".curve", ".band"].map((kind) => figure.querySelectorAll(`svg.plot ${kind}`).length);
const press = (name) => document.querySelector(`button[data-show=${name}]`).click();
const result = { first: drawn() };
press("none");
result.none = drawn();
all("input[name=group]")[2].click();
all("input[name=group]")[5].click();
result.two = drawn();
result.lines = all("#verdict li[data-groups]").filter((node) => node.getClientRects().length).length;
press("all");
result.all = drawn();
const said = figure.querySelector(".readout");
let changes = 0;
const watcher = new MutationObserver((list) => { changes += list.length; });
watcher.observe(said, { childList: true, characterData: true, subtree: true });
press("none");
press("all");
const controls = document.getElementById("controls");
result.share = controls.getBoundingClientRect().height / innerHeight;
setTimeout(() => {
  result.changes = changes;
  const out = document.createElement("pre");
  out.id = "result";
  out.textContent = JSON.stringify(result);
  document.body.append(out);
}, 0);
"""


def test_some_of_many_groups_are_chosen_and_get_their_bands(browser, tmp_path):
    rng = np.random.default_rng(7)
    ds = build_population(
        {"error": rng.gamma(3, 1, 40 * 20) + 5, "space": np.repeat([f"space {i}" for i in range(40)], 20)}
    )
    target = report(compare(ds, rng=0), tmp_path / "report.html")
    found = visit(browser, target, tmp_path, script=MANY)
    assert found["first"] == found["all"] == [40, 0]
    assert found["none"] == [0, 0]
    assert found["two"] == [2, 2]
    # Choices do not cover the page, and hiding says nothing anew.
    assert found["share"] < 0.25
    assert found["changes"] == 0
