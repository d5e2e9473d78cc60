"""From the posterior to gains: pure functions on draws."""

from labelvalue.forecast.curves import VALIDATED_DOUBLINGS
from labelvalue.forecast.gains import impact, predict_error, predict_gain, predict_observed_gain
from labelvalue.forecast.needed import labels_needed

__all__ = [
    "VALIDATED_DOUBLINGS",
    "impact",
    "labels_needed",
    "predict_error",
    "predict_gain",
    "predict_observed_gain",
]
