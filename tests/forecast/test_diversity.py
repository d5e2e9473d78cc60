"""What diverse labels are worth (M9): from draws with known parameters."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from labelvalue import get_model, names
from labelvalue.interventions import diversity_efficiency
from labelvalue.model.curve.observations import observe
from labelvalue.testing import fake_fit, fake_runs
from tests.fits import altered


@pytest.fixture(scope="module")
def plain():
    return fake_fit(seed=1, draws=1000)


def varied(plain, power):
    """A fit of runs that differ in diversity, with these draws of its power."""
    rng = np.random.default_rng(1)
    runs = plain.runs.assign({names.DIVERSITY: (names.RUN, np.exp(0.3 * rng.standard_normal(plain.runs.sizes["run"])))})
    draws = xr.zeros_like(plain.posterior["churn"]) + power
    return altered(plain, posterior={names.DIVERSITY_POWER: draws}, runs=runs)


def normal(plain, center, spread):
    shape = plain.posterior["churn"].shape
    draws = center + spread * np.random.default_rng(2).standard_normal(shape)
    return varied(plain, plain.posterior["churn"].copy(data=draws))


def test_diversity_matters_as_far_as_the_posterior_leaves_none_behind(plain):
    """Even odds beforehand, and the ratio of densities at no effect (Dickey 1971)."""
    prior = plain.model.priors[names.DIVERSITY_POWER]
    assert prior.center == 0.0
    at_none = stats.t.pdf(0.0, 4, scale=prior.spread)
    for center, spread in ((0.0, 0.1), (0.2, 0.1), (0.3, 0.3)):
        expected = 1 / (1 + stats.norm.pdf(0.0, center, spread) / at_none)
        found = diversity_efficiency(normal(plain, center, spread)).attrs["p_matters"]
        assert found == pytest.approx(expected, abs=0.06)
    assert diversity_efficiency(normal(plain, 1.0, 0.1)).attrs["p_matters"] > 0.999
    assert diversity_efficiency(normal(plain, 0.0, 0.01)).attrs["p_matters"] < 0.05


def test_where_it_does_not_matter_the_efficiency_is_one(plain):
    worth = diversity_efficiency(normal(plain, 0.0, 0.05), [2.0])
    none = float((worth == 1.0).mean())
    assert none == pytest.approx(1 - worth.attrs["p_matters"], abs=0.1)
    sure = diversity_efficiency(varied(plain, 0.5), [0.5, 1.0, 2.0])
    np.testing.assert_allclose(sure.isel(chain=0, draw=0), [2**-0.5, 1.0, 2**0.5])
    assert diversity_efficiency(varied(plain, 0.5)).sizes[names.DIVERSITY] == 2
    with pytest.raises(ValueError, match="do not differ in diversity"):
        diversity_efficiency(plain)


def test_diversity_asked_for_must_be_positive(plain):
    for wrong in ([], [0.0], [-1.0], [np.nan]):
        with pytest.raises(ValueError, match="numbers > 0"):
            diversity_efficiency(varied(plain, 0.5), wrong)


@pytest.mark.parametrize("value", [None, 1.0, np.nan])
def test_a_diversity_that_is_absent_or_constant_costs_nothing(value):
    """The graph is the one without the column: same variables, same data."""
    runs = fake_runs(seed=1)
    told = runs if value is None else runs.assign({names.DIVERSITY: (names.RUN, np.full(runs.sizes["run"], value))})
    model = get_model("power_law")
    built, bare = (model.build(observe(r), model.priors) for r in (told, runs))
    assert [v.name for v in built.free_RVs] == [v.name for v in bare.free_RVs]
    assert [v.name for v in built.data_vars] == [v.name for v in bare.data_vars]
    assert names.DIVERSITY_POWER not in [v.name for v in bare.free_RVs]


def test_a_model_without_these_priors_leaves_them_out():
    """A model of a user's own need not know of them."""
    runs = fake_runs(seed=1)
    varied = runs.assign({names.DIVERSITY: (names.RUN, np.linspace(0.8, 1.2, runs.sizes["run"]))})
    model = get_model("power_law")
    fewer = type(model.priors)({n: p for n, p in model.priors.items() if n != names.DIVERSITY_POWER})
    assert names.DIVERSITY_POWER in model.build(observe(varied), model.priors).named_vars
    assert names.DIVERSITY_POWER not in model.build(observe(varied), fewer).named_vars
