"""From the posterior to gains: pure functions on draws."""

from labelvalue.forecast.alternatives import ActiveLearning, EvaluationLabels, NewLearner, Pretraining, SyntheticData
from labelvalue.forecast.backtesting import backtest
from labelvalue.forecast.bootstrap import bootstrap_gain, gain_disagreement
from labelvalue.forecast.comparison import blend, compare_models
from labelvalue.forecast.curves import VALIDATED_DOUBLINGS
from labelvalue.forecast.detection import detection_power, evaluation_needed, split_budget
from labelvalue.forecast.exchange import break_even_noise, exchange_rate
from labelvalue.forecast.frontier import quality_frontier, quality_sensitivity
from labelvalue.forecast.gains import impact, predict_error, predict_gain, predict_observed_gain
from labelvalue.forecast.intervention import Intervention
from labelvalue.forecast.interventions import Consensus, Guideline, Relabel
from labelvalue.forecast.needed import labels_needed
from labelvalue.forecast.persistence import forecast_persistence
from labelvalue.forecast.reweighting import importance_weights, reweight
from labelvalue.forecast.sensitivity import prior_sensitivity
from labelvalue.forecast.spread import gain_over_learners, gain_over_suites, portfolio_gain, step_value
from labelvalue.forecast.strategies import diversity_efficiency, strategy_efficiency
from labelvalue.forecast.synthetic import synthetic_worth
from labelvalue.forecast.total import predict_total_gain
from labelvalue.forecast.trust import backtest_verdict, summarise_backtest
from labelvalue.forecast.votes import consensus_error
from labelvalue.forecast.with_interventions import predict_gain_with

__all__ = [
    "ActiveLearning",
    "Consensus",
    "EvaluationLabels",
    "Guideline",
    "Intervention",
    "NewLearner",
    "Pretraining",
    "Relabel",
    "SyntheticData",
    "VALIDATED_DOUBLINGS",
    "backtest",
    "backtest_verdict",
    "blend",
    "bootstrap_gain",
    "break_even_noise",
    "compare_models",
    "consensus_error",
    "diversity_efficiency",
    "detection_power",
    "evaluation_needed",
    "exchange_rate",
    "forecast_persistence",
    "gain_disagreement",
    "gain_over_learners",
    "gain_over_suites",
    "impact",
    "importance_weights",
    "labels_needed",
    "portfolio_gain",
    "predict_error",
    "predict_gain",
    "predict_gain_with",
    "predict_observed_gain",
    "predict_total_gain",
    "prior_sensitivity",
    "quality_frontier",
    "quality_sensitivity",
    "reweight",
    "step_value",
    "split_budget",
    "strategy_efficiency",
    "summarise_backtest",
    "synthetic_worth",
]
