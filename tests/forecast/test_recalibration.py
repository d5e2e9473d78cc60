"""P5: a fit whose forecasts are as wide as the record of past ones asks for."""

import numpy as np
import pytest

from labelvalue import names, predict_error, predict_gain
from labelvalue.forecast.backtesting.scores import recalibrated

SAMPLE = ("chain", "draw")
LABELS = [4_000, 16_000, 64_000]


def quantiles(draws):
    low, middle, high = draws.quantile([0.05, 0.5, 0.95], dim=SAMPLE).transpose("quantile", ...).values
    return middle, high - low


@pytest.mark.parametrize("factor", [0.7, 1.4, 2.0])
def test_log_errors_and_gains_spread_so_much_further_about_the_same_medians(fake_fit, factor):
    other = recalibrated(fake_fit, factor)
    for compute in (lambda fit: np.log(predict_error(fit, LABELS)), lambda fit: predict_gain(fit, [500, 4_000])):
        (middle, width), (moved, wide) = (quantiles(compute(fit)) for fit in (fake_fit, other))
        np.testing.assert_allclose(wide / width, factor, rtol=0.08)
        assert np.max(np.abs(moved - middle) / width) < 0.1


def test_everything_the_posterior_promises_follows_and_stays_legal(fake_fit):
    other = recalibrated(fake_fit, 3.0)
    posterior = other.posterior
    assert float(posterior[names.ERROR_REFERENCE].max()) <= 1.0
    assert 0.0 < float(posterior[names.FLOOR_SHARE].min()) < float(posterior[names.FLOOR_SHARE].max()) < 1.0
    product = posterior[names.ELASTICITY] * posterior[names.ERROR_NOW] / fake_fit.position[names.LABELS_NOW]
    np.testing.assert_allclose(posterior[names.IMPACT], product.transpose(*posterior[names.IMPACT].dims))
    for name in (names.TRANSFER, "elasticity_mean"):
        assert posterior[name].equals(fake_fit.posterior[name]), "left as it was fitted"
    assert (other.settings, other.diagnostics) == (fake_fit.settings, fake_fit.diagnostics)


def test_a_factor_of_one_is_the_fit_itself_and_none_is_refused(fake_fit):
    assert recalibrated(fake_fit, 1.0) is fake_fit
    with pytest.raises(ValueError, match="factor must be > 0"):
        recalibrated(fake_fit, 0.0)
