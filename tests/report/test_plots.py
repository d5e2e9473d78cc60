"""Figures: the numbers of the tables, names shown literally, nothing cut, no global state."""

import base64
import io
import itertools
import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import labelvalue as lv
from labelvalue import names, testing
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS
from labelvalue.model.curve.observations import used_runs
from labelvalue.report.plots import style
from labelvalue.report.render import html, images
from tests.fits import altered
from tests.report.conftest import artists, band, line
from tests.report.test_over_time import ROWS as BATCHES


def texts(figure):
    return [t for t in figure.findobj(mpl.text.Text) if t.get_text() and t.get_visible()]


def check_nothing_is_cut(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = canvas.get_width_height()
    for artist in [*figure.axes, *figure.texts, *figure.legends]:
        box = artist.get_tightbbox(renderer)
        assert box.x0 >= -1, artist
        assert box.y0 >= -1, artist
        assert box.x1 <= width + 1, artist
        assert box.y1 <= height + 1, artist
    titles = [ax.texts[0].get_window_extent(renderer) for ax in figure.axes if ax.texts]
    for one, other in itertools.combinations(titles, 2):
        assert not one.overlaps(other)


def titles(figure):
    return ["".join(ax.texts[0].get_text().split("\n")).replace(" ", "") for ax in figure.axes]


# --- curves -----------------------------------------------------------------------------------------


def test_marked_points_of_the_curves_are_the_tables_numbers(fake_fit):
    budgets = [500, 2000]
    figure = lv.plot_curves(fake_fit, budgets=budgets)
    gain = lv.summarise(lv.predict_gain(fake_fit, budgets=budgets))
    now = lv.summarise(fake_fit.posterior["error_now"]).set_index("slice")["mean"]
    for axes, name in zip(figure.axes, sorted(fake_fit.slices), strict=True):
        labels_now = float(fake_fit.position["labels_now"].sel(slice=name))
        x, y = line(axes, "marked")
        np.testing.assert_array_equal(x, labels_now + np.array(budgets))
        np.testing.assert_allclose(now[name] - y, gain[gain["slice"] == name]["mean"], rtol=1e-9)


def test_curves_and_bands_are_summaries_of_the_forecast(fake_fit):
    """At now, with the others at now, the curve is predict_error."""
    figure = lv.plot_curves(fake_fit, slices=["north"], ci_probs=(0.5, 0.8), budgets=[1000])
    labels_now = int(fake_fit.position["labels_now"].sel(slice="north"))
    sizes = [labels_now, labels_now + 1000]
    error = lv.predict_error(fake_fit, labels=sizes).sel(slice=["north"])
    outer, inner = lv.summarise(error, ci_prob=0.8), lv.summarise(error, ci_prob=0.5)
    x, y = line(figure.axes[0], "mean")
    wide, narrow = band(figure.axes[0], "outer"), band(figure.axes[0], "inner")
    for i, size in enumerate(sizes):
        assert y[x == size][0] == pytest.approx(outer["mean"][i])
        assert wide[size] == pytest.approx((outer["lower"][i], outer["upper"][i]))
        assert narrow[size] == pytest.approx((inner["lower"][i], inner["upper"][i]))


def test_before_now_the_other_slices_grow_in_proportion(fake_fit):
    figure = lv.plot_curves(fake_fit, slices=["east"], budgets=[500])
    x, y = line(figure.axes[0], "mean")
    at = np.flatnonzero(x < float(fake_fit.position["labels_now"].sel(slice="east")))[-5]
    lower, upper = int(np.floor(x[at])), int(np.ceil(x[at]))
    error = lv.predict_error(fake_fit, labels=[lower, upper], other_labels="proportional").sel(slice="east")
    ends = error.mean(("chain", "draw")).values
    assert ends.min() <= y[at] <= ends.max()
    said = " ".join(t.get_text().replace("\n", " ") for t in figure.texts)
    assert "other_labels='proportional'" in said


def test_every_run_is_a_point(fake_fit):
    figure = lv.plot_curves(fake_fit, slices=["south"])
    own, used = fake_fit.runs["slice"].values == "south", used_runs(fake_fit.runs)
    for gid, mine in (("runs", own & used), ("left out", own & ~used)):
        _, y = line(figure.axes[0], gid)
        assert sorted(y) == sorted(fake_fit.runs["error"].values[mine])
    said = " ".join(t.get_text().replace("\n", " ") for t in figure.texts)
    assert f"{used.sum()} of {used.size} runs used" in said
    assert "a run that the fit leaves out" in [t.get_text() for t in figure.legends[0].get_texts()]


def test_runs_that_are_all_used_need_no_note(fake_fit):
    figure = lv.plot_curves(
        altered(fake_fit, runs=fake_fit.runs.isel(run=np.flatnonzero(used_runs(fake_fit.runs)))), slices=["south"]
    )
    assert artists(figure.axes[0], "left out") == []
    assert "runs used" not in " ".join(t.get_text() for t in figure.texts)
    assert "a run that the fit leaves out" not in [t.get_text() for t in figure.legends[0].get_texts()]


def test_runs_without_errors_or_labels_are_marked_at_the_edge(fake_fit):
    runs = fake_fit.runs.copy(deep=True)
    runs["error"][0], runs["labels"][1] = 0.0, 0
    figure = lv.plot_curves(altered(fake_fit, runs=runs))
    edges = [a for ax in figure.axes for a in ax.get_lines() if a.get_marker() == "v"]
    assert sum(len(a.get_xdata()) for a in edges) == 2
    assert "triangles" in " ".join(t.get_text() for t in figure.texts)


def test_far_forecasts_are_hatched_and_named(fake_fit):
    near = lv.plot_curves(fake_fit, budgets=[500])
    far = lv.plot_curves(fake_fit, budgets=[500_000])
    label = "beyond validated distance"
    assert label not in [t.get_text() for t in near.legends[0].get_texts()]
    assert label in [t.get_text() for t in far.legends[0].get_texts()]


@pytest.mark.parametrize("budget", [500, 500_000])
def test_now_and_what_lies_beyond_the_data_stand_where_they_are(fake_fit, budget):
    # Labels were bought since the last training.
    fit = altered(fake_fit, position={names.LABELS_NOW: fake_fit.position[names.LABELS_NOW] + 300})
    figure = lv.plot_curves(fit, budgets=[budget])
    deepest = 0
    for axes, name in zip(figure.axes, sorted(fit.slices), strict=True):
        position = fit.position.sel(slice=name)
        x, y = line(axes, "now")
        assert set(x) == {float(position["labels_now"])} != {float(position["reference_labels"])}
        assert (y.min(), y.max()) == (0, 1), "from edge to edge of the panel"
        reference, (_, right) = float(position["reference_labels"]), axes.get_xlim()
        deep = reference * 2**VALIDATED_DOUBLINGS
        assert right > float(position["labels_now"]) + budget
        assert span(axes, "beyond") == [(reference, min(deep, right))]
        assert span(axes, "unvalidated") == ([(deep, right)] if deep < right else [])
        deepest += deep < right
    assert deepest == (0 if budget == 500 else fit.slices.size)


def span(axes, gid):
    """Left and right edge of what is shaded from the bottom of a panel to its top."""
    found = artists(axes, gid)
    assert all((one.get_y(), one.get_height()) == (0, 1) for one in found)
    return [pytest.approx((one.get_x(), one.get_x() + one.get_width())) for one in found]


@pytest.mark.parametrize("wrong", [["esat"], [], ["east", "nowhere"]])
def test_unknown_slices(fake_fit, wrong):
    with pytest.raises(ValueError, match=r"slice.*Fix:"):
        lv.plot_curves(fake_fit, slices=wrong)


def test_bad_numbers(fake_fit):
    with pytest.raises(ValueError, match="between 0 and 1"):
        lv.plot_curves(fake_fit, ci_probs=(0.5, 90))
    with pytest.raises(ValueError, match="budget"):
        lv.plot_curves(fake_fit, budgets=[])


# --- gains and impacts ------------------------------------------------------------------------------


def test_gains_are_the_tables_numbers(fake_fit):
    gain = lv.predict_gain(fake_fit, budgets=[500, 2000, 60_000])
    table, narrow = lv.summarise(gain), lv.summarise(gain, ci_prob=0.5)
    figure = lv.plot_gain(gain)
    for axes, name in zip(figure.axes, sorted(fake_fit.slices), strict=True):
        own = table["slice"] == name
        x, y = line(axes, "mean")
        np.testing.assert_array_equal(x, table[own]["budget"])
        np.testing.assert_array_equal(y, table[own]["mean"])
        wide, inner = band(axes, "outer"), band(axes, "inner")
        for (_, row), (_, small) in zip(table[own].iterrows(), narrow[own].iterrows(), strict=True):
            assert wide[row["budget"]] == (row["lower"], row["upper"])
            assert inner[row["budget"]] == (small["lower"], small["upper"])
    assert "beyond validated distance" in [t.get_text() for t in figure.legends[0].get_texts()]


def forest_numbers(axes):
    means = [a.get_xdata()[0] for a in artists(axes, "mean")]
    ends = [np.sort(a.get_segments()[0][:, 0]) for a in artists(axes, "outer")]
    return means, ends


def test_one_budget_makes_a_forest(fake_fit):
    gain = lv.predict_gain(fake_fit, budgets=[500])
    table = lv.summarise(gain).sort_values("mean", ascending=False)
    (axes,) = lv.plot_gain(gain).axes
    means, ends = forest_numbers(axes)
    assert means == list(table["mean"])
    np.testing.assert_array_equal(ends, table[["lower", "upper"]])
    assert [t.get_text() for t in axes.get_yticklabels()] == list(table["slice"])


def test_impacts_are_the_tables_numbers_largest_first():
    fit = lv.testing.fake_fit(seed=2, learners=("tree", "linear"), draws=50)
    table = lv.summarise(lv.impact(fit, per=1000)).sort_values("mean", ascending=False)
    (axes,) = lv.plot_impact(fit).axes
    means, ends = forest_numbers(axes)
    assert means == list(table["mean"])
    np.testing.assert_array_equal(ends, table[["lower", "upper"]])
    shown = [t.get_text().replace("\n", " ") for t in axes.get_yticklabels()]
    assert shown == [f"{r['slice']} · {r['learner']}" for _, r in table.iterrows()]
    assert len({a.get_marker() for a in artists(axes, "mean")}) == 2


def test_gains_only():
    fit = lv.testing.fake_fit(seed=1, draws=50)
    with pytest.raises(ValueError, match=r"gains by slice and budget.*Fix:"):
        lv.plot_gain(lv.impact(fit))
    with pytest.raises(TypeError):
        lv.plot_gain([1.0])


# --- the look ---------------------------------------------------------------------------------------


def test_hostile_names_are_shown_literally_and_nothing_is_cut(hostile_fit):
    spelt = [style.literal(s).replace(" ", "") for s in sorted(hostile_fit.slices.astype(str))]
    curves = lv.plot_curves(hostile_fit)
    assert titles(curves) == spelt
    check_nothing_is_cut(curves)
    forest = lv.plot_impact(hostile_fit)
    shown = ["".join(t.get_text().split("\n")).replace(" ", "") for t in forest.axes[0].get_yticklabels()]
    assert sorted(shown) == sorted(spelt)
    check_nothing_is_cut(forest)
    for figure in (curves, forest):
        parsed = [t.get_text() for t in texts(figure) if t.get_parse_math()]
        assert all(re.fullmatch(r"\+?[\d.]+(e-\d+)?[kMG]?", t) for t in parsed), "only numbers of ticks"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 11])
