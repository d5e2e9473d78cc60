"""Risk and appetites against closed forms."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from labelvalue import InputError, names
from labelvalue.risk import (
    Aspiration,
    CVaR,
    ExponentialUtility,
    Mean,
    Quantile,
    conditional_value_at_risk,
    loss_against_nothing,
    value_at_risk,
)

SAMPLE = (names.CHAIN, names.DRAW)


def normal(mean: float, sd: float, seed: int = 1, draws: int = 5000) -> xr.DataArray:
    return xr.DataArray(np.random.default_rng(seed).normal(mean, sd, (4, draws)), dims=SAMPLE)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (-30.0, 12.0), (500.0, 3.0)])
def test_gaussian_var_and_cvar(level, mean, sd):
    loss = normal(mean, sd)
    z = stats.norm.ppf(level)
    var, cvar = value_at_risk(loss, level), conditional_value_at_risk(loss, level)
    exact = mean + sd * z, mean + sd * stats.norm.pdf(z) / (1 - level)
    assert float(var[names.VALUE_AT_RISK]) == pytest.approx(exact[0], abs=4 * float(var[names.MCSE]))
    found = float(cvar[names.CONDITIONAL_VALUE_AT_RISK])
    assert found == pytest.approx(exact[1], abs=4 * float(cvar[names.MCSE]))
    assert float(cvar[names.MCSE]) < 0.1 * sd / np.sqrt(1 - level)
    assert found >= float(var[names.VALUE_AT_RISK])


def test_monte_carlo_error_is_what_repetition_shows():
    found = [conditional_value_at_risk(normal(0.0, 1.0, seed, 500), 0.9) for seed in range(60)]
    spread = np.std([float(one[names.CONDITIONAL_VALUE_AT_RISK]) for one in found])
    said = np.mean([float(one[names.MCSE]) for one in found])
    assert 0.75 < said / spread < 1.33


def test_cvar_is_coherent():
    rng = np.random.default_rng(3)
    x, y = (xr.DataArray(rng.standard_t(3, (4, 1000)), dims=SAMPLE) for _ in range(2))

    def cvar(loss):
        return float(conditional_value_at_risk(loss, 0.9)[names.CONDITIONAL_VALUE_AT_RISK])

    assert cvar(x + y) <= cvar(x) + cvar(y) + 1e-9
    assert cvar(2 * x + 5) == pytest.approx(2 * cvar(x) + 5)


def test_positive_is_a_loss_against_doing_nothing():
    net = xr.DataArray([[[3.0, 5.0, 1.0]]], dims=(*SAMPLE, "plan"), coords={"plan": [names.NOTHING, "good", "bad"]})
    loss = loss_against_nothing(xr.Dataset({names.NET_BENEFIT: net}))
    assert loss.sel(plan="good").item() == -2.0
    assert loss.sel(plan="bad").item() == 2.0
    assert loss.sel(plan=names.NOTHING).item() == 0.0


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, float("nan"), "high"])
def test_level_is_a_share(level):
    for function in (value_at_risk, conditional_value_at_risk):
        with pytest.raises(InputError, match=r"column 'level'"):
            function(normal(0.0, 1.0), level)


def test_appetites_of_a_gaussian():
    """Mean, quantile, minus CVaR and certainty equivalent have closed forms."""
    mean, sd, draws = 100.0, 40.0, normal(100.0, 40.0)
    error = 4 * sd / np.sqrt(draws.size)
    assert float(Mean().score(draws)) == pytest.approx(mean, abs=error)
    assert float(Quantile(0.1).score(draws)) == pytest.approx(mean + sd * stats.norm.ppf(0.1), abs=2 * error)
    worst = mean - sd * stats.norm.pdf(stats.norm.ppf(0.9)) / 0.1
    assert float(CVaR(0.9).score(draws)) == pytest.approx(worst, abs=2 * error)
    assert float(ExponentialUtility(200.0).score(draws)) == pytest.approx(mean - sd**2 / 400.0, abs=2 * error)
    reached = stats.norm.sf(120.0, mean, sd)
    assert float(Aspiration(120.0).score(draws)) == pytest.approx(120.0 * reached, abs=4 * 120.0 / np.sqrt(draws.size))


def test_the_more_careful_the_lower():
    draws = normal(0.0, 1.0)
    scores = [float(a.score(draws)) for a in (Mean(), CVaR(0.5), CVaR(0.9), CVaR(0.99))]
    assert scores == sorted(scores, reverse=True)
