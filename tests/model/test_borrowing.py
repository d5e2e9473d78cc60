"""How far a slice's impact is the group's, in a hierarchy whose answer is known."""

import numpy as np
import pytest
import xarray as xr

from labelvalue import names, testing
from labelvalue.diagnostics import carry_over, pooling
from labelvalue.model.curve.families import signed_exp
from tests.forecast.conftest import changed

WEIGHTS = {"east": 0.1, "north": 0.5, "south": 0.9, "west": 1.0}  # weight of the group's mean in each slice's estimate


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
    assert "the group is the prior's" in pooling(alone).attrs[names.NOTES].splitlines()[0]


def test_m16_an_old_learners_curve_counts_for_the_correlation_of_learners_on_a_slice():
    """Simulated from the hierarchy itself: slope of one learner's levels on another's of the same slices."""
    like = xr.zeros_like(testing.fake_fit(seed=1, draws=100).posterior["churn"])
    for between, own in ((0.8, 0.2), (0.3, 0.3), (0.1, 0.9)):
        group = {"elasticity_between_slices": like + between, "elasticity_spread": like + own}
        fit = changed(testing.fake_fit(seed=1, learners=("old", "new"), draws=100), posterior=group)
        rng = np.random.default_rng(2)
        shared = between * rng.standard_normal(200_000)
        old, new = (shared + own * rng.standard_normal(shared.size) for _ in range(2))
        assert float(carry_over(fit).mean()) == pytest.approx(np.polyfit(old, new, 1)[0], abs=0.01)


def test_what_suites_share_is_shared_by_learners_too_and_the_prior_is_told():
    like = xr.zeros_like(testing.fake_fit(seed=1, draws=100).posterior["churn"])
    group = {f"elasticity_between_{dim}s": like + 0.5 for dim in ("slice", "learner", "suite")}
    fit = changed(
        testing.fake_fit(seed=1, learners=("old", "new"), draws=100),
        posterior={**group, "elasticity_spread": like + 1.0},
    )
    assert float(carry_over(fit).mean()) == pytest.approx(0.5 / 1.5)
    assert float(carry_over(fit, "suite").mean()) == pytest.approx(0.5 / 1.5)
    rng = np.random.default_rng(4)
    between, own = fit.model.priors["elasticity_between"], fit.model.priors["elasticity_spread"]
    a, b, c = (np.exp(p.center + p.spread * rng.standard_normal(100_000)) ** 2 for p in (between, between, own))
    assert carry_over(fit).attrs["prior"] == pytest.approx(float(np.mean((a + b) / (a + b + c))), abs=0.02)


@pytest.mark.parametrize("slices", [("a",), ("a", "b")])
def test_one_learner_tells_nothing_of_another(slices):
    with pytest.raises(ValueError, match="several slices and learners"):
        carry_over(testing.fake_fit(seed=1, slices=slices, draws=50))
    with pytest.raises(ValueError, match="'learner' or 'suite', got 'slice'"):
        carry_over(testing.fake_fit(seed=1, slices=slices, draws=50), "slice")
