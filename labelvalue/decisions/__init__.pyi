from .appetites import CVaR as CVaR, ExponentialUtility as ExponentialUtility, Mean as Mean, Quantile as Quantile
from .audits import price_audits as price_audits
from .benefit import plan_outcomes as plan_outcomes, slice_outcomes as slice_outcomes
from .case import Case as Case, Score as Score
from .case_file import example_case as example_case, read_case as read_case
from .cheapest import cheapest_plan as cheapest_plan
from .compare import (
    compare_pairs as compare_pairs,
    compare_plans as compare_plans,
    rank_stability as rank_stability,
    score_plans as score_plans,
)
from .costs import Costs as Costs, Tier as Tier
from .deciding import decide as decide
from .decision import Decision as Decision, Verdict as Verdict
from .guardrails import (
    Approval as Approval,
    Floor as Floor,
    Guardrails as Guardrails,
    Rule as Rule,
    Scenario as Scenario,
    SliceClass as SliceClass,
    SliceLimit as SliceLimit,
)
from .marginal import marginal_benefit as marginal_benefit
from .milestones import detection as detection, plan_milestones as plan_milestones
from .mixes import fairness as fairness, gain_under_mix as gain_under_mix
from .noisier import noise_sensitivity as noise_sensitivity
from .optimise import Certificate as Certificate
from .otherwise import what_if as what_if
from .pilots import price_measurements as price_measurements
from .portfolio import benefit_over_learners as benefit_over_learners
from .risk import (
    Reserve as Reserve,
    conditional_value_at_risk as conditional_value_at_risk,
    loss_against_nothing as loss_against_nothing,
    size_reserve as size_reserve,
    value_at_risk as value_at_risk,
)
from .rules import check_guardrails as check_guardrails
from .scenarios import scenario_sets as scenario_sets
from .stability import decision_stability as decision_stability
from .stopping import guardrail_errors as guardrail_errors, rule_errors as rule_errors
from .stress import stress_label_errors as stress_label_errors
from .targeting import target_slices as target_slices
from .tornado import plan_sensitivity as plan_sensitivity
from .value import MixChange as MixChange, Target as Target, Value as Value
from .voi import (
    value_of_partial_information as value_of_partial_information,
    value_of_perfect_information as value_of_perfect_information,
    value_of_sample_information as value_of_sample_information,
)
from .waiting import value_of_waiting as value_of_waiting
