"""Calibration against a world written a second time: ranks, recovery, coverage, and broken models that must fail.

All figures come from one pass of simulated fits. Seeds are fixed, so a pass today is a pass tomorrow; the false-alarm
rate stated with each test is that of the first run after a change of the model.
"""

import dataclasses
import os

import numpy as np
import pytest
import xarray as xr

import labelvalue as lv
from labelvalue import Prior, get_model
from labelvalue.model.curve.discrepancy import by_curve, residuals
from labelvalue.model.curve.families import run_variance, scatter_loglikelihood
from labelvalue.model.curve.observations import observe
from labelvalue.model.fitting.arviz_tree import together
from labelvalue.model.sampling import sampling
from labelvalue.model.sampling.diagnostics import SamplerSettings
from tests.statistics.ranks import Ranking, Ranks
from tests.statistics.world import AHEAD, NARROW, OTHER, SHARING, SIZES, SLICES, Bench

SIMULATIONS, FEW = 64, 12
"""Worlds of a regime; and that are enough to show a model to be wrong."""
CURVE = ("error_reference", "curve_elasticity", "floor_share", "training_sd", "discrepancy", "transfer")
SCALE = {"transfer": np.asarray, "curve_elasticity": lambda elasticity: np.arcsinh(elasticity / 0.008)}
"""Scales on which z is taken that are not the log: both may be negative."""
UNCHECKED = {"elasticity_between"}  # Group-level names that this layout does not have
LIKELIHOOD = "log likelihood"
"""That of all runs together, which sees what no single parameter does: that they do not go together as they should."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a pass of simulated fits left."""

    ranks: Ranks
    mixed: Ranks  # of the likelihood, at draws of each parameter that are right by themselves, put together anew
    z: dict[str, np.ndarray]
    """Posterior mean less truth over posterior sd, on the log scale for curve-level quantities; (simulation, ...)."""
    inside: dict[float, np.ndarray]
    """Whether intervals of the forecast error hold the truth; (simulation, slice, distance)."""
    in_population: np.ndarray  # the same of 90 % intervals and the error in the population


def truths(world) -> dict[str, np.ndarray]:
    """What the posterior is about: on a shared evaluation set, the error on that set."""
    curves = {name: world.curves[name] for name in CURVE}
    largest, beside, worth = int(SIZES[-1]), int(SIZES[-1] * np.mean(OTHER)), curves["transfer"]
    own = np.where(worth >= 0, largest / (largest + worth * beside), 1 - worth * beside / largest)
    elasticity = curves["curve_elasticity"] * own
    far = (world.start - world.future[:, -1]) * world.on_set / world.start
    derived = {"elasticity": elasticity, "impact": elasticity * world.on_set / largest, "gain": far}
    return {**world.group, **curves, **world.shape, **derived, "error_reference": world.on_set}


def likelihood_of(fit, seen: xr.Dataset, values: xr.Dataset) -> np.ndarray:
    """Log likelihood of what was seen at values of a fit's parameters, shape (chain, draw), flattened."""
    draws = by_curve(values, seen)
    found = residuals(fit.model, draws, seen)
    order = ("chain", "draw", "curve", "knot", "slot")
    residual, noise = (part.transpose(*order).values for part in found[:2])
    used, slope = seen["used"].values > 0, np.log(2.0) * draws["discrepancy"].transpose(*order[:3]).values
    distance = seen["distance"].broadcast_like(seen["used"]).transpose(*order[2:]).values
    variance = run_variance(
        {**seen, "set_weight": seen["apart"]}, draws["churn"], draws["training_sd"], draws["training_decay"]
    )
    scatter = scatter_loglikelihood(seen, variance).where(seen["used"] > 0, 0.0).sum(order[2:])
    walks = [
        together(residual[:, :, i][..., u], noise[:, :, i][..., u], slope[:, :, i], distance[i][u])
        for i, u in enumerate(used)
    ]
    return (np.sum(walks, axis=0) + scatter.transpose(*order[:2]).values).ravel()


