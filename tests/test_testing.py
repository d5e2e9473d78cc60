"""The fakes are what they say: simulated from known curves, complete, and the same each time."""

import numpy as np
import pytest
import xarray as xr

from labelvalue import Fit, get_model, names, testing
from labelvalue.model.curve.families import log_effective_labels


def test_the_same_seed_gives_the_same_runs_and_another_seed_others():
    xr.testing.assert_identical(testing.fake_runs(seed=3), testing.fake_runs(seed=3))
    assert (testing.fake_runs(seed=3)["errors"].values != testing.fake_runs(seed=4)["errors"].values).any()


def test_runs_are_a_runs_table():
    runs = testing.fake_runs(seed=1, slices=("a", "b"), learners=("x", "y"), sizes=(100, 400), replicates=3, trials=50)
    assert runs.sizes[names.RUN] == 2 * 2 * 2 * 3
    assert set(runs["slice"].values) == {"a", "b"}
    assert set(runs["learner"].values) == {"x", "y"}
    assert set((runs["labels"] + runs["other_labels"]).values) <= {99, 100, 101, 399, 400, 401}
    assert (runs["trials"] == 50).all()
    assert (runs["errors"] <= 50).all()


def test_runs_scatter_about_the_curves_they_are_simulated_from():
    """Four standard errors of the mean deviation, with the training noise of each size added."""
    runs, truth = testing.fake_runs(seed=5, replicates=12), testing.fake_truth(seed=5)
    at = truth.sel(slice=runs["slice"], learner="default")
    worth = float(truth["transfer"])
    own, other = runs["labels"].values.astype(float), runs["other_labels"].values.astype(float)
    ratio = log_effective_labels(own, other, worth) - log_effective_labels(2000.0, 6000.0, worth)
    parameters = {str(name): values.values for name, values in at.data_vars.items()}
    expected = at["error_reference"].values * np.exp(get_model("power_law").curve(ratio, parameters))
    below = expected < 0.6  # above, a few errors are cut at 0.95
    assert below.mean() > 0.8
    sampling = np.sqrt(expected.clip(0, 1) * (1 - expected.clip(0, 1)) / runs["trials"].values)
    training = expected * at["training_sd"].values * np.sqrt(8000 / (own + other))
    z = (runs["error"].values - expected) / np.hypot(sampling, training)
    z = z[below]
    # The training noise of one replicate and size is shared by nothing, so the z are independent.
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert 0.8 < z.std() < 1.2


@pytest.mark.parametrize("learners", [("default",), ("a", "b")])
def test_a_fake_fit_is_complete(learners):
    fit = testing.fake_fit(seed=1, slices=("a", "b", "c"), learners=learners, chains=2, draws=50)
    assert isinstance(fit, Fit)
    curve = ("slice",) if len(learners) == 1 else ("slice", "learner")
    promised = [names.ERROR_NOW, names.ELASTICITY, names.IMPACT, names.FLOOR]
    for name in (*promised, names.CURVE_ELASTICITY, names.FLOOR_SHARE, names.DISCREPANCY, names.TRAINING_SD):
        assert fit.posterior[name].dims == ("chain", "draw", *curve), name
        assert np.isfinite(fit.posterior[name]).all()
    unused = ("efficiency", "noise_cost", "diversity")
    between = "elasticity_between"
    needed = {name for name in fit.model.priors if not name.startswith((*unused, between))}
    needed |= {f"{between}_{dim}s" for dim in curve} if len(curve) > 1 else set()
    assert needed <= set(fit.posterior.data_vars)
    assert (fit.posterior.sizes["chain"], fit.posterior.sizes["draw"]) == (2, 50)
    assert fit.slices.tolist() == ["a", "b", "c"]
    assert fit.position[names.LABELS_NOW].dims == curve
    assert set(fit.diagnostics.flags) == {"a", "b", "c"}


def test_fake_draws_lie_about_the_truth():
    fit, truth = testing.fake_fit(seed=2), testing.fake_truth(seed=2)
    for name in (names.ERROR_REFERENCE, names.CURVE_ELASTICITY, names.FLOOR_SHARE):
        middle = fit.posterior[name].median(("chain", "draw"))
        np.testing.assert_allclose(middle, truth[name].sel(learner="default"), rtol=0.06)


@pytest.mark.parametrize("verdict", ["ok", "flagged", "refused"])
def test_a_fake_fit_carries_the_verdict_asked_for(verdict):
    fit = testing.fake_fit(seed=1, verdict=verdict, draws=20)
    assert fit.diagnostics.verdict == verdict
    assert bool(fit.diagnostics.reasons) == (verdict != "ok")
    assert fit.diagnostics.attempts[-1]["verdict"] == verdict
    assert verdict in repr(fit)


def test_fake_fits_are_the_same_each_time():
    one, two = testing.fake_fit(seed=4, draws=30), testing.fake_fit(seed=4, draws=30)
    xr.testing.assert_identical(one.posterior, two.posterior)
    xr.testing.assert_identical(one.position, two.position)
