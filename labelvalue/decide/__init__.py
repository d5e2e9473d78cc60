"""From gains to money, risk and a plan."""

from labelvalue.decide.allocation import allocate
from labelvalue.decide.appetites import CVaR, ExponentialUtility, Mean, Quantile
from labelvalue.decide.benefit import plan_outcomes, slice_outcomes
from labelvalue.decide.case import Case, Score
from labelvalue.decide.costs import Costs, Tier
from labelvalue.decide.guardrails import Floor, Guardrails, Retrain, Rule, SliceLimit
from labelvalue.decide.optimise import Certificate
from labelvalue.decide.plan import Plan, Verdict
from labelvalue.decide.risk import conditional_value_at_risk, loss_against_nothing, value_at_risk
from labelvalue.decide.value import MixChange, Target, Value
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
    "Retrain",
    "Rule",
    "Score",
    "SliceLimit",
    "Target",
    "Tier",
    "Value",
    "Verdict",
    "allocate",
    "conditional_value_at_risk",
    "loss_against_nothing",
    "plan_outcomes",
    "slice_outcomes",
    "value_at_risk",
]
