"""The picture of priors shows the quantiles of the draws, and what given priors change."""

import numpy as np
import pytest

from labelvalue import Prior
from labelvalue.priors import draw_curves
from labelvalue.report.plots.curves import SAMPLES, SINGLE, plot_prior

ASK = {"reference_labels": 1000}


def artists(ax, gid):
    return [a for a in ax.get_children() if a.get_gid() == gid]


def test_bands_are_the_quantiles_of_the_draws():
    (ax,) = plot_prior(**ASK, labels=[250, 4000]).axes
    (median,), singles = artists(ax, "median"), artists(ax, "curve")
    sizes = median.get_xdata()
    draws = draw_curves(**ASK, labels=sizes, samples=SAMPLES)
    assert sizes[[0, -1]] == pytest.approx([250, 4000])
    assert median.get_ydata() == pytest.approx(draws.median("draw").values)
    assert np.array([s.get_ydata() for s in singles]) == pytest.approx(draws.values[:SINGLE])
    for gid, tail in (("inner", 0.25), ("outer", 0.05)):
        (band,) = artists(ax, gid)
        y = band.get_paths()[0].vertices[:, 1]
        low, high = draws.quantile([tail, 1 - tail], "draw").values
        assert (y.min(), y.max()) == pytest.approx((low.min(), high.max()))


def test_given_priors_stand_beside_the_models_own_on_the_same_axes():
    own, yours = plot_prior(priors={"error_mean": Prior("normal", -4.0, 0.1)}, **ASK).axes
    assert own.get_ylim() == yours.get_ylim()
    assert own.get_xlim() == yours.get_xlim() == (125, 8000)
    before, after = (artists(ax, "median")[0].get_ydata() for ax in (own, yours))
    assert (after < before / 3).all()
    (alone,) = plot_prior(**ASK).axes
    assert artists(alone, "median")[0].get_ydata() == pytest.approx(before)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"labels": [100]}, "two sizes"),
        ({"labels": [0, 100]}, "two sizes"),
        ({"ci_probs": (0.5, 90)}, "ci_probs"),
        ({"reference_labels": -1}, "two sizes|reference_labels"),
        ({"model": "power"}, "power_law"),
    ],
)
def test_what_is_wrong_is_said(wrong, says):
    with pytest.raises(ValueError, match=says):
        plot_prior(**{**ASK, **wrong})
