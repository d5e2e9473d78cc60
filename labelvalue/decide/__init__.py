"""From gains to money, risk and a plan."""

from labelvalue.decide.advice import advise
from labelvalue.decide.allocation import allocate
from labelvalue.decide.appetites import CVaR, ExponentialUtility, Mean, Quantile
from labelvalue.decide.audits import price_audits
from labelvalue.decide.benefit import plan_outcomes, slice_outcomes
from labelvalue.decide.case import Case, Score
from labelvalue.decide.case_file import example_case, read_case
from labelvalue.decide.compare import compare_pairs, compare_plans, rank_stability, score_plans
from labelvalue.decide.constraints import Reserve, check_guardrails, size_reserve
from labelvalue.decide.costs import Costs, Tier
from labelvalue.decide.guardrails import Floor, Guardrails, Retrain, Rule, SliceLimit
from labelvalue.decide.marginal import marginal_benefit
from labelvalue.decide.milestones import detection, plan_milestones
from labelvalue.decide.mixes import fairness, gain_under_mix
from labelvalue.decide.optimise import Certificate
from labelvalue.decide.otherwise import what_if
from labelvalue.decide.pilots import price_measurements
from labelvalue.decide.plan import Plan, Verdict
from labelvalue.decide.portfolio import benefit_over_learners
from labelvalue.decide.risk import conditional_value_at_risk, loss_against_nothing, value_at_risk
from labelvalue.decide.scenarios import scenario_sets
from labelvalue.decide.stability import decision_stability
from labelvalue.decide.stopping import guardrail_errors, rule_errors
from labelvalue.decide.stress import stress_label_errors
from labelvalue.decide.targeting import target_slices
from labelvalue.decide.tornado import plan_sensitivity
from labelvalue.decide.value import MixChange, Target, Value
from labelvalue.decide.voi import (
    value_of_partial_information,
    value_of_perfect_information,
    value_of_sample_information,
)
from labelvalue.decide.waiting import value_of_waiting
from labelvalue.quantities import Branch, Interval

__all__ = [
    "Branch",
    "CVaR",
    "Case",
    "Certificate",
    "Costs",
    "ExponentialUtility",
    "Floor",
    "Guardrails",
    "Interval",
    "Mean",
    "MixChange",
    "Plan",
    "Quantile",
    "Reserve",
    "Retrain",
    "Rule",
    "Score",
    "SliceLimit",
    "Target",
    "Tier",
    "Value",
    "Verdict",
    "advise",
    "allocate",
    "benefit_over_learners",
    "check_guardrails",
    "compare_pairs",
    "compare_plans",
    "conditional_value_at_risk",
    "decision_stability",
    "detection",
    "example_case",
    "fairness",
    "gain_under_mix",
    "guardrail_errors",
    "loss_against_nothing",
    "marginal_benefit",
    "plan_milestones",
    "plan_outcomes",
    "price_audits",
    "price_measurements",
    "rank_stability",
    "read_case",
    "rule_errors",
    "scenario_sets",
    "score_plans",
    "size_reserve",
    "slice_outcomes",
    "stress_label_errors",
    "target_slices",
    "plan_sensitivity",
    "value_at_risk",
    "value_of_partial_information",
    "value_of_perfect_information",
    "value_of_sample_information",
    "value_of_waiting",
    "what_if",
]
