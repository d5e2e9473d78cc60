"""Flags of single slices, on posteriors made by hand."""

import numpy as np
import pytest
import xarray as xr

from labelvalue import names, testing
from labelvalue.model.curve.families import measured_error
from labelvalue.model.curve.observations import CURVE, observe
from labelvalue.model.fitting import data_checks
from labelvalue.model.fitting.data_checks import (
    MISFIT_BY_CHANCE,
    SURPRISE,
    composition_note,
    draw_prior,
    misfit_reason,
    misfits_allowed,
    prior_sd_of_log_elasticity,
    shape_surprise,
)
from labelvalue.model.prior.priors import Prior


def by_curve(fit):
    """The posterior of a fit as the sampler returns it."""
    posterior = fit.posterior
    if "learner" in posterior.dims:
        return posterior.stack({CURVE: ("slice", "learner")}).drop_vars([CURVE, "slice", "learner"])
    return posterior.rename(slice=CURVE).drop_vars(CURVE)


@pytest.fixture(scope="module")
def good():
    """Posterior and observations that agree, four slices; the group knows how little its curves stray."""
    fit = testing.fake_fit(seed=1)
    posterior = by_curve(fit)
    known = {"discrepancy_mean": -3.5, "discrepancy_power": 0.0, "discrepancy_spread": 0.3}
    group = {name: posterior[name] * 0 + value for name, value in known.items()}
    return posterior.assign(group), observe(fit.runs)


def replaced(posterior, name, curve, values):
    out = posterior[name].transpose("chain", "draw", CURVE).copy(deep=True)
    out[..., curve] = values
    return posterior.assign({name: out})


def test_good_data_have_no_flags(good, power_law):
    flags = flag_slices(power_law, *good, 1)
    assert flags == {"east": (), "north": (), "south": (), "west": ()}


def test_a_slice_with_two_sizes_is_borrowed(good, power_law):
    posterior, observations = good
    few = observations.assign({names.SIZES: (CURVE, [9, 2, 3, 0])})
    assert flag_slices(power_law, posterior, few, 1) == {
        "east": (), "north": (names.BORROWED,), "south": (), "west": (names.BORROWED,),
    }  # fmt: skip


@pytest.mark.parametrize(("share", "flagged"), [(0.3, False), (0.8, False), (1.0, True)])
def test_a_posterior_as_wide_as_the_prior_is_mostly_assumption(share, flagged, good, power_law):
    posterior, observations = good
    wide = prior_sd_of_log_elasticity(power_law.priors, crossed=False)
    noise = np.random.default_rng(1).normal(size=(4, 250))
    noise /= noise.std()
    posterior = replaced(posterior, names.CURVE_ELASTICITY, 2, 0.2 * np.exp(share * wide * noise))
    posterior = replaced(posterior, names.ERROR_REFERENCE, 2, float(posterior[names.ERROR_REFERENCE][0, 0, 2]))
    flags = flag_slices(power_law, posterior, observations, 1)
    assert (names.MOSTLY_ASSUMPTION in flags["south"]) == flagged
    assert names.MOSTLY_ASSUMPTION not in flags["north"]


def flag_slices(model, posterior, observations, seed):
    return data_checks.flags_by_slice(data_checks.flag_curves(model, posterior, observations, seed), observations)


def test_a_curve_that_rises_does_not_fit(good, power_law):
    posterior, observations = good
    log_error = observations["log_error"].copy(deep=True)
    log_error[1] = 2 * log_error.values[1, 0].mean() - log_error[1]  # what falls by the model rises by the data
    flags = flag_slices(power_law, posterior, observations.assign(log_error=log_error), 1)
    assert flags == {"east": (), "north": (names.SHAPE_MISFIT,), "south": (), "west": ()}


def test_a_curve_that_falls_far_faster_does_not_fit_either(good, power_law):
    posterior, observations = good
    log_error = observations["log_error"].copy(deep=True)
    log_error[3] = log_error[3] + 3.0 * observations["distance"][3]
    assert flag_slices(power_law, posterior, observations.assign(log_error=log_error), 1)["west"] == (
        names.SHAPE_MISFIT,
    )


def test_the_shape_of_two_sizes_is_not_judged(good, power_law):
    posterior, observations = good
    log_error = observations["log_error"].copy(deep=True)
    log_error[1] = -log_error[1]
    few = observations.assign({"log_error": log_error, names.SIZES: (CURVE, [9, 2, 9, 9])})
    assert flag_slices(power_law, posterior, few, 1)["north"] == (names.BORROWED,)


