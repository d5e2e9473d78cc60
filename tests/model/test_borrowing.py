"""How far a slice's impact is the group's, in a hierarchy whose answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from labelvalue import names, pooling, testing
from labelvalue.model.curves import signed_exp
from tests.forecast.conftest import changed

WEIGHTS = {"east": 0.1, "north": 0.5, "south": 0.9, "west": 1.0}
"""Weight of the group's mean in each slice's estimate."""


@pytest.fixture(scope="module")
def known():
    """Normal levels about a known group: own runs as precise as makes the group weigh what it is said to weigh."""
    fit = testing.fake_fit(seed=1, draws=2000)
    rng = np.random.default_rng(3)
    draws = fit.posterior
    spread = 0.4
    like = xr.zeros_like(draws["churn"])
    level = xr.zeros_like(draws[names.CURVE_ELASTICITY])
    for i, (name, weight) in enumerate(WEIGHTS.items()):
        own = -1.4 + 0.2 * i  # where the slice's own runs would put it
        mean = weight * -1.5 + (1 - weight) * own
        level.loc[{"slice": name}] = mean + spread * weight**0.5 * rng.standard_normal(like.shape)
    group = {"elasticity_mean": like - 1.5, "elasticity_spread": like + spread}
    return changed(fit, posterior={**group, names.CURVE_ELASTICITY: signed_exp(level)})


def test_m2_pooling_is_the_weight_of_the_group_in_a_normal_hierarchy(known):
    """Posterior variance of a normal mean over the prior's is the prior's weight: se² / (se² + spread²)."""
    found = pooling(known)
    assert found.dims == ("slice",)
    for name, weight in WEIGHTS.items():
        assert float(found.sel(slice=name)) == pytest.approx(weight, abs=0.03)


def test_whole_learners_are_part_of_the_group():
    """What whole learners deviate by is no deviation of a curve."""
    fit = testing.fake_fit(seed=1, slices=("a", "b"), learners=("line", "tree"), draws=1000)
    like = xr.zeros_like(fit.posterior["churn"])
    rng = np.random.default_rng(1)
    moved = like.copy(data=rng.standard_normal(like.shape))
    of_learner = moved + xr.DataArray([-1.0, 2.0], dims="learner", coords={"learner": ["line", "tree"]})
    noise = 0.1 * rng.standard_normal(fit.posterior[names.CURVE_ELASTICITY].shape)
    level = (-1.5 + 0.5 * of_learner).expand_dims(slice=["a", "b"]).transpose(
        "chain", "draw", "slice", "learner"
    ) + noise
    group = {"elasticity_mean": like - 1.5, "elasticity_spread": like + 0.2, "elasticity_between_learners": like + 0.5}
    posterior = {**group, "elasticity_of_learner": of_learner, "curve_elasticity": signed_exp(level)}
    np.testing.assert_allclose(pooling(changed(fit, posterior=posterior)), 0.25, atol=0.03)


def test_one_curve_alone_says_that_its_group_is_the_priors():
    alone = testing.fake_fit(seed=1, slices=("only",), draws=50)
    assert "the group is the prior's" in json.loads(pooling(alone).attrs[names.NOTES])[0]