def true_values(fit, truth: dict[str, np.ndarray]) -> xr.Dataset:
    """The truth as the one draw of a posterior."""
    parts = {name: one for name, one in fit.posterior.isel(chain=[0], draw=[0]).items() if name in truth}
    return xr.Dataset({name: one.copy(data=np.reshape(truth[name], one.shape)) for name, one in parts.items()})


def run_pass(bench, seeds, *, changes=(), read=lambda runs: runs, jointly=True) -> Outcome:
    """Simulate and fit; ``jointly`` ranks the likelihood too, which a model that is wrong needs not."""
    ranking, mixed, scores, inside, of_population = Ranking(), Ranking(), {}, {0.9: [], 0.5: []}, []
    for seed in seeds:
        world = bench.simulate(seed)
        everywhere = bench.fit(read(world.runs), seed, changes=changes)
        fit = lv.on_items(everywhere)
        far = lv.predict_gain(fit, [int((AHEAD[-1] - 1) * SIZES[-1])]).isel(budget=0, drop=True)
        posterior = fit.posterior.assign(gain=far.drop_vars(["labels_now", "flags", "doublings"], errors="ignore"))
        flat = posterior.stack(sample=("chain", "draw"))
        truth = truths(world)
        for name in sorted(truth.keys() - UNCHECKED):
            draws = flat[name].transpose("sample", ...).values
            ranking.add(name, draws, truth[name])
            on = SCALE.get(name, np.log if name in CURVE else np.asarray)
            scores.setdefault(name, []).append((on(draws).mean(axis=0) - on(truth[name])) / on(draws).std(axis=0))
        if jointly:
            seen, rng = bench.seen, np.random.default_rng(seed)
            at_truth = likelihood_of(fit, seen, true_values(fit, truth))
            ranking.add(LIKELIHOOD, likelihood_of(fit, seen, fit.posterior), at_truth)
            places = {n: rng.permutation(fit.posterior.sizes["draw"]) for n in fit.posterior}
            anew = {n: fit.posterior[n].isel(draw=at).drop_vars("draw") for n, at in places.items()}
            mixed.add(LIKELIHOOD, likelihood_of(fit, seen, xr.Dataset(anew)), at_truth)
        of_all = everywhere.posterior["error_now"].stack(sample=("chain", "draw")).transpose("sample", ...).values
        ranking.add("error in the population", of_all, world.start)
        largest = int(SIZES[-1])
        beside = int(largest * np.mean(OTHER))
        error = lv.predict_error(fit, [k * largest for k in AHEAD], other_labels=[beside] * len(AHEAD))
        future = world.future * (world.on_set / world.start)[:, None]
        mean = error.mean("slice").isel(labels=-1).values.ravel()
        ranking.add("mean error over slices, far ahead", mean, future[:, -1].mean())
        for level, found in inside.items():
            found.append(_held(error, future, level))
        wide = lv.predict_error(everywhere, [k * largest for k in AHEAD], other_labels=[beside] * len(AHEAD))
        of_population.append(_held(wide, world.future, 0.9))
    return Outcome(
        ranks=ranking.ranks(),
        mixed=mixed.ranks(),
        z={name: np.array(v) for name, v in scores.items()},
        inside={level: np.array(v) for level, v in inside.items()},
        in_population=np.array(of_population),
    )


