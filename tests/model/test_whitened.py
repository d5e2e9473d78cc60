"""Whitened coordinates: found, exact, gone on with; models that cannot be whitened fall back and say so."""

import dataclasses

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

from labelvalue.model.sampling import hmc, sampling, whitened
from labelvalue.model.sampling.diagnostics import SamplerSettings
from labelvalue.model.sampling.mode_and_metric import Search, normal_given_group, recentred, straightened
from labelvalue.model.sampling.sampling import PLAIN, WHITENED, compile_model, sample

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
    room, draws = place.room(problem.layout), np.random.default_rng(1).normal(size=(2, 100, problem.start.size))
    for draw in (every := draws.reshape(-1, problem.start.size)):
        hmc.unwhiten(room, draw.copy(), draw)
    again = recentred(problem.density, problem.layout, place, every.reshape(draws.shape), np.random.default_rng(2))
    for one, near in ((place, 1e-4), (again, 0.03)):  # a regression on draws is shrunk a little
        hessian, _ = derivatives(problem, one, np.zeros(problem.start.size))
        np.testing.assert_allclose(hessian[1:, 1:], -np.eye(problem.start.size - 1), atol=near)
        np.testing.assert_allclose(hessian[0, 1:], 0.0, atol=near)


def derivatives(problem, place, at, step=1e-3):
    """Hessian of the density in whitened coordinates by differences of slopes, and slopes by differences of values."""
    room, slopes = place.room(problem.layout), np.empty((2, at.size))
    hessian, slope = np.empty((at.size, at.size)), np.empty(at.size)
    for k, by in enumerate(step * np.eye(at.size)):
        sides = zip((at + by, at - by), slopes, strict=True)
        ahead, behind = (
            hmc.evaluate(problem.density.function, problem.density.data, room, y, found) for y, found in sides
        )
        hessian[k], slope[k] = (slopes[0] - slopes[1]) / (2 * step), (ahead - behind) / (2 * step)
    return hessian, slope


def test_the_map_is_undone_and_its_density_is_that_of_the_model(compiled):
    """With a skewed coordinate and curves that turn: slopes by differences, the determinant from the map's Jacobian."""
    problem, rng = compiled.whitenable, np.random.default_rng(0)
    flat = Search(problem.density, problem.layout, problem.start).run()
    bend = np.tril(rng.normal(0.0, 0.3, (2, CURVES, 2, 2)))
    place = dataclasses.replace(
        flat, skew=np.array([[0.2, 0.7, 0.9, 1.5]]), ways=np.array([[0.8], [-0.5]]), bend=np.moveaxis(bend, 0, -1)
    )
    room, at = place.room(problem.layout), rng.normal(size=problem.start.size)
    x, found = np.empty(at.size), np.empty(at.size)
    log_det = hmc.unwhiten(room, at, x)
    np.testing.assert_allclose(place.whitened(problem.layout, x), at, atol=1e-9)
    value = hmc.evaluate(problem.density.function, problem.density.data, room, at, found)
    np.testing.assert_allclose(derivatives(problem, place, at)[1], found, atol=1e-4)
    assert value == pytest.approx(problem.density(x[None])[0][0] + log_det)
    jacobian = np.empty((2, at.size, at.size))
    for size, here in zip(jacobian, (at, np.zeros(at.size)), strict=True):
        for k, by in enumerate(1e-5 * np.eye(at.size)):
            ahead, behind = np.empty(at.size), np.empty(at.size)
            hmc.unwhiten(room, here + by, ahead), hmc.unwhiten(room, here - by, behind)
            size[k] = (ahead - behind) / 2e-5
    there = hmc.unwhiten(room, np.zeros(at.size), x)
    change = np.linalg.slogdet(jacobian[0])[1] - np.linalg.slogdet(jacobian[1])[1]
    assert log_det - there == pytest.approx(change, abs=1e-6)


