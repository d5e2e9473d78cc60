"""The second opinion: a clustered bootstrap in the shape of a gain, and where it disagrees (F26)."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from labelvalue import names, predict_gain, read_runs
from labelvalue.diagnostics import bootstrap_gain, gain_disagreement
from labelvalue.problems import InputError
from labelvalue.testing import fake_fit
from tests.fits import altered

SIZES = np.array([250, 500, 1000, 2000, 4000])


def of_runs(runs, learners=("default",)):
    """A fit of these runs as far as the bootstrap looks at it: runs, position, seed."""
    fit = fake_fit(seed=1, slices=("a", "b"), draws=50, learners=learners)
    size = runs[names.LABELS].values.max()
    place = fit.position.assign({n: fit.position[n] * 0 + size for n in (names.LABELS_NOW, names.REFERENCE_LABELS)})
    other = runs[names.OTHER_LABELS].values.max()
    place = place.assign({n: place[n] * 0 + other for n in (names.OTHER_LABELS_NOW, names.REFERENCE_OTHER_LABELS)})
    return altered(fit, runs=runs, position=place)


def table(scatter=0.0, replicates=5, transfer=0.0, **more):
    rng = np.random.default_rng(2)
    rows = []
    for replicate in range(replicates):
        whole = scatter * rng.standard_normal()  # a replicate's training sets are nested: they share their luck
        for name in "ab":
            for size in SIZES:
                other = int(rng.integers(0, 4 * size)) if transfer else 0
                error = 0.1 + 0.2 * ((size + transfer * other) / 4000) ** -0.5
                rows.append((name, size, other, error * np.exp(whole), 0.001, replicate))
    columns = ["slice", "labels", "other_labels", "value", "stderr", "replicate"]
    return read_runs(pd.DataFrame(rows, columns=columns).assign(**more), metric="error_rate")


TRUE = 0.2 - 0.2 * 2**-0.5


def test_it_has_the_shape_of_a_gain():
    fit = fake_fit(seed=1, slices=("a", "b"), draws=50)
    mine, theirs = bootstrap_gain(fit, [0, 500], draws=100), predict_gain(fit, [0, 500])
    assert mine.dims == theirs.dims
    assert mine.name == theirs.name
    assert set(theirs.coords) == set(mine.coords)
    assert mine[names.LABELS_NOW].equals(theirs[names.LABELS_NOW])
    assert mine[names.DOUBLINGS].equals(theirs[names.DOUBLINGS])
    assert (mine.sel(budget=0) == 0).all()


def test_without_noise_it_is_exact():
    gain = bootstrap_gain(of_runs(table()), [4000], draws=100)
    np.testing.assert_allclose(gain, TRUE, rtol=0.01)


def test_labels_of_other_slices_are_taken_into_account():
    gain = bootstrap_gain(of_runs(table(transfer=0.3)), [4000], draws=100)
    fit = of_runs(table(transfer=0.3))
    other = float(fit.position[names.OTHER_LABELS_NOW].isel(slice=0))
    now, later = (0.1 + 0.2 * ((n + 0.3 * other) / 4000) ** -0.5 for n in (4000, 8000))
    np.testing.assert_allclose(gain, now - later, rtol=0.02)


def test_replicates_are_drawn_whole_and_for_all_slices_at_once():
    """Luck that a replicate's runs share widens the interval as it should, and does not average out over sizes."""
    gain = bootstrap_gain(of_runs(table(scatter=0.03, replicates=8)), [4000], draws=400).isel(chain=0, budget=0)
    assert float(gain.std("draw").mean()) > 0.2 * 0.03 * TRUE / np.sqrt(8)
    assert np.corrcoef(gain.values.T)[0, 1] > 0.9


def test_the_same_fit_gives_the_same_draws():
    fit = of_runs(table(scatter=0.03))
    one, two = (bootstrap_gain(fit, [500], draws=100) for _ in range(2))
    assert one.identical(two)


