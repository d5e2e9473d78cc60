"""Promises of the model that are shown nowhere else, each from end to end (M1, M7, M15, M17, M18)."""

import dataclasses

import numpy as np
import pytest

from labelvalue import fit, impact, load_fit, names, predict_gain, summarise, testing
from labelvalue.interventions import gain_over_learners
from labelvalue.model.curve.families import measured_error, observed_ratio, true_labels
from labelvalue.model.curve.observations import observe
from labelvalue.model.fitting import data_checks
from labelvalue.model.fitting.data_checks import shape_surprise
from labelvalue.model.sampling import sampling

SAMPLE = ("chain", "draw")
PROMISED = {names.ERROR_NOW, names.ELASTICITY, names.IMPACT, names.FLOOR}


def test_m1_a_fit_is_frozen_complete_and_promises_four_quantities_a_slice(monkeypatch, tmp_path):
    """The public function, with a sampler that returns draws that are known: what it makes of them."""
    known = testing.fake_fit(seed=1, draws=100)
    draws = known.posterior.rename(slice="curve").drop_vars(["curve", *PROMISED])
    tree = known.tree.copy()
    tree[names.POSTERIOR] = type(tree)(draws)
    monkeypatch.setattr(
        sampling, "sample", lambda *given, **how: (tree, dataclasses.replace(known.diagnostics, flags={}))
    )
    monkeypatch.setattr(sampling, "compile_model", lambda model: None)
    model = dataclasses.replace(known.model, build=lambda observations, priors: None)
    made = fit(testing.fake_runs(seed=1), model, random_seed=known.settings["random_seed"], progress=False)
    assert set(made.posterior) >= PROMISED
    for name in PROMISED:
        assert made.posterior[name].dims == ("chain", "draw", "slice")
        assert bool(np.isfinite(made.posterior[name]).all())
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.model = None
    for field in ("posterior", "position", "runs", "settings"):
        assert getattr(made, field) is not None
    assert made.diagnostics.verdict in {"ok", "flagged", "refused"}
    again = load_fit(made.save(tmp_path / "fit.nc"))
    np.testing.assert_array_equal(predict_gain(again, [500]), predict_gain(made, [500]))
    priors = made.model.priors
    assert all(np.isfinite(prior.center) and 0 < prior.spread < np.inf for prior in priors.values()), "proper"


@pytest.mark.parametrize(("noise", "classes"), [(0.05, 2), (0.1, 5)])
def test_m7_the_true_error_is_recovered_without_bias(noise, classes):
    """Of 20,000 evaluations with wrong labels the mean of what is recovered is the truth, to Monte Carlo error."""
    rng = np.random.default_rng(3)
    trials, truth = 4000, np.array([0.12, 0.25, 0.4])
    wrong = rng.binomial(trials, measured_error(truth, noise, classes), (20_000, 3))
    measured = (wrong + 0.5) / (trials + 0.5)
    data = {
        "log_error": np.log(measured),
        "sampling_variance": 1.0 / (wrong + 0.5) - 1.0 / (trials + 1.0),
        "rounding": 0.0,
        "scatter": 0.0,
    }
    found = np.exp(true_labels(data, noise, classes)[0]["log_error"])
    error = found.std(axis=0) / np.sqrt(len(found))
    # A mean on the log scale is that of the median: half a relative variance below the mean, which is known too.
    assert (np.abs(found.mean(axis=0) / truth - 1.0) < 4 * error / truth + 0.5 * (found.std(axis=0) / truth) ** 2).all()
    assert (np.abs(measured.mean(axis=0) - truth) > 20 * error).all(), "what was measured is far off"


@pytest.fixture(scope="module")
def variants():
    return testing.fake_fit(seed=1, learners=("raw", "calibrated", "selected"), draws=200)


def test_m15_the_spread_of_the_impact_between_learners_has_draws(variants):
    """Impact by learner variant (M17 too), and how much learners differ in it, draw by draw."""
    per_thousand = impact(variants, per=1000)
    assert per_thousand.dims == ("chain", "draw", "slice", "learner")
    assert set(summarise(per_thousand)["learner"]) == {"raw", "calibrated", "selected"}
    spread = gain_over_learners(per_thousand)["spread"]
    assert spread.dims == ("chain", "draw", "slice")
    np.testing.assert_allclose(spread, per_thousand.std("learner"))
    low, high = spread.quantile([0.05, 0.95], dim=SAMPLE).values
    assert (low > 0).all()
    assert (low < high).all()


@pytest.fixture(scope="module")
def seen():
    """Posterior and observations that agree, by curve; the group knows how little its curves stray."""
    made = testing.fake_fit(seed=1)
    posterior = made.posterior.rename(slice="curve").drop_vars("curve")
    known = {"discrepancy_mean": -3.5, "discrepancy_power": 0.0, "discrepancy_spread": 0.3}
    return posterior.assign({name: posterior[name] * 0 + value for name, value in known.items()}), observe(made.runs)


def test_m18_replicates_hold_wrong_training_labels(seen, power_law):
    """Where half of the sizes were trained on wrong labels they did worse, and replicates that know it do so too."""
    posterior, observations = seen
    noise = observations[names.LABEL_NOISE] + 0.25 * (observations["distance"] < 1.0)

    def log_error(log_labels):  # the textbook power law with a floor, at the posterior's means
        floor, steepness = (posterior[name].mean(SAMPLE) for name in (names.FLOOR_SHARE, names.CURVE_ELASTICITY))
        return np.log(floor + (1 - floor) * np.exp(-steepness / (1 - floor) * log_labels))

    clean = observed_ratio(posterior, observations).mean(SAMPLE)
    left = 2.0 * np.log(1.0 - 2.0 * noise)  # effective labels shrink by (1 − 2η)²
    worse = observations.assign(log_error=observations["log_error"] + log_error(clean + left) - log_error(clean))
    known = posterior.assign({names.NOISE_COST: posterior["churn"] * 0 + 2.0})
    true = shape_surprise(power_law, posterior, observations, 1)
    told = shape_surprise(power_law, known, worse.assign({names.LABEL_NOISE: noise}), 1)
    ignored = shape_surprise(power_law, posterior, worse, 1)
    assert np.abs(told - true).max() < 0.15
    assert (ignored < 0.6 * told).all()


@pytest.mark.parametrize(
    ("probability", "flagged"), [(0.0099, True), (0.0101, False), (0.5, False), (0.9899, False), (0.9901, True)]
)
def test_m18_a_tail_under_a_hundredth_on_either_side_is_flagged(seen, power_law, monkeypatch, probability, flagged):
    monkeypatch.setattr(data_checks, "shape_surprise", lambda *given: np.array([0.5, probability, 0.5, 0.5]))
    found = data_checks.flags_by_slice(data_checks.flag_curves(power_law, *seen, 1), seen[1])
    assert (names.SHAPE_MISFIT in found["north"]) == flagged
    assert names.SHAPE_MISFIT not in found["east"]
