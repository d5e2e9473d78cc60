"""Whitened coordinates: found, exact, gone on with; models that cannot be whitened fall back and say so."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from labelvalue.model import sampling, whitened
from labelvalue.model.arrow import Search, recentred
from labelvalue.model.sampling import PLAIN, WHITENED, compile_model, sample
from labelvalue.model.settings import SamplerSettings

CURVES, NOISE, SPREAD = 12, 0.5, 0.8
SEEN = np.random.default_rng(3).normal(0.3, 1.0, CURVES)


def hierarchy(*, couple: bool = False, lie: bool = False) -> pm.Model:
    """Normal levels about a normal mean; two variables a curve, so that blocks are 2 × 2."""
    with pm.Model(coords={"curve": range(CURVES)}) as model:
        seen = pm.Data("seen", SEEN, shape=SEEN.shape)
        mean = pm.Normal("mean", 0.0, 2.0, initval="prior")
        level = pm.Normal("level", mean, SPREAD, dims="curve", initval=np.zeros(CURVES))
        slope = pm.Normal("slope", 0.0, 1.0, dims="curve", initval=np.zeros(CURVES))
        pm.Potential("runs", pm.logp(pm.Normal.dist(level + 0.5 * slope, NOISE), seen).sum())
        if couple:
            pm.Potential("neighbours", -0.5 * pt.sum((level[1:] - level[:-1]) ** 2))
        if lie:
            pm.Potential("one pair", -0.05 * level[2] * level[7])
    return model


def exact() -> tuple[float, float, np.ndarray]:
    """Mean and sd of the group's mean, and means of the levels, in closed form."""
    of_curve = SPREAD**2 + 0.25 + NOISE**2
    precision = 1 / 4 + CURVES / of_curve
    mean = SEEN.sum() / of_curve / precision
    return mean, precision**-0.5, mean + SPREAD**2 / of_curve * (SEEN - mean)


@pytest.fixture(scope="module")
def compiled():
    return compile_model(hierarchy())


def test_curves_are_found_by_their_dim(compiled):
    layout = compiled.whitenable.layout
    assert layout.group.tolist() == [0]
    assert layout.curve.T.tolist() == [list(range(1, 1 + CURVES)), list(range(1 + CURVES, 1 + 2 * CURVES))]


def test_the_mode_of_a_normal_hierarchy_is_its_mean_and_its_map_whitens(compiled):
    problem = compiled.whitenable
    place = Search(problem.density, problem.layout, problem.start).run()
    mean, sd, _ = exact()
    np.testing.assert_allclose(place.base, mean, atol=0.5 * sd)  # near enough to begin from
    np.testing.assert_allclose(place.spread, sd, rtol=1e-3)
    at = problem.start.copy()
    draws = np.repeat(at[None, None], 3, 1) + np.random.default_rng(1).normal(0, 0.1, (2, 3, at.size))
    again = recentred(problem.density, problem.layout, draws, np.random.default_rng(2))
    for one in (place, again):
        room = one.room(problem.layout)
        hessian = np.empty((at.size, at.size))
        from labelvalue.model import hmc

        for k in range(at.size):
            slopes = np.empty((2, at.size))
            for side, step in enumerate((1e-3, -1e-3)):
                y = np.zeros(at.size)
                y[k] = step
                hmc.evaluate(problem.density.function, problem.density.data, room, y, slopes[side])
            hessian[k] = (slopes[0] - slopes[1]) / 2e-3
        np.testing.assert_allclose(hessian[1:, 1:], -np.eye(at.size - 1), atol=1e-4)
        np.testing.assert_allclose(hessian[0, 1:], 0.0, atol=1e-4)
        y = np.random.default_rng(0).normal(size=at.size)
        x = np.empty(at.size)
        hmc.unwhiten(room, y, x)
        np.testing.assert_allclose(one.whitened(problem.layout, x), y, atol=1e-9)