def test_draws_that_are_not_finite_say_nothing(good, power_law):
    posterior, observations = good
    none = posterior * np.nan
    assert flag_slices(power_law, none, observations, 1) == {"east": (), "north": (), "south": (), "west": ()}


def test_a_slice_has_the_flags_of_all_its_learners(power_law):
    fit = testing.fake_fit(seed=1, learners=("a", "b"), slices=("east", "north"), draws=100)
    observations = observe(fit.runs).assign({names.SIZES: (CURVE, [9, 2, 2, 2])})
    flags = flag_slices(power_law, by_curve(fit), observations, 1)
    assert flags == {"east": (names.BORROWED,), "north": (names.BORROWED,)}


@pytest.mark.parametrize("learners", [1, 2, 20])
def test_many_learners_do_not_make_a_sound_slice_look_odd(power_law, monkeypatch, learners):
    """With the tails of sound curves, uniform, a slice is flagged once in fifty, under however many learners."""
    names_of = tuple(f"l{i:02d}" for i in range(learners))
    fit = testing.fake_fit(seed=1, learners=names_of, slices=("east", "north"), draws=25)
    observations, posterior = observe(fit.runs), by_curve(fit)
    rng = np.random.default_rng(3)
    monkeypatch.setattr(data_checks, "shape_surprise", lambda *given: rng.uniform(size=2 * learners))
    flagged = 0
    for _ in range(250):
        found = flag_slices(power_law, posterior, observations, 1)
        flagged += sum(names.SHAPE_MISFIT in flags for flags in found.values())
    assert 1 <= flagged <= 22, "10 of 500 expected; 22 would come once in 2,000"


def test_one_odd_learner_of_many_is_found(power_law, monkeypatch):
    fit = testing.fake_fit(seed=1, learners=("a", "b", "c"), slices=("east", "north"), draws=25)
    seen = np.array([0.5, 0.5, 0.5, 0.5, 0.99, 0.999])
    monkeypatch.setattr(data_checks, "shape_surprise", lambda *given: seen)
    observations = observe(fit.runs)
    found = data_checks.flag_curves(power_law, by_curve(fit), observations, 1)
    assert [names.SHAPE_MISFIT in flags for flags in found] == [False] * 5 + [True]
    assert data_checks.flags_by_slice(found, observations) == {"east": (), "north": (names.SHAPE_MISFIT,)}


def test_crossed_priors_are_wider(power_law):
    one, both = (prior_sd_of_log_elasticity(power_law.priors, crossed=c) for c in (False, True))
    assert one < both < 1.5 * one


@pytest.mark.parametrize(
    ("distribution", "low", "middle"),
    [("normal", -np.inf, 0.3), ("student", -np.inf, 0.3), ("lognormal", 0, np.exp(0.3)), ("logitnormal", 0, 0.574443)],
)
def test_prior_draws(distribution, low, middle):
    draws = draw_prior(Prior(distribution, 0.3, 0.5), 40_000, np.random.default_rng(1))
    assert (draws > low).all()
    assert np.median(draws) == pytest.approx(middle, abs=0.02)


