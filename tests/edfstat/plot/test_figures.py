"""Every figure: what it draws is what the statistics say, it leaves global state alone, and it refuses nonsense."""

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from edfstat import compare, plot
from edfstat.errors import InputError, PopulationError
from edfstat.example import example_population
from edfstat.plot.style import looks, short_names
from edfstat.population import build_population


@pytest.fixture(scope="module")
def population():
    rng = np.random.default_rng(0)
    n = 400
    columns = {"error": [], "params": [], "flops": [], "lr": [], "weight_decay": [], "space": [], "status": []}
    for shift, space in enumerate(("Wide", "Deep", "Odd")):
        params = np.exp(rng.normal(13, 0.6, n))
        columns["params"].append(params.astype(int))
        columns["flops"].append((params * 150).astype(int))
        columns["lr"].append(10 ** rng.uniform(-3, 0, n))
        columns["weight_decay"].append(10 ** rng.uniform(-5, -3, n))
        error = np.clip(9 - 0.4 * shift - 0.3 * np.log(params / 5e5) + rng.gamma(2, 0.5, n), 0, 100)
        status = np.full(n, "ok", dtype=object)
        error[:4], status[:4] = 90.0, "diverged"
        columns["error"].append(error.round(2))
        columns["space"].append(np.full(n, space, dtype=object))
        columns["status"].append(status)
    return build_population({name: np.concatenate(parts) for name, parts in columns.items()})


@pytest.fixture(scope="module")
def comparison(population):
    return compare(population, n_resamples=9, rng=0)


@pytest.fixture(scope="module")
def repeated():
    rng = np.random.default_rng(1)
    mean = np.repeat(np.concatenate([rng.normal(5, 0.2, 10), rng.normal(6, 0.2, 10)]), 4)
    nets = [f'{{"a": {i}, "b": 1}}' if r % 2 else f'{{"b": 1, "a": {i}}}' for i in range(20) for r in range(4)]
    return build_population(
        {
            "error": mean + rng.normal(0, 0.1, 80),
            "net": np.array(nets, dtype=object),
            "group": np.repeat(np.array(["top", "mid"], dtype=object), 40),
        }
    )


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


FROM_BOTH = ["edf", "random_search", "auc_vs_eps", "ks_vs_sample_size", "complexity_histogram", "error_vs_complexity"]
FROM_MODELS = ["lr_wd_map", "pareto"]


@pytest.mark.parametrize("name", [*FROM_BOTH, *FROM_MODELS])
def test_every_figure_draws_into_the_given_axes_and_touches_nothing_global(name, population, ax):
    before = dict(mpl.rcParams)
    assert getattr(plot, name)(population, ax) is ax
    ax.figure.canvas.draw()
    assert dict(mpl.rcParams) == before
    assert ax.get_xlabel()
    assert ax.get_ylabel()


@pytest.mark.parametrize("name", FROM_BOTH)
def test_a_finished_comparison_is_drawn_under_each_measure(name, comparison, ax):
    for measure in ("params", "flops"):
        getattr(plot, name)(comparison, ax, measure=measure)
    labels = ax.get_legend_handles_labels()[1]
    assert all(any(space in label for label in labels) for space in ("Wide", "Deep", "Odd"))


def test_without_axes_a_figure_is_made(population):
    import matplotlib.pyplot as plt

    try:
        assert plot.edf(population).figure.number in plt.get_fignums()
    finally:
        plt.close("all")


def test_edf_lines_are_the_steps_of_the_comparison(comparison, ax):
    plot.edf(comparison, ax, measure="params", groups=["Deep"], zoom=False, max_error=12.0)
    (line,) = [line for line in ax.lines if line.get_label().startswith("Deep")]
    one = comparison.sel(group="Deep").isel(measure=list(comparison["measure"].values).index("params"))
    assert line.get_drawstyle() == "steps-post"
    np.testing.assert_array_equal(line.get_xdata()[1:], comparison["support"])
    np.testing.assert_array_equal(line.get_ydata()[1:], one["edf"])
    assert line.get_ydata()[0] == 0
    assert ax.get_xlim()[1] == 12.0


def test_diverged_models_do_not_squeeze_the_edfs(population, ax):
    plot.edf(population, ax)
    assert ax.get_xlim()[1] < 20


