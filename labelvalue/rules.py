"""Rules: what a plan must keep, surely or with a probability.

What a case states:

- ``Guardrails``: all rules of a case.
- ``Rule``: a limit that must be kept with a probability, a chance constraint.
- ``SpendLimit``: money that all batches may cost, those before a plan included.
- ``Floor``: a quality that a slice must have.
- ``SliceLimit``: limits on the labels that are bought for a slice.
- ``SliceClass``: slices of like stakes, with limits of their own.
- ``Approval``: somebody who must agree before a plan above a sum is carried out.
- ``Scenario``: a plan that is held against the others by its name.

What comes of them:

- ``check_guardrails``: plans against every rule: kept, broken or not known.
- ``plan_milestones``: a plan cut into batches, with the rule to go on after each.

Examples
--------
>>> import labelvalue as lv
>>> rules = lv.rules.Guardrails(maximum_budget=lv.rules.Rule(limit=40, probability=0.9))
>>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, guardrails=rules)
>>> fit = lv.testing.fake_fit(seed=1)
>>> outcomes = lv.plans.plan_outcomes(fit, case, {"west": {"west": 500}})
>>> table = lv.rules.check_guardrails(fit, case, outcomes)
>>> table[["plan", "words", "state"]].values.tolist()
[['do nothing', 'cost ≤ 40', 'PASS'], ['west', 'cost ≤ 40', 'STOP']]
"""

from labelvalue.decisions.advice.rules import check_guardrails
from labelvalue.decisions.case.guardrails import (
    Approval,
    Floor,
    Guardrails,
    Rule,
    Scenario,
    SliceClass,
    SliceLimit,
    SpendLimit,
)
from labelvalue.decisions.outcomes.milestones import plan_milestones

__all__ = [
    "Guardrails", "Rule", "SpendLimit", "Floor", "SliceLimit", "SliceClass", "Approval", "Scenario",
    "check_guardrails", "plan_milestones",
]  # fmt: skip
