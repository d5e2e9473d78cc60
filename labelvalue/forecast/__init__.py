"""From the posterior to gains: pure functions on draws."""

from labelvalue.forecast.backtesting import backtest
from labelvalue.forecast.comparison import blend, compare_models
from labelvalue.forecast.curves import VALIDATED_DOUBLINGS
from labelvalue.forecast.gains import impact, predict_error, predict_gain, predict_observed_gain
from labelvalue.forecast.needed import labels_needed
from labelvalue.forecast.reweighting import importance_weights, reweight
from labelvalue.forecast.sensitivity import prior_sensitivity
from labelvalue.forecast.spread import gain_over_learners, gain_over_suites, portfolio_gain
from labelvalue.forecast.strategies import strategy_efficiency
from labelvalue.forecast.total import predict_total_gain
from labelvalue.forecast.trust import backtest_verdict, summarise_backtest

__all__ = [
    "VALIDATED_DOUBLINGS",
    "backtest",
    "backtest_verdict",
    "blend",
    "compare_models",
    "gain_over_learners",
    "gain_over_suites",
    "impact",
    "importance_weights",
    "labels_needed",
    "portfolio_gain",
    "predict_error",
    "predict_gain",
    "predict_observed_gain",
    "predict_total_gain",
    "prior_sensitivity",
    "reweight",
    "strategy_efficiency",
    "summarise_backtest",
]
