"""Curves drawn from priors: moments in closed form, and the walk on either side of the reference size."""

import numpy as np
import pytest

from labelvalue import Prior, get_model
from labelvalue.model.hierarchy.specification import model_names
from labelvalue.model.prior.prior_curves import error_scale
from labelvalue.priors import draw_curves

SURE = 1e-9
REFERENCE = 1000


def certain(**centers):
    """Priors of the power law that leave nothing open but what is named."""
    priors = {name: Prior(p.distribution, p.center, SURE) for name, p in get_model("power_law").priors.items()}
    silent = {name: Prior("lognormal", -30.0, SURE) for name in priors if name.endswith("_spread")}
    silent["discrepancy_mean"] = Prior("normal", -30.0, SURE)
    return priors | silent | {name: Prior(priors[name].distribution, c, SURE) for name, c in centers.items()}


def test_error_at_the_reference_has_the_moments_of_the_priors():
    size = 40_000
    error = draw_curves(labels=[REFERENCE], reference_labels=REFERENCE, samples=size).values[:, 0]
    mean, spread = (get_model("power_law").priors[f"error_{part}"] for part in ("mean", "spread"))
    variance = mean.spread**2 + np.exp(2 * spread.center + 2 * spread.spread**2)
    logit = np.log(error / (1 - error))
    assert logit.mean() == pytest.approx(mean.center, abs=4 * (variance / size) ** 0.5)
    assert logit.var() == pytest.approx(variance, rel=0.04)


def test_curve_without_doubt_is_the_textbook_power_law():
    elasticity, bending = 0.3, 0.25
    floor = bending / (1 + bending)
    priors = certain(
        error_mean=np.log(0.1 / 0.9), elasticity_mean=np.log(elasticity), floor_mean=np.log(np.expm1(bending))
    )
    labels = np.array([125, 500, 1000, 4000])
    error = draw_curves(priors=priors, labels=labels, reference_labels=REFERENCE, samples=3)
    expected = 0.1 * (floor + (1 - floor) * (labels / REFERENCE) ** (-elasticity / (1 - floor)))
    assert np.allclose(error, expected, rtol=1e-3)


@pytest.mark.parametrize("doublings", [-3, 1, 3])
def test_curve_strays_by_an_integrated_walk_on_either_side(doublings):
    scale = 0.05
    priors = certain(error_mean=-6.0, elasticity_mean=np.log(0.05), floor_mean=-20.0, discrepancy_mean=np.log(scale))
    labels = [REFERENCE * 2.0**doublings]
    error = draw_curves(priors=priors, labels=labels, reference_labels=REFERENCE, samples=20_000)
    expected = np.log(2.0) * scale * (abs(doublings) ** 3 / 3) ** 0.5
    assert np.log(error).std().item() == pytest.approx(expected, rel=0.03)


def test_draws_hang_on_the_seed_alone():
    ask = {"reference_labels": REFERENCE, "samples": 50}
    many = draw_curves(labels=[250, 1000, 4000], **ask)
    assert np.array_equal(many.sel(labels=[4000]), draw_curves(labels=[4000], **ask))
    assert not np.array_equal(many, draw_curves(labels=[250, 1000, 4000], **ask, random_seed=1))


@pytest.mark.parametrize("name", model_names())
def test_every_model_draws_errors_in_bounds(name):
    error = draw_curves(name, labels=[0, 10, 1000, 1e6], reference_labels=REFERENCE, samples=500)
    assert bool(((error > 0) & (error <= 1)).all())


def test_errors_without_a_bound_are_on_the_scale_of_the_runs(values):
    runs = values(level=40.0)
    scale = error_scale(runs)
    assert scale.upper == np.inf
    assert scale.typical == pytest.approx(np.exp(np.log(runs["error"]).mean().item()), rel=0.05)
    error = draw_curves(labels=[REFERENCE], reference_labels=REFERENCE, runs=runs, samples=4000)
    center = get_model("power_law").priors["error_mean"].center
    assert np.median(error) == pytest.approx(scale.typical * np.exp(center), rel=0.1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"labels": []}, "labels must be"),
        ({"labels": [-1]}, "labels must be"),
        ({"reference_labels": 0}, "reference_labels must be"),
        ({"samples": 0}, "samples must be"),
        ({"priors": {"elastic_mean": Prior("normal", 0, 1)}}, "did you mean 'elasticity_mean'"),
    ],
)
def test_what_is_wrong_is_said(wrong, says):
    with pytest.raises(ValueError, match=says):
        draw_curves(**{"labels": [100], "reference_labels": 1000, **wrong})
