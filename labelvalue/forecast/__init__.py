"""From the posterior to gains: pure functions on draws."""

from labelvalue.forecast.backtesting import backtest
from labelvalue.forecast.curves import VALIDATED_DOUBLINGS
from labelvalue.forecast.gains import impact, predict_error, predict_gain, predict_observed_gain
from labelvalue.forecast.needed import labels_needed
from labelvalue.forecast.trust import backtest_verdict, summarise_backtest

__all__ = [
    "VALIDATED_DOUBLINGS",
    "backtest",
    "backtest_verdict",
    "impact",
    "labels_needed",
    "predict_error",
    "predict_gain",
    "predict_observed_gain",
    "summarise_backtest",
]