def test_the_mode_is_found_from_far_off(compiled):
    """From 130 standard deviations of the group, with curves far from where they are at their modes, too."""
    problem, far = compiled.whitenable, compiled.whitenable.start.copy()
    far[0], far[1:5] = 40.0, -25.0
    mean, sd, _ = exact()
    np.testing.assert_allclose(Search(problem.density, problem.layout, far).run().base, mean, atol=0.5 * sd)


def test_no_chain_begins_in_a_tail_that_the_density_has_not():
    """A group whose density falls by the fourth power, so that what its mode tells of its width is far too much."""
    with pm.Model(coords={"curve": range(3)}) as model:
        flat = pm.Flat("flat", initval=0.001)
        pm.Potential("walls", -5000.0 * flat**4)
        pm.Normal("level", 0.0, 1.0, dims="curve")
    problem = compile_model(model).whitenable
    chains = whitened._begin(problem, SamplerSettings(chains=40), lambda made, what: None)
    begun = np.array([chains.place.base[0] + chains.place.spread[0, 0] * at[0] for at in chains.at])
    assert np.abs(begun).max() < 0.25  # 5000 · 0.25⁴ is 20
    assert begun.std() > 0.03


@pytest.mark.parametrize(
    ("make", "known", "tail"),
    [
        (lambda: pm.Gumbel("mean", 0.0, 1.0, initval=0.5), stats.gumbel_r, 1.0),
        (lambda: pm.SkewStudentT("mean", a=9.0, b=1.5, mu=0.0, sigma=1.0), stats.jf_skew_t(9.0, 1.5), 2.0),
    ],
    ids=["skewed", "with a long tail"],
)
def test_a_skewed_group_is_straightened_and_its_draws_are_those_of_its_distribution(make, known, tail):
    """A mean that no curve tells of; quantiles against its closed form, false alarm 1 in 10,000."""
    with pm.Model(coords={"curve": range(3)}) as model:
        make()
        pm.Normal("level", 0.0, 1.0, dims="curve")
    compiled = compile_model(model)
    problem, draws = compiled.whitenable, known.rvs(size=(4, 500, 1), random_state=1)
    every = np.concatenate([draws, np.zeros((4, 500, 3))], axis=2)
    before = Search(problem.density, problem.layout, problem.start).run()
    place = recentred(problem.density, problem.layout, before, every, np.random.default_rng(2))
    assert (place.skew[0, 2] > 0.3, place.skew[0, 3]) == (True, tail)
    straight = straightened(draws[..., 0].reshape(-1, 1), place.skew)[0]
    assert abs(stats.skew(straight)[0]) < 0.25 * stats.skew(draws.ravel())
    tree, diagnostics = sample(compiled, SamplerSettings(random_seed=5))
    assert diagnostics.verdict == "ok"
    mean = tree["posterior"]["mean"].values.ravel()
    for share in (0.05, 0.5, 0.95):
        below = float((mean < known.ppf(share)).mean())
        assert abs(below - share) < 4 * np.sqrt(share * (1 - share) / (0.4 * mean.size))


GROUP, WALL = -2.0, 3.0


def lopsided() -> pm.Model:
    """Levels that are standard normal up to a wall, which stands the lower the higher the group is."""
    with pm.Model(coords={"curve": range(6)}) as model:
        group = pm.Normal("group", GROUP, 2.0)
        level = pm.Normal("level", 0.0, 1.0, dims="curve", initval=np.zeros(6))
        pm.Potential("wall", -pt.exp(WALL * level + group), dims="curve")
    return model


def moments(group: float) -> tuple[float, float]:
    """Mean and standard deviation of a level given the group, by quadrature."""
    level = np.linspace(-6.0, 6.0, 4001)
    density = np.exp(-0.5 * level**2 - np.exp(WALL * level + group))
    mean = (level * density).sum() / density.sum()
    return mean, np.sqrt(((level - mean) ** 2 * density).sum() / density.sum())


