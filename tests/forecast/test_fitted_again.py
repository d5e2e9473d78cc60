"""Where draws cannot be re-weighted, the runs are fitted again: with everything as it was asked for, but the change."""

import numpy as np
import pytest

import labelvalue as lv
from labelvalue import Case, Prior, decide, names
from labelvalue.model.fitting.fitting import LEFT_OUT, fit_again
from labelvalue.model.fitting.result import draws_digest
from labelvalue.plans import decision_stability
from labelvalue.testing import fake_runs

FAR = {"elasticity_mean": Prior("normal", -0.5, 0.1)}
HOW = {"draws": 200, "tune": 200, "progress": False, "random_seed": 3}


@pytest.fixture(scope="module")
def runs():
    return fake_runs(seed=1, slices=("east", "west"), sizes=(500, 1000, 2000, 4000), replicates=3)


@pytest.fixture(scope="module")
def fit(runs):
    noise = Prior("logitnormal", -3.0, 0.5)
    return lv.fit(runs, labels_now={"east": 9000}, classes=3, evaluation_noise=noise, **HOW)


@pytest.fixture(scope="module")
def own(runs):
    """A fit of the runs as they are."""
    return lv.fit(runs, **HOW)


def test_the_same_is_asked_for_again(fit):
    """Labels now, classes, noise of the evaluation labels, draws and seed: the fit says them all."""
    again = fit_again(fit)
    assert fit.diagnostics.verdict == "ok"
    assert draws_digest(again) == draws_digest(fit)
    assert again.position.equals(fit.position)
    assert again.settings["asked"] == fit.settings["asked"]


def test_far_priors_are_answered_by_the_fit_under_them(runs, own):
    table = lv.priors.prior_sensitivity(own, 1000, factors=(), priors=FAR)
    assert (table["advice"] == "fitted again").all()
    assert (table[names.PARETO_K] > 0.7).all()
    there = lv.predict_gain(lv.fit(runs, priors=FAR, **HOW), [1000]).isel(budget=0)
    np.testing.assert_allclose(table.set_index("slice")["changed_mean"], there.mean(names.SAMPLE), rtol=1e-9)
    np.testing.assert_allclose(table.set_index("slice")["changed_p_gain"], (there > 0).mean(names.SAMPLE))


def test_runs_left_out_say_nothing_and_their_slice_stays(runs, own):
    """Against the fit of the other runs; means within a quarter of a posterior sd, which is six standard errors."""
    left = (runs[names.REPLICATE] == 0).values & (runs[names.SLICE] == "west").values
    again = fit_again(own, counts=np.where(left, LEFT_OUT, 1.0))
    other = lv.fit(runs.isel(run=~left), **HOW)
    for name in (names.ERROR_NOW, names.ELASTICITY):
        mean, sd = other.posterior[name].mean(names.SAMPLE), other.posterior[name].std(names.SAMPLE)
        assert float((abs(again.posterior[name].mean(names.SAMPLE) - mean) / sd).max()) < 0.25


def test_stability_has_no_row_that_cannot_be_told(own):
    case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    plan = decide(own, case, max_labels=2000, measure=False)
    table = decision_stability(plan)
    assert set(table["advice"]) == {"", "fitted again"}
    assert table.attrs["reliable"] == [len(table), len(table)]
    quick = decision_stability(plan, refit=False)
    same = (quick["advice"] == "").values
    assert table[same].equals(quick[same])
