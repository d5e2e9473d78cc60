"""The parts of the likelihood against closed forms."""

import numpy as np
import pytest
from scipy import stats

from labelvalue.model.curve.families import above_log, run_variance, scatter_loglikelihood


@pytest.mark.parametrize("runs", [2, 5])
def test_scatter_between_runs_is_the_closed_form(runs):
    """Runs about their mean: the Gaussian density of all runs is that of their mean times that of their scatter."""
    rng = np.random.default_rng(runs)
    for sd in (0.05, 0.4):
        x = rng.normal(0.0, sd, runs)
        everything = stats.norm(0.0, sd).logpdf(x).sum()
        mean = stats.norm(0.0, sd / np.sqrt(runs)).logpdf(x.mean())
        scatter = {"scatter": ((x - x.mean()) ** 2).sum(), "scatter_df": runs - 1.0, "runs": float(runs)}
        got = scatter_loglikelihood(scatter, sd**2 / runs)
        constant = -0.5 * (runs - 1) * np.log(2 * np.pi) - 0.5 * np.log(runs)
        assert got + constant == pytest.approx(everything - mean)


def test_a_single_run_has_no_scatter():
    assert scatter_loglikelihood({"scatter": 0.0, "scatter_df": 0.0, "runs": 1.0}, 0.01) == 0.0


def test_variance_of_a_cell_is_sampling_plus_training_plus_rounding():
    data = {
        "sampling_variance": 0.04,
        "rounding": 0.001,
        "set_weight": 1.0,
        "runs": 5.0,
        "log_total_ratio": np.log(0.25),
    }
    training = 0.2**2 * 0.25**-0.8 / 5
    assert float(run_variance(data, 0.3, 0.2, 0.8)) == pytest.approx(0.04 + 0.001 + training)
    assert float(run_variance(data | {"set_weight": 0.0}, 0.3, 0.2, 0.8)) == pytest.approx(0.012 + 0.001 + training)


def test_answers_to_the_same_items_put_the_log_of_their_mean_no_lower_than_they_scatter():
    """Five runs on 100 items each; half of the variance of an answer lies between items, which all runs share."""
    rng, runs, items, likeness = np.random.default_rng(1), 5, 100, 0.5
    hard = stats.beta(0.1 * (1 / likeness - 1), 0.9 * (1 / likeness - 1)).ppf((np.arange(items) + 0.5) / items)
    wrong = (rng.random((40_000, runs, items)) < hard).sum((1, 2))
    above = np.log((wrong + 0.5) / (runs * items + 0.5)).mean() - np.log(hard.mean())
    told = dict(sampling_variance=(1 / 0.1 - 1) / (runs * items), set_weight=0.0)
    assert above == pytest.approx(above_log(told, 1.0 - likeness), abs=4e-4)
    assert above_log(told | {"set_weight": 1.0}, 1.0 - likeness) == 0.0