@pytest.fixture(scope="module")
def walled():
    return compile_model(lopsided()).whitenable


@pytest.mark.parametrize("group", [-6.0, -2.0, 2.0])
def test_a_lopsided_curve_is_told_by_its_mean_and_not_by_its_mode(walled, group):
    at = np.array([[group, *np.linspace(-2.5, -0.5, 6)]])  # from draws in its tails and its middle
    first = at[:, 1:, None], np.ones((1, 6, 1, 1))
    middle, own = normal_given_group(walled.density, walled.layout, at, first, np.ones((6, 1, 1)))
    mean, sd = moments(group)
    np.testing.assert_allclose(middle[0, :, 0], mean, atol=0.15 * sd)
    np.testing.assert_allclose(np.abs(own[0, :, 0, 0]), sd, rtol=0.15)


def test_curves_lean_with_the_group_as_their_means_do(walled):
    """At the mode the wall hardly matters: a map by its curvature leans half as much as the means do."""
    rng = np.random.default_rng(4)
    group = rng.normal(GROUP, 2.0, (4, 200, 1))
    levels = np.array([[[rng.normal(moments(float(g[0]))[0], 0.6, 6)] for g in chain] for chain in group])[:, :, 0]
    draws = np.concatenate([group, levels], axis=2)
    mode = Search(walled.density, walled.layout, walled.start).run()
    place = recentred(walled.density, walled.layout, mode, draws, rng)
    means = [moments(float(g))[0] for g in group[..., 0].ravel()]
    slope = np.polyfit(group.ravel(), means, 1)[0] * group.std()
    np.testing.assert_allclose(place.lean[:, 0, 0], slope, rtol=0.1)
    assert (np.abs(mode.lean[:, 0, 0] / mode.spread[0, 0]) < 0.7 * np.abs(slope / group.std())).all()


def test_curves_whose_shape_changes_with_the_group_do_not_hold_it_where_it_is():
    """Sixty curves of two variables that correlate as the group says: given all of them in coordinates that do not turn
    with it, it is known to a third of its standard deviation, so that a path hardly moves it."""
    curves, sd = 60, 0.3
    with pm.Model(coords={"curve": range(curves)}) as model:
        group = pm.Normal("group", 0.0, sd)
        level = pm.Normal("level", 0.0, 1.0, dims="curve", initval=np.zeros(curves))
        pm.Normal("slope", group * level, pt.exp(0.5 * group), dims="curve", initval=np.zeros(curves))
    problem, rng = compile_model(model).whitenable, np.random.default_rng(5)
    at, (one, two) = rng.normal(0.0, sd, (4, 300, 1)), rng.normal(size=(2, 4, 300, curves))
    draws = np.concatenate([at, one, at * one + np.exp(0.5 * at) * two], axis=2)
    before = Search(problem.density, problem.layout, problem.start).run()
    turns = recentred(problem.density, problem.layout, before, draws, rng)
    still = dataclasses.replace(turns, ways=turns.ways[:0], bend=turns.bend[..., :0])

    def precision(place):
        """Mean curvature of the log density by the group's coordinate, all others held."""
        room, step = place.room(problem.layout), 1e-3
        slopes = np.empty((2, 100, problem.start.size))
        for side, found in zip((step, -step), slopes, strict=True):
            for x, slope in zip(draws.reshape(-1, problem.start.size), found, strict=False):
                here = place.whitened(problem.layout, x)
                here[0] += side
                hmc.evaluate(problem.density.function, problem.density.data, room, here, slope)
        return float((slopes[1] - slopes[0])[:, 0].mean()) / (2 * step)

    assert precision(turns) < 2.0 < 8.0 < precision(still)


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


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_place_too_stiff_for_the_steps_is_entered_in_finer_ones(seed):
    """Neal's funnel with steps that are far too long for its neck, whose share of the draws is known."""
    with pm.Model(coords={"curve": range(5)}) as funnel:
        log_variance = pm.Normal("log_variance", 0.0, 1.5)
        pm.Normal("width", 0.0, pt.exp(log_variance / 2), dims="curve")
    settings = SamplerSettings(draws=4000, target_accept=0.5, random_seed=seed)
    tree = sampling.sample_once(compile_model(funnel), settings)
    narrowest = tree["posterior"]["log_variance"].values < stats.norm.ppf(0.01, scale=1.5)
    assert 0.005 < narrowest.mean() < 0.015
    assert tree["sample_stats"]["diverging"].values.mean() < 0.001


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