def test_nothing_is_cut_whatever_the_number_of_slices(count):
    fit = lv.testing.fake_fit(seed=1, slices=tuple(f"slice number {i}" for i in range(count)), draws=20)
    check_nothing_is_cut(lv.plot_curves(fit))
    check_nothing_is_cut(lv.plot_gain(lv.predict_gain(fit, [0, 1000, 90_000])))
    check_nothing_is_cut(lv.plot_impact(fit))


def test_143_slices_have_143_panels():
    fit = lv.testing.fake_fit(seed=1, slices=tuple(f"s{i}" for i in range(143)), chains=2, draws=10)
    assert titles(lv.plot_curves(fit, budgets=[100])) == sorted(fit.slices)
    assert len(lv.plot_impact(fit).axes[0].get_yticklabels()) == 143


def test_pyplot_and_the_users_settings_are_left_alone(fake_fit):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    with mpl.rc_context({"font.size": 31, "axes.facecolor": "black", "text.color": "red"}):
        figure = lv.plot_gain(lv.predict_gain(fake_fit, budgets=[100, 500]))
        assert mpl.rcParams["font.size"] == 31
    assert figure.axes[0].get_facecolor() == (1, 1, 1, 1)
    assert plt.get_fignums() == before


def test_a_figure_shows_itself_in_a_notebook(fake_fit):
    assert lv.plot_impact(fake_fit)._repr_png_().startswith(b"\x89PNG")


