"""Answers to priors: closed forms, brute force on the textbook curve, and answers that contradict."""

import numpy as np
import pytest
from scipy import stats

from labelvalue import InputError, get_model, names
from labelvalue.model.hierarchy.specification import model_names
from labelvalue.priors import elicit

Z = stats.norm.ppf(0.9)
SENSIBLE = {"error_now": (0.10, 0.14), "error_at_double": (0.08, 0.12), "best_error": (0.02, 0.06)}


def logit(p):
    return np.log(p / (1 - p))


def typical_curves(priors, size=200_000):
    """The typical slice under the power law, written a second time: error now, at double, floor, next thousand."""
    rng = np.random.default_rng(5)
    bank = get_model("power_law").priors

    def draw(name):
        prior = priors.get(name, bank[name])
        return prior.center + prior.spread * rng.standard_normal(size)

    now = 1 / (1 + np.exp(-draw("error_mean")))
    elasticity = np.exp(draw("elasticity_mean"))
    bending = np.log1p(np.exp(draw("floor_mean")))
    share = bending / (1 + bending)

    def at(ratio):
        return now * (share + (1 - share) * ratio ** (-elasticity / (1 - share)))

    return {"error_now": now, "error_at_double": at(2.0), "best_error": now * share, "gain_of_next": now - at(1.5)}


def test_error_now_has_a_closed_form():
    prior = elicit(1000, error_now=(0.10, 0.14)).priors["error_mean"]
    low, high = logit(np.array([0.10, 0.14]))
    assert prior.center == pytest.approx((low + high) / 2, abs=0.01)
    assert prior.spread == pytest.approx((high - low) / (2 * Z), rel=0.02)


@pytest.mark.parametrize("width", [1.0, 0.4])
def test_brute_force_meets_the_answers(width):
    asked = {q: (np.mean(a) - width * np.ptp(a) / 2, np.mean(a) + width * np.ptp(a) / 2) for q, a in SENSIBLE.items()}
    found = elicit(1000, **asked)
    assert found.matched
    for question, draws in typical_curves(found.priors).items():
        if question in asked:
            missed = (np.quantile(draws, [0.1, 0.9]) - asked[question]) / np.ptp(asked[question])
            assert abs(missed).max() < 0.1, question


def test_quantiles_of_known_priors_give_them_back():
    bank = get_model("power_law").priors
    truth = bank.replace(elicit(2000, **SENSIBLE).priors)
    implied = typical_curves(truth)
    asked = {q: tuple(np.quantile(d, [0.05, 0.5, 0.95])) for q, d in implied.items()}
    found = elicit(2000, **asked, next_labels=1000, probability=0.9)
    assert found.matched
    for name, prior in found.priors.items():
        assert prior.center == pytest.approx(truth[name].center, abs=0.1), name
        assert prior.spread == pytest.approx(truth[name].spread, rel=0.1), name


@pytest.mark.parametrize("name", model_names())
def test_every_model_can_be_asked(name):
    assert elicit(1000, **SENSIBLE, gain_of_next=(0.01, 0.03), model=name).matched


def test_what_is_not_asked_stays_the_banks():
    assert set(elicit(1000, error_now=(0.1, 0.14)).priors) == {"error_mean"}
    without_floor = elicit(1000, error_now=(0.1, 0.14), gain_of_next=(0.005, 0.02))
    assert set(without_floor.priors) == {"error_mean", "elasticity_mean"}


def test_errors_of_slices_give_their_spread():
    found = elicit(1000, error_now=(0.1, 0.14), error_of_slices=(0.05, 0.25))
    bank, prior = get_model("power_law").priors["error_spread"], found.priors["error_spread"]
    assert np.exp(prior.center) == pytest.approx((logit(0.25) - logit(0.05)) / (2 * Z))
    assert prior.spread == bank.spread
    assert found.matched
    off = elicit(1000, error_now=(0.1, 0.14), error_of_slices=(0.2, 0.4)).table
    assert off.set_index("question").loc["error_of_slices", "matched"].tolist() == [False, False]


def test_priors_say_where_they_come_from():
    found = elicit(1000, **SENSIBLE)
    bank = get_model("power_law").priors
    for name, prior in found.priors.items():
        assert prior.meaning == bank[name].meaning
        assert prior.source.startswith("elicited: error_now 0.1–0.14, error_at_double 0.08–0.12")
        assert "80 % probability" in prior.source
    assert bank.replace(found.priors)["error_mean"].spread < bank["error_mean"].spread


def test_answers_that_no_curve_meets_are_not_matched_and_the_source_says_so():
    found = elicit(1000, error_now=(0.1, 0.14), error_at_double=(0.099, 0.139), gain_of_next=(0.03, 0.06))
    assert not found.matched
    assert "not met within 10 % of its width" in found.priors["elasticity_mean"].source
    missed = abs(found.table["implied"] - found.table["asked"]) > 0.1 * 0.04
    assert (found.table["matched"] <= ~missed).all()


def test_metric_without_a_bound_takes_its_scale_from_the_runs(values):
    runs = values(level=4.0)
    asked = {"error_now": (3.0, 4.0), "error_at_double": (2.5, 3.6)}
    found = elicit(2000, **asked, runs=runs)
    assert found.matched
    with pytest.raises(InputError, match="below 1"):
        elicit(2000, **asked)
    typical = float(np.exp(np.log(runs[names.ERROR]).mean()))
    assert found.priors["error_mean"].center == pytest.approx(np.log(np.sqrt(12.0) / typical), abs=0.03)


def test_contradictions_are_named_all_at_once():
    with pytest.raises(InputError) as caught:
        elicit(
            1000, error_now=(0.1, 0.14), error_at_double=(0.12, 0.2), best_error=(0.15, 0.3), gain_of_next=(0.2, 0.3)
        )
    found = {(p.column, name) for p in caught.value.problems for name in SENSIBLE if f"{name} (" in p.why}
    assert found >= {
        ("error_at_double", "error_now"),
        ("best_error", "error_now"),
        ("best_error", "error_at_double"),
        ("gain_of_next", "error_now"),
    }
    assert all(p.fix for p in caught.value.problems)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"error_now": (0.14, 0.10)}, "rising order"),
        ({"error_now": (0.1, 0.09, 0.14)}, "rising order"),
        ({"error_now": (0.1,)}, "two or three numbers"),
        ({"error_now": ("low", "high")}, "two or three numbers"),
        ({"error_now": (0.1, float("nan"))}, "two or three numbers"),
        ({"error_now": (0.0, 0.1)}, "above 0"),
        ({"error_now": (12, 14)}, "12 %"),
        ({"best_error": (0.11, 0.16)}, "below the floor"),
        ({"probability": 80}, "probability"),
        ({"labels": 0}, "labels must be"),
        ({"next_labels": 1.5}, "next_labels must be"),
        ({"model": "powerlaw"}, "power_law"),
    ],
)
def test_what_is_wrong_is_said(wrong, says):
    with pytest.raises(ValueError, match=says):
        elicit(**{"labels": 1000, "error_now": (0.10, 0.14), **wrong})