def test_adaptation_goes_on_while_chains_disagree(compiled, monkeypatch):
    """Where they agree, not a draw longer; what is added is told, but not counted as progress."""
    lengths, told = [], []
    right = whitened._Chains.go

    def go(chains, draws, target):
        lengths.append((draws, target > 0.0))
        return right(chains, draws, target)

    monkeypatch.setattr(whitened._Chains, "go", go)

    def adapted(*rhats):
        lengths.clear(), told.clear()
        found = iter([*rhats, 1.0])
        monkeypatch.setattr(whitened, "convergence", lambda draws: (np.array([next(found)]),))
        settings = SamplerSettings(tune=100, random_seed=2)
        next(whitened.rounds(compiled.whitenable, settings, [100], advance=lambda made, what: told.append(made)))
        return [draws for draws, adapts in lengths if adapts], sum(told)

    assert adapted() == ([10, 20, 50, 20], 4 * 200)
    assert adapted(1.2, 1.2) == ([10, 20, 50, 100, 100, 20], 4 * 200)
    assert len(adapted(*[2.0] * 20)[0]) == 4 + whitened.MOST_AGAIN


def test_chains_that_are_short_go_on_and_that_is_the_first_attempt(compiled, monkeypatch):
    monkeypatch.setattr(sampling, "figures_of", lambda tree: dict(
        rhat=1.0 if tree["posterior"].sizes["draw"] >= 200 else 1.5, rhat_allowed=1.01, ess_bulk=900.0, ess_tail=900.0,
        divergences=0.0, bfmi=1.0, depth=0.0, chains=4.0, draws=4.0 * tree["posterior"].sizes["draw"], finite=1.0,
        stuck=0.0,
    ))  # fmt: skip
    tree, diagnostics = sample(compiled, SamplerSettings(draws=100, tune=100))
    assert tree["posterior"].sizes["draw"] == 200
    assert [(a["remedy"], a["made"]) for a in diagnostics.attempts] == [("first attempt", 200)]


def test_few_coordinates_go_on_for_longer_and_every_second_draw_is_kept(compiled, monkeypatch):
    judged = []

    def figures(tree):
        judged.append(tree["posterior"].sizes["draw"])
        fine = dict(rhat_allowed=1.01, ess_bulk=900.0, ess_tail=900.0, divergences=0.0, bfmi=1.0, depth=0.0, chains=4.0)
        return fine | dict(rhat=1.0 if judged[-1] == 800 else 1.5, draws=4.0 * judged[-1], finite=1.0, stuck=0.0)

    monkeypatch.setattr(sampling, "figures_of", figures)
    settings = SamplerSettings(draws=100, tune=100)
    tree, diagnostics = sample(compiled, settings)
    assert judged == [100, 200, 400, 800]
    assert [(a["remedy"], a["made"]) for a in diagnostics.attempts] == [("first attempt", 800)]
    (whole,) = whitened.rounds(compiled.whitenable, settings, [800])
    for group in ("posterior", "sample_stats"):
        kept = tree[group].to_dataset()
        assert kept["draw"].values.tolist() == list(range(400))
        every = whole[group].to_dataset().isel(draw=slice(1, None, 2)).assign_coords(draw=np.arange(400))
        assert kept.equals(every)


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