def test_names_that_no_font_has_are_spelt_out():
    assert style.literal("\u4e2d\U0010ffff\u202e\n$_").endswith("\\U0010ffff\\u202e\\n$_")


def test_wrap_leaves_nothing_out():
    text = "word " * 30 + "w" * 90
    lines = style.wrap(text, 1.5, 9)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert max(style.text_width(t, 9) for t in lines) <= 1.5


def test_axis_ticks_are_few_and_inside():
    for low, high in [(1, 3), (80, 120), (5, 5e6), (0.08, 0.11), (1e-4, 0.9)]:
        _, (axes,) = style.panels(["a"], foot="", x_label="", y_label="", handles=[])
        style.log_axis(axes, "x", low, high, ticks=4, labels=True)
        ticks = axes.get_xticks()
        assert 2 <= len(ticks) <= 4
        assert all(low <= t <= high for t in ticks)


def test_bands_differ_in_grey_too():
    """Lightness of line, inner and outer band and paper must differ for those who see no colour."""
    greys = [sum(w * c for w, c in zip((0.21, 0.72, 0.07), mpl.colors.to_rgb(c), strict=True)) for c in
             (style.LINE, style.INNER, style.OUTER, "white")]  # fmt: skip
    assert all(b - a > 0.08 for a, b in itertools.pairwise(greys))