def spread(exponent, n=300):
    """Two groups whose errors are 5 % and a power of exponential numbers more: the higher, the earlier the rise."""
    rng = np.random.default_rng(3)
    errors = [5.0 + 0.2 * group + rng.exponential(1, n) ** exponent for group in range(2)]
    return build_population({"error": np.concatenate(errors), "space": ["A"] * n + ["B"] * n})


def hidden_by(box, ax):
    """Curves and bands of which a part lies under the box."""
    curves = [(line, False) for line in ax.lines] + [(band, True) for band in ax.collections]
    return [
        artist
        for artist, filled in curves
        for path in (artist.get_paths() if filled else [artist.get_path()])
        if artist.get_transform().transform_path(path).intersects_bbox(box, filled=filled)
    ]


@pytest.mark.parametrize("size", [(6.4, 4.8), (3.2, 2.4)])
@pytest.mark.parametrize("exponent", [0.2, 0.5, 1, 1.5, 2])
def test_the_enlarged_corner_hides_no_curve_and_no_band(exponent, size):
    ax = Figure(figsize=size, layout="constrained").subplots()
    plot.edf(spread(exponent), ax)
    ax.figure.draw_without_rendering()
    # Those that rise late leave no room, those that rise early do; in between the size decides.
    assert exponent in (0.5, 1) or len(ax.child_axes) == (exponent > 1)
    for inset in ax.child_axes:
        assert hidden_by(inset.get_tightbbox(), ax) == []
        best = 5.0
        low, high = inset.get_xlim()
        assert best - 0.05 * (high - best) < low < best + 0.05
    assert hidden_by(ax.bbox, ax)  # the measure of this test finds what is there


@pytest.mark.parametrize("zoom", [True, False])
@pytest.mark.parametrize("data", ["example", "drawn"])
def test_the_legend_of_edfs_lies_outside_and_zoom_has_axes_where_there_is_no_corner(zoom, data):
    import matplotlib.pyplot as plt

    try:
        ax = plot.edf(example_population() if data == "example" else spread(0.5), zoom=zoom)
        figure = ax.figure
        figure.draw_without_rendering()
        box = ax.get_legend().get_window_extent()
        assert not box.overlaps(ax.bbox)
        assert box.y1 <= ax.xaxis.label.get_window_extent().y0
        assert box.y0 >= 0
        assert [len(ax.child_axes), len(figure.axes)] == [0, 1 + zoom]
        if zoom:
            best = float(min(ax.lines[0].get_xdata()))
            low, high = figure.axes[1].get_xlim()
            assert 0 < best - low < 0.05 * (high - low)
    finally:
        plt.close("all")


def test_search_line_is_the_exact_mean_with_its_last_models_hollow(comparison, ax):
    plot.random_search(comparison, ax, groups=["Wide"], band=False)
    one = comparison.sel(group="Wide").isel(measure=0)
    solid, faint = (line for line in ax.lines if len(line.get_xdata()) > 0)
    trusted = int((one["search_support"].values >= 5).sum())
    np.testing.assert_array_equal(solid.get_ydata(), one["search_mean"].values[:trusted])
    np.testing.assert_array_equal(faint.get_ydata(), one["search_mean"].values[trusted - 1 :])
    assert faint.get_markerfacecolor() == "white"


def test_search_shows_medians_where_models_failed(ax):
    failed = build_population(
        {"error": [5.0, 6.0, np.nan, 7.0], "status": np.array(["ok", "ok", "diverged", "ok"], dtype=object)}
    )
    plot.random_search(failed, ax)
    assert "median" in ax.get_title(loc="left")
    assert all(np.isfinite(line.get_ydata()).all() for line in ax.lines if len(line.get_ydata()))


def test_scatter_holds_every_model_and_is_rasterised(population, ax):
    plot.error_vs_complexity(population, ax, measure="params")
    (points,) = [artist for artist in ax.collections if artist.get_rasterized()]
    assert len(points.get_offsets()) == 1200
    assert "1,200 models; 12 above the axis" in ax.get_title(loc="left")


def test_one_big_group_becomes_hexagons_that_hold_every_model(ax):
    rng = np.random.default_rng(2)
    big = build_population({"error": rng.normal(8, 0.1, 5000), "params": rng.integers(10**5, 10**7, 5000)})
    plot.error_vs_complexity(big, ax, max_error=100)
    (hexagons,) = [artist for artist in ax.collections if artist.get_rasterized()]
    assert hexagons.get_array().sum() == 5000


