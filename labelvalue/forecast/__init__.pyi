from .alternatives import (
    ActiveLearning as ActiveLearning,
    EvaluationLabels as EvaluationLabels,
    NewLearner as NewLearner,
    Pretraining as Pretraining,
    SyntheticData as SyntheticData,
)
from .attaching import attach_backtest as attach_backtest
from .backtesting import backtest as backtest
from .bootstrap import bootstrap_gain as bootstrap_gain, gain_disagreement as gain_disagreement
from .comparison import blend as blend, compare_models as compare_models
from .curves import VALIDATED_DOUBLINGS as VALIDATED_DOUBLINGS
from .detection import detection_power as detection_power, evaluation_needed as evaluation_needed
from .drift import drift_rate as drift_rate, predict_idle_error as predict_idle_error
from .elsewhere import leave_one_out as leave_one_out
from .exchange import break_even_noise as break_even_noise, exchange_rate as exchange_rate
from .frontier import quality_frontier as quality_frontier, quality_sensitivity as quality_sensitivity
from .gains import (
    impact as impact,
    predict_error as predict_error,
    predict_gain as predict_gain,
    predict_observed_gain as predict_observed_gain,
)
from .intervention import Intervention as Intervention
from .interventions import Consensus as Consensus, Guideline as Guideline, Relabel as Relabel
from .needed import labels_needed as labels_needed
from .persistence import forecast_persistence as forecast_persistence
from .rates import diminishing_returns as diminishing_returns, labels_at_rate as labels_at_rate
from .reweighting import importance_weights as importance_weights, reweight as reweight
from .sensitivity import prior_sensitivity as prior_sensitivity
from .splitting import split_budget as split_budget
from .spread import (
    gain_over_learners as gain_over_learners,
    gain_over_suites as gain_over_suites,
    portfolio_gain as portfolio_gain,
    step_value as step_value,
)
from .strategies import diversity_efficiency as diversity_efficiency, strategy_efficiency as strategy_efficiency
from .synthetic import synthetic_worth as synthetic_worth
from .total import predict_total_gain as predict_total_gain
from .trust import backtest_verdict as backtest_verdict, summarise_backtest as summarise_backtest
from .votes import consensus_error as consensus_error
from .with_interventions import predict_gain_with as predict_gain_with
