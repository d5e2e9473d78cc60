from .advice.deciding import decide as decide
from .advice.decision import Decision as Decision, Verdict as Verdict
from .advice.rules import check_guardrails as check_guardrails
from .case.case import Case as Case, Score as Score
from .case.case_file import example_case as example_case, read_case as read_case
from .case.costs import Costs as Costs, Tier as Tier
from .case.guardrails import (
    Approval as Approval,
    Floor as Floor,
    Guardrails as Guardrails,
    Rule as Rule,
    Scenario as Scenario,
    SliceClass as SliceClass,
    SliceLimit as SliceLimit,
)
from .case.risk import (
    CVaR as CVaR,
    ExponentialUtility as ExponentialUtility,
    Mean as Mean,
    Quantile as Quantile,
    Reserve as Reserve,
    conditional_value_at_risk as conditional_value_at_risk,
    loss_against_nothing as loss_against_nothing,
    size_reserve as size_reserve,
    value_at_risk as value_at_risk,
)
from .case.value import MixChange as MixChange, Target as Target, Value as Value
from .measuring.audits import price_audits as price_audits
from .measuring.information import (
    value_of_partial_information as value_of_partial_information,
    value_of_perfect_information as value_of_perfect_information,
    value_of_sample_information as value_of_sample_information,
)
from .measuring.pilots import price_measurements as price_measurements
from .measuring.targeting import target_slices as target_slices
from .outcomes.benefit import plan_outcomes as plan_outcomes, slice_outcomes as slice_outcomes
from .outcomes.compare import (
    compare_pairs as compare_pairs,
    compare_plans as compare_plans,
    rank_stability as rank_stability,
    scenario_sets as scenario_sets,
    score_plans as score_plans,
)
from .outcomes.marginal import marginal_benefit as marginal_benefit
from .outcomes.milestones import (
    detection as detection,
    guardrail_errors as guardrail_errors,
    plan_milestones as plan_milestones,
    rule_errors as rule_errors,
)
from .outcomes.mixes import fairness as fairness, gain_under_mix as gain_under_mix
from .outcomes.portfolio import benefit_over_learners as benefit_over_learners
from .outcomes.waiting import value_of_waiting as value_of_waiting
from .search.cheapest import cheapest_plan as cheapest_plan
from .search.optimise import Certificate as Certificate
from .sensitivity.label_errors import stress_label_errors as stress_label_errors
from .sensitivity.noise import noise_sensitivity as noise_sensitivity
from .sensitivity.stability import decision_stability as decision_stability
from .sensitivity.tornado import plan_sensitivity as plan_sensitivity
from .sensitivity.what_if import what_if as what_if