def test_map_leaves_cells_without_models_blank(population, ax):
    plot.lr_wd_map(population, ax, bins=60)
    (mesh,) = [artist for artist in ax.collections if artist.get_array() is not None]
    shown = mesh.get_array()
    assert np.ma.getmaskarray(shown).any()
    assert shown.count() <= 1200


def test_rerun_histogram_counts_every_run_and_ignores_key_order(repeated, ax):
    plot.reruns(repeated, ax)
    labels = ax.get_legend_handles_labels()[1]
    assert [label.split(", seed")[0] for label in labels] == [
        "top: 10 architectures, 40 runs",
        "mid: 10 architectures, 40 runs",
    ]
    counts = [patch.get_data().values.sum() for patch in ax.patches]
    assert counts == [40, 40, 40, 40]
    # The seed's standard deviation is 0.1 by construction, 30 degrees of freedom each.
    assert all(0.06 < float(label.rsplit(" ", 1)[1]) < 0.15 for label in labels)
    plot.reruns(repeated, Figure().subplots(), kind="runs")


def test_reruns_are_trainings_of_one_model_alone(ax):
    """Another learning rate is another model and an unknown net none: seeds differ by sqrt((.02 + .02) / 2)."""
    errors, nets = [5.0, 5.2, 9.0, 9.2, 6.0, 30.0], ["a", "a", "a", "a", "", ""]
    plot.reruns(build_population({"error": errors, "net": nets, "lr": [0.1, 0.1, 0.2, 0.2, 0.1, 0.1]}), ax)
    (label,) = ax.get_legend_handles_labels()[1]
    assert "2 architectures, 4 runs" in label
    assert label.endswith(" 0.14")


def test_pareto_line_is_the_front(population, ax):
    plot.pareto(population, ax, groups=["Odd"], m=None)
    group = population.isel(model=population["space"].values == "Odd")
    error, params = group["error"].values, group["params"].values
    on_front = [
        (p / 1e6, e)
        for e, p in zip(error, params, strict=True)
        if not ((error <= e) & (params <= p) & ((error < e) | (params < p))).any()
    ]
    (line,) = [line for line in ax.lines if line.get_label() == "Odd"]
    assert line.get_drawstyle() == "steps-post"
    drawn = list(zip(line.get_xdata()[:-1], line.get_ydata()[:-1], strict=True))
    np.testing.assert_allclose(drawn, sorted(on_front))


def test_auc_differences_are_drawn_with_their_intervals(comparison, ax):
    plot.auc_vs_eps(comparison, ax, measure="params", difference=True)
    assert len(ax.collections) == 3
    assert "Wide - Deep" in ax.get_legend_handles_labels()[1]
    assert "95 % interval at each eps shaded" in ax.get_title(loc="left")


@pytest.mark.parametrize("name", ["edf", "random_search", "auc_vs_eps"])
def test_a_single_bin_is_not_called_a_normalization(name, ax):
    few = build_population({"error": [5.0, 6, 7, 8] * 4, "params": list(range(8)) * 2, "space": ["A"] * 8 + ["B"] * 8})
    getattr(plot, name)(few, ax, measure="params")
    assert "in the same range of params" in ax.get_title(loc="left").lower()


@pytest.mark.parametrize("name", ["edf", "random_search", "auc_vs_eps"])
def test_titles_say_how_models_are_compared(name, comparison, ax):
    getattr(plot, name)(comparison, ax, measure="params")
    assert "at equal params" in ax.get_title(loc="left").lower()
    getattr(plot, name)(comparison, ax)
    assert "as the models are" in ax.get_title(loc="left").lower()


def test_one_bin_is_counted_in_the_singular(comparison, ax):
    few = build_population({"error": [5.0, 6, 7, 8] * 4, "params": list(range(8)) * 2, "space": ["A"] * 8 + ["B"] * 8})
    plot.complexity_histogram(few, ax)
    assert "1 bin" in ax.get_legend_handles_labels()[1]
    plot.complexity_histogram(comparison, ax)
    assert f"{int(comparison['bins'].sel(measure='params'))} bins" in ax.get_legend_handles_labels()[1]


@pytest.mark.parametrize("count", [40, 64, 100])
def test_sample_sizes_count_every_model(count, ax):
    ds = build_population({"error": np.linspace(5, 9, 2 * count), "space": ["A", "B"] * count})
    plot.ks_vs_sample_size(ds, ax)
    assert {f"A (n = {count})", f"B (n = {count})"} <= set(ax.get_legend_handles_labels()[1])


