"""What diverse labels are worth (M9): from draws with known parameters."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from labelvalue import diversity_efficiency, names
from labelvalue.model import get_model
from labelvalue.model.observations import observe
from labelvalue.testing import fake_fit, fake_runs


@pytest.fixture(scope="module")
def plain():
    return fake_fit(seed=1, draws=100)


def with_draws(plain, runs=None, **draws):
    tree = plain.tree.copy()
    tree[names.POSTERIOR] = type(tree)(plain.posterior.assign(draws))
    if runs is not None:
        tree[names.RUNS] = type(tree)(runs)
    return type(plain)(tree=tree, model=plain.model, diagnostics=plain.diagnostics)


def test_diversity_matters_where_its_power_is_sure_and_its_range_wide(plain):
    rng = np.random.default_rng(1)
    size = plain.runs.sizes[names.RUN]

    def probability(power, spread):
        runs = plain.runs.assign({names.DIVERSITY: (names.RUN, np.exp(spread * rng.standard_normal(size)))})
        draws = xr.zeros_like(plain.posterior["churn"]) + power
        return diversity_efficiency(with_draws(plain, runs, diversity_power=draws)).attrs["p_matters"]

    assert probability(0.5, 0.3) == 1.0
    assert probability(-0.5, 0.3) == 1.0
    assert probability(0.5, 0.01) == 0.0
    assert probability(0.0, 0.3) == 0.0
    with pytest.raises(ValueError, match="do not differ in diversity"):
        diversity_efficiency(plain)


def test_diversity_asked_for_must_be_positive(plain):
    runs = plain.runs.assign({names.DIVERSITY: (names.RUN, np.linspace(0.8, 1.2, plain.runs.sizes[names.RUN]))})
    varied = with_draws(plain, runs, diversity_power=plain.posterior["churn"])
    assert diversity_efficiency(varied, [1.0]).max() == 1.0
    for wrong in ([], [0.0], [-1.0], [np.nan]):
        with pytest.raises(ValueError, match="numbers > 0"):
            diversity_efficiency(varied, wrong)


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