def test_labels_that_grow_in_proportion_are_noted(table):
    rows = [(s, n, 40 - n // 20, 100, {"other_labels": 3 * n}) for s in "ab" for n in (100, 200, 400)]
    assert "in proportion" in composition_note(observe(table(rows)))


def test_labels_whose_composition_varies_are_not_noted(table):
    rows = [("a", n, 40 - n // 20, 100, {"other_labels": o * n}) for n in (100, 200, 400) for o in (1, 3)]
    assert composition_note(observe(table(rows))) == ""


def test_labels_without_others_are_not_noted(table):
    assert composition_note(observe(table([("a", n, 40 - n // 20, 100) for n in (100, 200, 400)]))) == ""


def test_a_rise_beyond_noise_is_flagged_whatever_the_discrepancy(good, power_law):
    """The group may stray as far as it likes: that error rises with labels is a fact about the data."""
    posterior, observations = good
    loose = posterior.assign(discrepancy_mean=posterior["discrepancy_mean"] * 0 - 0.5)
    log_error = observations["log_error"].copy(deep=True)
    log_error[1] = 2 * log_error[1].max() - log_error[1]
    risen = observations.assign(log_error=log_error)
    assert names.SHAPE_MISFIT not in flag_slices(power_law, loose, observations, 1)["north"]
    assert names.SHAPE_MISFIT in flag_slices(power_law, loose, risen, 1)["north"]


def test_the_spread_of_a_single_curve_is_the_priors_median(power_law):
    runs = testing.fake_runs(seed=1, slices=("alone",))
    built = power_law.build(observe(runs), power_law.priors)
    free = {variable.name for variable in built.free_RVs}
    assert not {name for name in free if name.endswith("_spread")}
    median = np.exp(power_law.priors["elasticity_spread"].center)
    assert built["elasticity_spread"].eval() == pytest.approx(median)


def test_replicates_hold_label_errors_at_their_rates(good, power_law):
    """Curves seen through wrong evaluation labels flatten; replicates flatten alike, and only they look like them."""
    posterior, observations = good
    noise = 0.08
    seen = measured_error(np.exp(observations["log_error"]), noise, 2)
    blurred = observations.assign(log_error=np.log(seen), sampling_variance=observations["sampling_variance"] / 3)
    known = posterior.assign({names.EVALUATION_NOISE: posterior[names.ERROR_REFERENCE] * 0 + noise})
    true = shape_surprise(power_law, posterior, observations, 1)
    injected = shape_surprise(power_law, known, blurred, 1)
    ignored = shape_surprise(power_law, posterior, blurred, 1)
    assert ((injected > SURPRISE) & (injected < 1 - SURPRISE)).all()
    assert np.abs(injected - true).max() < 0.1
    assert (ignored < 0.6 * injected).all()


def test_curves_checked_part_by_part_have_the_probabilities_of_all_together(good, power_law, monkeypatch):
    posterior, observations = good
    whole = shape_surprise(power_law, posterior, observations, 1)
    monkeypatch.setattr(data_checks, "CURVES_AT_ONCE", 3)
    parts = shape_surprise(power_law, posterior, observations, 1)
    assert parts.shape == whole.shape
    np.testing.assert_allclose(parts, whole, atol=0.06)  # other random numbers, of a thousand draws


# --- more slices that do not fit than chance allows -------------------------------------------------


def misfitting(count, of, learners=("default",), short=0):
    """Flags and observations of a fit some slices of which do not fit; the last ``short`` slices have two sizes."""
    slices = tuple(f"s{i:02}" for i in range(of))
    seen = observe(testing.fake_runs(seed=1, slices=slices, learners=learners, sizes=(500, 2000, 8000), replicates=1))
    names_of = seen[names.SLICE].values.astype(str)
    few = xr.DataArray(np.isin(names_of, slices[of - short :] if short else ()), dims=CURVE)
    seen = seen.assign({names.SIZES: seen[names.SIZES].where(~few, 2)})
    return [(names.SHAPE_MISFIT,) if name in slices[:count] else () for name in names_of], seen


@pytest.mark.parametrize(("of", "most"), [(1, 0), (2, 0), (3, 1), (17, 1), (18, 2)])
def test_misfits_that_chance_allows_are_no_reason(of, most):
    assert misfit_reason(*misfitting(most, of)) == ""
    said = misfit_reason(*misfitting(most + 1, of))
    assert said.startswith(f"{most + 1} of {of} slice")
    assert said.endswith(f"chance would allow {most or 'none'}")


def test_allowed_is_what_one_sound_fit_in_twenty_exceeds():
    """By simulation, and no fewer: with one less, more than one in twenty would be flagged."""
    rng = np.random.default_rng(1)
    for slices in (3, 17, 40, 100):
        wrong = rng.binomial(slices, MISFIT_BY_CHANCE, 200_000)
        allowed = misfits_allowed(slices)
        assert np.mean(wrong > allowed) <= 0.051
        assert np.mean(wrong > allowed - 1) > 0.05


def test_one_learner_of_many_condemns_no_fit_and_slices_that_cannot_misfit_do_not_count():
    flags, seen = misfitting(0, 1, learners=tuple("abcdefghijklmnopqrst"))
    odd = [(names.SHAPE_MISFIT,)]
    assert misfit_reason(odd * 2 + flags[2:], seen) == ""
    assert misfit_reason(odd * 3 + flags[3:], seen).startswith("3 of 20 curves do not follow")
    assert misfit_reason(*misfitting(1, 3, short=1)).startswith("1 of 2 slices")