def test_sample_sizes_have_every_line_named_and_no_marker_hidden(comparison, ax):
    """All three groups have 400 models: their markers lie on each other, and each is larger than those on it."""
    plot.ks_vs_sample_size(comparison, ax)
    labels = ax.get_legend_handles_labels()[1]
    assert any(label.startswith("thin: n of a group") for label in labels)
    assert {"Wide (n = 400)", "Deep (n = 400)", "Odd (n = 400)"} <= set(labels)
    marks = [line for line in ax.lines if "(n = " in line.get_label()]
    assert len({(line.get_xdata()[0], line.get_ydata()[0]) for line in marks}) == 1
    sizes = [line.get_markersize() for line in marks]
    assert all(below >= above + 4 for below, above in pairwise(sizes))
    ax.figure.draw_without_rendering()
    assert not ax.get_legend().get_window_extent().overlaps(ax.bbox)


LONG = [f"a_very_long_design_space_name_{i}_variant" for i in range(12)]


def crowd(names):
    """As many models of each name, whose errors and sizes fill the Axes into every corner."""
    rng = np.random.default_rng(3)
    errors, params = rng.uniform(5, 9, (len(names), 40)), np.geomspace(1e5, 1e6, 40).astype(int)
    return build_population(
        {"error": errors.ravel(), "params": np.tile(params, len(names)), "space": np.repeat(names, 40)}
    )


@pytest.fixture
def new_figures():
    """Closes what pyplot opens where no Axes are given."""
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.mark.parametrize("name", [*FROM_BOTH, "pareto"])
@pytest.mark.parametrize("names", [["A"], ["A", "B"], LONG], ids=["one", "two", "twelve long"])
def test_no_legend_lies_on_data_and_many_names_leave_the_axes_their_room(name, names, new_figures):
    ax = getattr(plot, name)(crowd(names))
    ax.figure.draw_without_rendering()
    box, dots = ax.get_legend().get_window_extent(), ax.figure.dpi
    assert not box.overlaps(ax.bbox)
    assert box.y1 <= ax.xaxis.label.get_window_extent().y0
    assert box.y0 >= 0
    # Labels that run off the figure are those of Axes without room.
    assert ax.bbox.height > 2.6 * dots
    label = ax.yaxis.label.get_window_extent()
    assert label.y0 >= 0
    assert label.y1 <= ax.figure.bbox.height
    for one in (box, label):
        assert one.x0 >= 0
        assert one.x1 <= ax.figure.bbox.width


@pytest.mark.parametrize("kind", ["histogram", "runs"])
@pytest.mark.parametrize("names", [["A"], LONG[:6]], ids=["one", "six long"])
def test_legends_of_reruns_lie_below(kind, names, new_figures):
    rng = np.random.default_rng(6)
    nets = np.repeat([f'{{"a": {i}}}' for i in range(10 * len(names))], 4).astype(object)
    ds = build_population(
        {"error": rng.gamma(3, 1, nets.size) + 5, "net": nets, "group": np.repeat(names, 40).astype(object)}
    )
    ax = plot.reruns(ds, kind=kind)
    ax.figure.draw_without_rendering()
    box = ax.get_legend().get_window_extent()
    assert not box.overlaps(ax.bbox)
    assert box.y1 <= ax.xaxis.label.get_window_extent().y0
    assert box.y0 >= 0
    assert box.x1 <= ax.figure.bbox.width


def test_the_title_of_a_map_fits_whatever_the_names(new_figures):
    rng = np.random.default_rng(7)
    columns = {
        "error": rng.gamma(3, 1, 120),
        "lr": 10 ** rng.uniform(-3, 0, 120),
        "weight_decay": np.geomspace(1e-5, 1e-3, 120),
    }
    ax = plot.lr_wd_map(build_population(columns | {"space": np.resize(LONG, 120)}))
    ax.figure.draw_without_rendering()
    (title,) = [text for text in ax.get_children() if getattr(text, "get_text", str)().endswith(" models")]
    assert title.get_window_extent().x1 <= ax.figure.bbox.width
    assert title.get_text() == "12 groups: 120 models"


def test_given_axes_keep_the_size_of_their_figure():
    ax = Figure(figsize=(6, 4), layout="constrained").subplots()
    plot.auc_vs_eps(crowd(LONG), ax)
    assert ax.figure.get_size_inches().tolist() == [6, 4]