def test_draws_have_the_moments_of_the_posterior(compiled):
    """False alarm 1 in 10,000: four standard errors of each of 14 figures."""
    tree, diagnostics = sample(compiled, SamplerSettings(random_seed=5))
    assert diagnostics.verdict == "ok"
    assert diagnostics.attempts[0]["coordinates"] == WHITENED
    posterior = tree["posterior"].to_dataset()
    mean, sd, levels = exact()
    size = posterior["mean"].size
    assert abs(float(posterior["mean"].mean()) - mean) < 4 * sd / np.sqrt(0.5 * size)
    assert abs(float(posterior["mean"].std()) / sd - 1) < 4 / np.sqrt(0.5 * size)
    np.testing.assert_allclose(
        posterior["level"].mean(("chain", "draw")), levels, atol=4 * SPREAD / np.sqrt(0.5 * size)
    )
    assert posterior["level"].dims == ("chain", "draw", "curve")


def test_the_same_seed_gives_the_same_draws_and_more_draws_only_add(compiled):
    settings = SamplerSettings(tune=100, random_seed=2)

    def draws(enough):
        return [tree["posterior"].to_dataset() for tree in whitened.rounds(compiled.whitenable, settings, enough)]

    short, long = draws([150, 400])
    whole = draws([400])[0]
    assert (short["level"] == long["level"].isel(draw=slice(150))).all()
    np.testing.assert_array_equal(long["level"], whole["level"])
    other = next(whitened.rounds(compiled.whitenable, SamplerSettings(tune=100, random_seed=3), [100]))
    assert not np.array_equal(other["posterior"]["level"], whole["level"].isel(draw=slice(100)))


def test_chains_that_are_short_go_on_and_that_is_the_first_attempt(compiled, monkeypatch):
    monkeypatch.setattr(sampling, "figures_of", lambda tree: dict(
        rhat=1.0 if tree["posterior"].sizes["draw"] >= 200 else 1.5, rhat_allowed=1.01, ess_bulk=900.0, ess_tail=900.0,
        divergences=0.0, bfmi=1.0, depth=0.0, chains=4.0, draws=4.0 * tree["posterior"].sizes["draw"], finite=1.0,
        stuck=0.0,
    ))  # fmt: skip
    tree, diagnostics = sample(compiled, SamplerSettings(draws=100, tune=100))
    assert tree["posterior"].sizes["draw"] == 200
    assert [(a["remedy"], a["made"]) for a in diagnostics.attempts] == [("first attempt", 200)]


@pytest.mark.parametrize("how", ["couple", "lie"])
def test_a_model_that_couples_curves_falls_back_says_so_and_gives_its_posterior(how):
    """A chain of neighbours, and one pair of curves that the dims do not tell of; means against a linear system."""
    compiled = compile_model(hierarchy(**{how: True}))
    assert compiled.whitenable == "the curves are not independent given what they share"
    tree, diagnostics = sample(compiled, SamplerSettings(draws=400, tune=300, random_seed=1))
    assert diagnostics.attempts[-1]["coordinates"] == PLAIN
    assert diagnostics.attempts[-1]["because"] == compiled.whitenable
    assert diagnostics.verdict == "ok"
    density, start = compiled.model, np.zeros(1 + 2 * CURVES)
    from labelvalue.model import hmc

    def slope(x):
        found = np.empty((1, x.size))
        hmc.gradients(density.density, density.pointers(), x[None], found)
        return found[0]

    hessian = np.array([slope(start + e) - slope(start) for e in np.eye(start.size)])
    mode = -np.linalg.solve(hessian, slope(start))
    covariance = np.linalg.inv(-hessian)
    found = tree["posterior"]["level"].mean(("chain", "draw")).values
    error = np.sqrt(np.diag(covariance)[1 : 1 + CURVES] / 400)
    assert (np.abs(found - mode[1 : 1 + CURVES]) < 4 * error).all()


def test_a_model_without_curves_is_sampled_in_its_own_coordinates():
    with pm.Model() as model:
        pm.Normal("x", 1.0, 2.0)
    compiled = compile_model(model)
    assert "no curves" in compiled.whitenable
    tree, diagnostics = sample(compiled, SamplerSettings(draws=300, tune=200))
    assert diagnostics.verdict == "ok"
    assert abs(float(tree["posterior"]["x"].mean()) - 1.0) < 0.4
