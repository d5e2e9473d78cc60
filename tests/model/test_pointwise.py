"""Leave-one-out of a correlated curve, against dense Gaussians and against the likelihood that was fitted."""

import arviz_stats as azs
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from labelvalue import read_runs, testing
from labelvalue.model.curve.operation import ROOM, walk
from labelvalue.model.fitting.arviz_tree import given_the_others, pointwise_loglikelihood, together
from tests.fits import altered

DISTANCE = np.array([0.0, 0.5, 0.5, 1.5, 3.0])
NOISE = np.array([0.01, 0.02, 0.015, 0.03, 0.05])
RESIDUAL = np.array([0.05, -0.1, 0.12, 0.3, -0.2])


def dense(slope_sd):
    near, far = np.minimum.outer(DISTANCE, DISTANCE), np.maximum.outer(DISTANCE, DISTANCE)
    return slope_sd**2 * near**2 * (3 * far - near) / 6 + np.diag(NOISE)


@pytest.mark.parametrize("slope_sd", [0.0, 0.05, 0.4])
def test_it_is_the_conditional_density_of_a_joint_gaussian(slope_sd):
    got = given_the_others(RESIDUAL, NOISE, np.array(slope_sd), DISTANCE)
    joint = dense(slope_sd)
    whole = stats.multivariate_normal(np.zeros(5), joint).logpdf(RESIDUAL)
    for i in range(5):
        rest = np.delete(np.arange(5), i)
        without = stats.multivariate_normal(np.zeros(4), joint[np.ix_(rest, rest)]).logpdf(RESIDUAL[rest])
        assert got[i] == pytest.approx(whole - without, rel=1e-9, abs=1e-9)


def test_the_covariance_is_that_of_the_likelihood_that_was_fitted():
    fitted, _ = walk(RESIDUAL.copy(), NOISE.copy(), DISTANCE, 0.2, np.empty((ROOM, 5)))
    assert fitted == pytest.approx(together(RESIDUAL, NOISE, np.array(0.2), DISTANCE))


def test_every_cell_has_a_place_and_a_number():
    fit = testing.fake_fit(seed=1, learners=("x", "y"))
    cells = pointwise_loglikelihood(fit)["log_likelihood"]["log_error"]
    assert np.isfinite(cells).all()
    assert set(cells["learner"].values) == {"x", "y"}
    assert cells.sizes["chain"] * cells.sizes["draw"] <= 1000


def test_arviz_takes_it():
    with pytest.warns(UserWarning, match="Pareto"):  # draws that are no posterior
        assert np.isfinite(azs.loo(pointwise_loglikelihood(testing.fake_fit(seed=1))).elpd)


def test_a_cell_that_fits_badly_has_a_low_density():
    frame = testing.fake_runs(seed=1).to_dataframe()
    frame = frame[["slice", "labels", "other_labels", "errors", "trials", "replicate"]]
    fit = testing.fake_fit(seed=1)
    odd = frame.assign(errors=frame["errors"].where(frame["labels"] < frame["labels"].max(), 1500))
    cells = [
        pointwise_loglikelihood(f)["log_likelihood"]["log_error"].mean(("chain", "draw"))
        for f in (fit, altered(fit, runs=read_runs(pd.DataFrame(odd))))
    ]
    assert float((cells[1] - cells[0]).min()) < -3.0