def test_long_names_are_shortened_in_the_middle_and_stay_apart():
    assert short_names(["ResNet", *LONG])["ResNet"] == "ResNet"
    short = short_names(LONG)
    assert len(set(short.values())) == 12
    assert all(len(text) == 30 and text.startswith("a_very_long_de…") for text in short.values())
    assert all(short[name][15:] == name[-15:] for name in LONG)
    alike = ["x" * 20 + middle + "y" * 20 for middle in "ab"]
    assert list(short_names(alike).values()) == alike


def test_markers_of_many_groups_stay_small_and_those_of_the_legend_smaller(new_figures):
    """Ten groups of as many models, as the paper's ten spaces: markers reached 38 points."""
    ax = plot.ks_vs_sample_size(crowd([f"S{i}" for i in range(10)]))
    sizes = [line.get_markersize() for line in ax.lines if "(n = " in line.get_label()]
    assert max(sizes) <= 22
    assert all(below > above for below, above in pairwise(sizes))
    # The type of the legend is 8.3 points high: no mark reaches into the next line.
    assert max(line.get_markersize() for line in ax.get_legend().legend_handles) <= 8


def test_counts_on_logarithmic_axes_are_plain(comparison, ax):
    plot.random_search(comparison, ax)
    ax.figure.draw_without_rendering()
    assert all(float(text.replace(",", "")) == 2 ** round(np.log2(float(text.replace(",", ""))))
               for text, _ in labels_of(ax.xaxis))  # fmt: skip


@pytest.mark.parametrize("failed", [0, 8])
def test_spread_that_failed_models_make_endless_reaches_the_top_and_one_bin_shows_it(failed, ax):
    """The 95 % quantile of 40 models of which 8 failed is infinite; without failures it is the 38th of 40."""
    errors = np.linspace(5, 9, 40)
    status = np.array(["ok"] * (40 - failed) + ["diverged"] * failed, dtype=object)
    ds = build_population(
        {
            "error": np.tile(np.where(status == "ok", errors, np.nan), 2),
            "params": np.tile(np.arange(1000, 1040), 2),
            "status": np.tile(status, 2),
            "space": np.repeat(["A", "B"], 40),
        }
    )
    plot.error_vs_complexity(compare(ds, bins=1, n_resamples=9, rng=0), ax)
    bars = [line for c in ax.collections for line in getattr(c, "get_segments", list)() if len(line)]
    assert len(bars) == 2
    low, high = bars[0][:, 1]
    assert low == pytest.approx(errors[1], abs=0.2)
    assert high == pytest.approx(errors[37], abs=0.2) if not failed else high > ax.get_ylim()[1]


def test_a_difference_needs_two_groups(ax):
    with pytest.raises(InputError, match=r"difference draws pairs, and the only group is \['A'\]"):
        plot.auc_vs_eps(crowd(["A"]), ax, difference=True)


def labels_of(axis):
    """Labels inside the range, with the boxes that they fill."""
    low, high = sorted(axis.get_view_interval())
    found = [t.label1 for t in [*axis.get_major_ticks(), *axis.get_minor_ticks()] if low <= t.get_loc() <= high]
    return [(label.get_text(), label.get_window_extent()) for label in found if label.get_text()]


def clear(labels):
    boxes = [box for _, box in labels]
    return not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])


@pytest.mark.parametrize("name", ["error_vs_complexity", "pareto"])
@pytest.mark.parametrize("factor", [12, 18, 300, 1e5])
def test_labels_of_logarithmic_complexity_are_plain_and_apart(name, factor, ax):
    params = np.geomspace(25_000, 25_000 * factor, 40).astype(int)
    ds = build_population({"error": np.linspace(9, 5, 40), "params": params, "space": ["A"] * 40})
    getattr(plot, name)(ds, ax)
    assert ax.get_xscale() == "log"
    ax.figure.draw_without_rendering()
    labels = labels_of(ax.xaxis)
    assert len(labels) >= 3
    assert all(float(text) > 0 for text, _ in labels)  # a number as Python writes it, no formula
    assert clear(labels)