def _held(error, truth: np.ndarray, level: float) -> np.ndarray:
    """Whether intervals of drawn errors hold the truth; (slice, distance)."""
    low, high = np.quantile(error.values.reshape(-1, *error.shape[2:]), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return (low <= truth) & (truth <= high)


@pytest.fixture(scope="module")
def outcome(bench) -> Outcome:
    return run_pass(bench, range(SIMULATIONS))


def test_ranks_of_the_truth_are_uniform(outcome):
    """Of every parameter and every slice, and of the likelihood. False alarms: 1 in 1,000."""
    assert outcome.ranks.failures() == {}


def test_posteriors_a_fifth_too_narrow_are_found(outcome):
    """With a probability of .95 at least, by the same test; posteriors that are right nearly never."""
    assert outcome.ranks.power(0.8, repeats=60) >= 0.95
    assert outcome.ranks.power(0.8, *CURVE, repeats=60) >= 0.95
    assert outcome.ranks.power(1.0, repeats=60) <= 0.05


def test_a_wrong_prior_fails_the_rank_test(bench):
    """The same test sees a prior whose scale and place are wrong."""
    wrong = (("elasticity_mean", Prior("normal", -1.2, 0.1)),)
    assert "elasticity_mean" in run_pass(bench, range(FEW), changes=wrong, jointly=False).ranks.failures()


def test_a_wrong_likelihood_fails_the_rank_test(bench):
    """The same test sees a mean function that is wrong: errors falling with a power of the labels there are."""

    def read(runs):
        bent = {
            name: (runs[name].dims, np.rint(runs[name].values ** 1.4).astype(int))
            for name in ("labels", "other_labels")
        }
        return runs.assign(bent)

    found = run_pass(bench, range(20), read=read, jointly=False).ranks.failures()
    assert found.keys() >= {"elasticity", "gain"}


def test_shuffled_slices_fail_the_rank_test(outcome):
    """The same test sees draws that were given to the wrong slice."""
    right = outcome.ranks.values["error_reference"]
    wrong = np.concatenate([np.roll(right[:, :1], 1, axis=2), right[:, 1:]], axis=1)
    assert Ranks({"error_reference": wrong}).failures()


def test_parameters_that_do_not_go_together_fail_by_the_likelihood(outcome):
    """Which no rank of a parameter sees."""
    assert LIKELIHOOD in outcome.mixed.failures()


@pytest.mark.parametrize("name", ["error_reference", "curve_elasticity", "training_sd", "elasticity", "gain"])
def test_recovery(outcome, name):
    """Mean z within 0.3 and its sd in 0.8 to 1.2. False alarms: under 1 in 1,000 with 256 curves."""
    z = outcome.z[name]
    assert abs(z.mean()) < 0.3
    assert 0.8 < z.std() < 1.2


def coverage_failures(outcome: Outcome) -> dict[float, np.ndarray]:
    """Levels whose intervals do not hold what they say, at four standard errors (or .03), and what they hold."""
    found = {}
    for level, inside in outcome.inside.items():
        per_simulation = inside.mean(axis=1)
        error = per_simulation.std(axis=0) / np.sqrt(len(per_simulation))
        covered = per_simulation.mean(axis=0)
        if (np.abs(covered - level) >= np.maximum(4.0 * error, 0.03)).any():
            found[level] = covered
    return found


def test_intervals_of_the_future_error_cover(outcome):
    """At 2, 4 and 8 times the reference; 256 curves a distance. False alarms: 1 in 1,000."""
    assert coverage_failures(outcome) == {}


def test_intervals_hold_the_errors_of_the_population(outcome):
    """Now (by ranks, above) and at 2, 4 and 8 times; half of the slices are seen through one evaluation set each."""
    covered = outcome.in_population.mean(axis=1)
    error = covered.std(axis=0) / np.sqrt(len(covered))
    assert (np.abs(covered.mean(axis=0) - 0.9) < np.maximum(4.0 * error, 0.03)).all()


@pytest.mark.slow(reason="60 fits each")
@pytest.mark.parametrize("trials", [40, 200, 4000])
def test_the_error_now_holds_for_small_evaluation_sets(bench, trials):
    """240 slices whose runs share one set: 90 % intervals hold the population's error, those on the items alone do not.

    False alarms: 1 in 100 of each size.
    """
    held, on_items = [], []
    for seed in range(5000, 5060):
        world = bench.simulate(seed, trials=trials, sharing=np.ones(len(SLICES), dtype=bool))
        fit = bench.fit(world.runs, seed, draws=250)
        for found, one in ((held, fit), (on_items, lv.on_items(fit))):
            found.append(_held(one.posterior["error_now"], world.start, 0.9))
    assert np.mean(held) == pytest.approx(0.9, abs=0.05)
    assert np.mean(on_items) < 0.75


def test_a_model_without_discrepancy_does_not_cover(bench):
    """What the shape discrepancy is for: without it, intervals of the error at 8 times are too narrow."""
    none = (("discrepancy_mean", Prior("normal", -9.0, 0.1)),)
    covered = run_pass(bench, range(FEW), changes=none, jointly=False).inside[0.9].mean(axis=(0, 1))
    assert covered[-1] < 0.8


def test_simulated_inputs_converge(bench):
    """The gate with its retries and the shipped priors: of 8 inputs at least 5 are ok.

    False alarms: 4 in 10,000 where the target holds, that 95 % are.
    """
    shipped = tuple(get_model("power_law").priors.items())
    verdicts = []
    for seed in range(900, 908):
        compiled = bench.compiled(observe(bench.simulate(seed).runs), shipped)
        _, diagnostics = sampling.sample(compiled, SamplerSettings(random_seed=seed))
        verdicts.append((diagnostics.verdict, diagnostics.reasons))
        assert len(diagnostics.attempts) <= 3
    assert sum(verdict == "ok" for verdict, _ in verdicts) >= 5, verdicts


def test_same_seed_same_draws(bench):
    world = bench.simulate(1)
    first, second = (bench.fit(world.runs, 7).posterior for _ in range(2))
    assert first.equals(second)


REGIMES = {
    "by NUTS in the model's own coordinates": {"plain": True},
    "the shipped bank": {"shipped": True},
    "sizes of their own": {"jitter": 0.1},
    "small counts": {"trials": 100},
    "one run a size": {"replicates": 1},
    "a handful of wrong answers": {"trials": 40},
}
FALL_SHORT = {
    "small counts": "ten wrong answers a run are not normal on the log: every parameter is uniform, the likelihood not",
    "a handful of wrong answers": "four wrong answers a run are not normal on the log: errors a little high",
}  # regimes that are known not to be uniform (benchmarks/README.md); one that becomes so fails too


@pytest.mark.slow(reason="150 fits a regime")
@pytest.mark.parametrize(
    "regime",
    [
        pytest.param(r, marks=[pytest.mark.xfail(strict=True, reason=w) for w in [FALL_SHORT.get(r)] if w])
        for r in REGIMES
    ],
)
def test_ranks_are_uniform_in_other_regimes(regime):
    """False alarms: 1 in 1,000 each."""
    assert run_pass(Bench(**REGIMES[regime]), range(150)).ranks.failures() == {}


@pytest.mark.slow(reason="300 fits")
def test_ranks_recovery_and_coverage_at_length(bench):
    """300 simulations from seeds that rotate: LABELVALUE_SEED, else printed. False alarms: 1 in 1,000."""
    start = int(os.environ.get("LABELVALUE_SEED", np.random.SeedSequence().entropy % 10**6))
    print(f"LABELVALUE_SEED={start}")
    outcome = run_pass(bench, range(start, start + 300))
    assert outcome.ranks.failures() == {}
    for level, inside in outcome.inside.items():
        assert (np.abs(inside.mean(axis=(0, 1)) - level) < 0.04).all()


def test_the_layout_mixes_shared_sets_and_sets_of_their_own():
    assert len(SLICES) == SHARING.size
    assert 0 < SHARING.sum() < SHARING.size


@pytest.mark.slow(reason="160 fits")
def test_slices_with_few_wrong_answers_are_not_taken_for_their_neighbours(monkeypatch):
    """Slices far apart, 60 items each: errors are drawn towards the others as much as luck allows, and no more.

    The population's error lay .16 of its sd too high where the luck of few wrong answers was taken from these alone.
    """
    monkeypatch.setitem(NARROW, "error_spread", ("lognormal", -0.35, 0.3))
    monkeypatch.setitem(NARROW, "error_mean", ("normal", -2.6, 0.3))
    wide, z = Bench(trials=60, sharing=np.ones(len(SLICES), dtype=bool)), []
    for seed in range(7000, 7160):
        made = wide.simulate(seed)
        error = np.log(wide.fit(made.runs, seed).posterior["error_now"].stack(sample=("chain", "draw")))
        z.append((error.mean("sample") - np.log(made.start)) / error.std("sample"))
    assert abs(float(np.mean(z))) < 0.11