def test_other_strategies_and_noisy_labels_are_left_out():
    clean = table()
    odd = clean.assign({names.STRATEGY: (names.RUN, np.full(clean.sizes["run"], "margin", dtype=object))})
    odd = odd.assign({names.VALUE: odd[names.VALUE] * 2, names.ERROR: odd[names.ERROR] * 2})
    both = xr.concat([clean, odd], dim=names.RUN, data_vars="all")
    gain = bootstrap_gain(of_runs(both.assign_attrs(clean.attrs)), [4000], draws=100)
    np.testing.assert_allclose(gain, TRUE, rtol=0.01)


def test_a_slice_with_too_few_runs_has_no_second_opinion():
    runs = table()
    keep = (runs[names.SLICE].values == "a") | (np.cumsum(runs[names.SLICE].values == "b") <= 3)
    gain = bootstrap_gain(of_runs(runs.isel(run=keep)), [4000], draws=100)
    assert np.isfinite(gain.sel(slice="a")).all()
    assert np.isnan(gain.sel(slice="b")).all()


def test_a_curve_that_few_replicates_have_is_never_drawn_without_runs():
    """Of six replicates slice b has three: without any of them, one resample in 64, its gain came out as nothing."""
    runs = table(replicates=6)
    for least, finite in ((3, True), (2, False)):
        keep = (runs[names.SLICE].values == "a") | (runs[names.REPLICATE].values < least)
        gain = bootstrap_gain(of_runs(runs.isel(run=keep)), [4000], draws=500).sel(slice="b")
        assert np.isfinite(gain).all() == finite
        if finite:
            np.testing.assert_allclose(gain, TRUE, rtol=0.01)


@pytest.mark.parametrize(
    ("runs", "options", "error", "says"),
    [
        (table(replicates=2), {}, InputError, "2 replicates"),
        (table(), {"draws": 10}, ValueError, "draws"),
        (table(), {"draws": 200.0}, ValueError, "draws"),
        (table(), {"budgets": [-1]}, ValueError, "budget"),
    ],
)
def test_what_cannot_be(runs, options, error, says):
    options = {"budgets": [500]} | options
    with pytest.raises(error, match=says):
        bootstrap_gain(of_runs(runs), **options)


# --- disagreement ---------------------------------------------------------------------------------


def gains(*centers, spread=0.01):
    rng = np.random.default_rng(1)
    values = np.array(centers)[None, None, :, None] + spread * rng.standard_normal((1, 500, len(centers), 1))
    coords = {"slice": list("abc")[: len(centers)], "budget": [500]}
    return xr.DataArray(values, dims=("chain", "draw", "slice", "budget"), coords=coords, name="gain")


def test_where_they_agree_and_where_not():
    found = gain_disagreement(gains(0.05, 0.1), gains(0.052, 0.2))
    assert found["disagrees"].tolist() == [False, True]
    assert found.attrs["sentence"] == "The bootstrap disagrees with the posterior on 1 of 2 gains (slices b)."
    assert found.attrs[names.CI_PROB] == 0.9
    assert found["ratio"].tolist() == pytest.approx([1.0, 1.0])
    assert (found["low"] < found["median"]).all()
    assert (
        "agrees with the posterior on all 2" in gain_disagreement(gains(0.05, 0.1), gains(0.05, 0.1)).attrs["sentence"]
    )


def test_a_wide_interval_that_holds_the_other_does_not_disagree():
    assert not gain_disagreement(gains(0.05), gains(0.09, spread=0.05))["disagrees"].any()


def test_gains_that_do_not_match():
    with pytest.raises(ValueError, match="not of the same slices"):
        gain_disagreement(gains(0.05, 0.1), gains(0.05))
    with pytest.raises(ValueError, match="ci_prob"):
        gain_disagreement(gains(0.05), gains(0.05), ci_prob=1.0)