@pytest.mark.parametrize("ends", [(0.1, 0.1), (0.09, 0.12), (0.02, 0.5), (1e-3, 1.0)])
def test_labels_of_a_map_are_plain_and_apart(ends, ax):
    lr = np.geomspace(*ends, 30)
    ds = build_population({"error": np.linspace(9, 5, 30), "lr": lr, "weight_decay": lr[::-1] / 200, "space": "A"})
    plot.lr_wd_map(ds, ax)
    ax.figure.draw_without_rendering()
    for axis in (ax.xaxis, ax.yaxis):
        labels = labels_of(axis)
        assert len(labels) >= 3
        assert all(float(text) > 0 for text, _ in labels)
        assert clear(labels)


def test_looks_differ_in_colour_and_in_line_and_stay_with_their_place():
    found = looks("abcdefg")
    assert len({look.color for look in found.values()}) == 7
    assert len({(look.color, str(look.linestyle), look.marker) for look in looks(map(str, range(35))).values()}) == 35
    assert found["b"] == looks(["x", "y"])["y"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p, c: plot.edf(p, measure="acts"), "measure is 'acts'"),
        (lambda p, c: plot.edf(c, measure="acts"), "the comparison has"),
        (lambda p, c: plot.edf(c, groups=["Nowhere"]), "Nowhere"),
        (lambda p, c: plot.edf([1, 2, 3]), "population or a comparison"),
        (lambda p, c: plot.complexity_histogram(c, measure="none"), "measure is 'none'"),
        (lambda p, c: plot.error_vs_complexity(p, kind="pie"), "kind is 'pie'"),
        (lambda p, c: plot.error_vs_complexity(p, kind="density"), "density draws one group"),
        (lambda p, c: plot.pareto(c), "give the population"),
        (lambda p, c: plot.lr_wd_map(p.drop_vars("lr")), "needs \\['lr'\\]"),
        (lambda p, c: plot.lr_wd_map(p.isel(model=[])), "the population has no models"),
        (lambda p, c: plot.edf(p.isel(model=[])), "the population has no models"),
        (lambda p, c: plot.lr_wd_map(p.assign_coords(status=("model", ["lost"] * p.sizes["model"]))), "models counts"),
        (lambda p, c: plot.reruns(p), "needs \\['net'\\]"),
        (lambda p, c: plot.terminal_edf(p, width=5), "width and height are 5"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(call, message, population, comparison):
    import matplotlib.pyplot as plt

    try:
        with pytest.raises(InputError, match=message):
            call(population, comparison)
    finally:
        plt.close("all")


@pytest.mark.parametrize("ascii", [True, False])
def test_terminal_figure_fits_and_names_every_group(comparison, ascii):
    text = plot.terminal_edf(comparison, measure="params", width=60, height=15, ascii=ascii)
    lines = text.split("\n")
    assert len(lines) == 15
    assert max(map(len, lines)) <= 60
    assert all(space in text for space in ("Wide", "Deep", "Odd"))
    assert text.isascii() == ascii


def test_terminal_colours_only_when_asked(comparison):
    assert "\x1b" not in plot.terminal_edf(comparison)
    assert "\x1b[38;5;33m" in plot.terminal_edf(comparison, color=True)


@pytest.mark.parametrize("name", ["edf", "error_vs_complexity", "pareto", "random_search"])
def test_a_population_of_failed_models_only_is_refused(name):
    failed = build_population(
        {"error": [np.nan] * 6, "params": [1, 2, 3, 1, 2, 3], "space": ["A"] * 3 + ["B"] * 3, "status": "diverged"}
    )
    with pytest.raises(PopulationError, match="none of 6 models has a finite error"):
        getattr(plot, name)(failed)


@pytest.mark.parametrize("name", ["error_vs_complexity", "pareto"])
def test_failed_models_beside_others_are_left_to_the_legend(name, ax):
    errors = [5.0, np.nan, np.nan, 6.0, 7.0, np.nan, np.nan, 8.0]
    status = ["ok" if np.isfinite(error) else "diverged" for error in errors]
    ds = build_population(
        {"error": errors, "params": [1, 2, 2, 3] * 2, "space": ["A"] * 4 + ["B"] * 4, "status": status}
    )
    assert getattr(plot, name)(ds, ax) is ax
    low, high = ax.get_ylim()
    assert 4 < low <= 5
    assert 7 <= high < 100  # the better models of both groups are inside


def test_groups_that_a_comparison_has_not_are_named() -> None:
    comparison = compare(example_population(), complexity="params", n_resamples=99, rng=0)
    with pytest.raises(InputError, match=r"groups has \['nope'\]; the comparison has \['Vanilla', 'ResNet'\]"):
        plot.error_vs_complexity(comparison, groups=["nope"])