def test_figures_are_the_same_bytes_each_time(fake_fit):
    def drawn():
        content = io.BytesIO()
        with style.look():
            lv.plot_impact(fake_fit).savefig(content, format="svg", metadata={"Date": None})
        return content.getvalue()

    assert drawn() == drawn()


@pytest.mark.rendered
def test_pixels_have_the_ground_of_the_page(fake_fit):
    figure = lv.plot_curves(fake_fit, budgets=[500])
    data = base64.b64decode(images.embed(figure, "curves", sharp=False)["src"].partition(",")[2])
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    exact = FigureCanvasAgg(figure)
    exact.draw()
    drawn = np.asarray(exact.buffer_rgba())[..., :3]
    assert (pixels[0] == 255).all()
    assert (pixels == 255).all(axis=-1).mean() > 0.5
    assert np.abs(pixels.astype(int) - drawn).mean() < 1  # of 255


@pytest.mark.rendered
def test_no_letter_of_a_picture_is_smaller_than_eleven_pixels(monkeypatch, tmp_path):
    """Wide pictures are shown as they are, narrow ones shrink to a phone of 390 pixels, of which margins take 32."""
    fit = testing.fake_fit(seed=1, draws=50)
    case = lv.Case(
        costs={"price_per_label": 0.1}, value={"per_error_point": 400}, label_noise={"default": 0.2},
        interventions=(lv.interventions.Consensus(3, slices=("west",)),),
    )  # fmt: skip
    smallest = {}

    def measured(figure, alt, *, sharp=True):
        FigureCanvasAgg(figure).draw()
        wide = 96 * figure.get_size_inches()[0]
        letters = min(one.get_fontsize() for one in texts(figure) if one.get_text().strip())
        smallest[alt] = letters * 96 / 72 * (1 if wide > 600 else 358 / wide)
        return {"src": "", "alt": alt, "width": 1, "height": 1}

    for module in (images, html):
        monkeypatch.setattr(module, "embed", measured, raising=module is images)
    lv.write_report(lv.decide(fit, case, max_labels=2000, measure=False), path=tmp_path / "report.html", budgets=[500])
    list(images.over_time_images(BATCHES))
    list(images.project_images([{"project": "a", "promised": 0.02, "delivered": 0.01}]))
    assert len(smallest) > 10
    assert {alt: size for alt, size in smallest.items() if size < 11} == {}
