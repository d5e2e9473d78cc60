from .backtesting.backtesting import backtest as backtest
from .backtesting.comparison import blend as blend, compare_models as compare_models
from .backtesting.trust import (
    attach_backtest as attach_backtest,
    backtest_verdict as backtest_verdict,
    summarise_backtest as summarise_backtest,
)
from .gains.bootstrap import bootstrap_gain as bootstrap_gain, gain_disagreement as gain_disagreement
from .gains.curves import VALIDATED_DOUBLINGS as VALIDATED_DOUBLINGS
from .gains.detection import (
    detection_power as detection_power,
    evaluation_needed as evaluation_needed,
    split_budget as split_budget,
)
from .gains.drift import drift_rate as drift_rate, predict_idle_error as predict_idle_error
from .gains.gains import (
    impact as impact,
    labels_needed as labels_needed,
    predict_error as predict_error,
    predict_gain as predict_gain,
    predict_observed_gain as predict_observed_gain,
)
from .gains.learners_and_suites import (
    forecast_persistence as forecast_persistence,
    gain_over_learners as gain_over_learners,
    gain_over_suites as gain_over_suites,
    portfolio_gain as portfolio_gain,
    step_value as step_value,
)
from .gains.left_out import leave_one_out as leave_one_out
from .gains.prior_sensitivity import (
    importance_weights as importance_weights,
    prior_sensitivity as prior_sensitivity,
    reweight as reweight,
)
from .gains.rates import (
    diminishing_returns as diminishing_returns,
    labels_at_rate as labels_at_rate,
    predict_total_gain as predict_total_gain,
)
from .interventions.alternatives import (
    ActiveLearning as ActiveLearning,
    EvaluationLabels as EvaluationLabels,
    NewLearner as NewLearner,
    Pretraining as Pretraining,
    SyntheticData as SyntheticData,
)
from .interventions.exchange_rate import break_even_noise as break_even_noise, exchange_rate as exchange_rate
from .interventions.frontier import quality_frontier as quality_frontier, quality_sensitivity as quality_sensitivity
from .interventions.gains import predict_gain_with as predict_gain_with
from .interventions.intervention import Intervention as Intervention
from .interventions.label_quality import Consensus as Consensus, Guideline as Guideline, Relabel as Relabel
from .interventions.strategies import (
    diversity_efficiency as diversity_efficiency,
    strategy_efficiency as strategy_efficiency,
)
from .interventions.synthetic import synthetic_worth as synthetic_worth
from .interventions.votes import consensus_error as consensus_error
