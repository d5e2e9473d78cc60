"""Plans: what labels bring and cost draw by draw, plans side by side, and where a plan stops paying.

What a plan brings:

- ``plan_outcomes``: gain, value, cost and net benefit of plans, under the same draws.
- ``slice_outcomes``: the same of labels for one slice alone, budget by budget.
- ``labels_at_rate``: labels from which the next 1,000 bring less than a rate.
- ``marginal_benefit``: the net benefit of one more label, and where it crosses zero.
- ``gain_under_mix``: gains averaged over slices by another mix.
- ``fairness``: how unequal the errors of slices are under each plan.

Plans side by side:

- ``compare_plans``: the best expected net benefit first.
- ``compare_pairs``: every plan with every other, draw by draw.
- ``score_plans``: gain, cost and risk, and one score of them.
- ``scenario_sets``: stress, base and best case.
- ``rank_stability``: the ranking by the weight of the risk.
- ``plan_sensitivity``: how far the net benefit moves with each input, for a tornado diagram.
- ``decision_stability``: whether another plan would be best with other data or priors.

What is done with one:

- ``write_queue``: the items to label, of :func:`labelvalue.queue`, as a file that an annotation tool imports.
- ``push_queue``: the same into a project of Label Studio.
- ``log_decision``: the figures of a decision as a run of MLflow.

The search for one:

- ``cheapest_plan``: the cheapest labels with which a target is reached.
- ``target_slices``: slices ranked by the net benefit of the same number of labels.
- ``Verdict``: what to do and why, of a :class:`labelvalue.Decision`.
- ``Certificate``: evidence that a purchase is as good as it can be.

Examples
--------
>>> import labelvalue as lv
>>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
>>> plans = {"west": {"west": 500}, "both": {"west": 250, "east": 250}}
>>> outcomes = lv.plans.plan_outcomes(lv.testing.fake_fit(seed=1), case, plans)
>>> sorted(lv.plans.compare_plans(outcomes)["plan"])
['both', 'do nothing', 'west']
"""

from labelvalue.decisions.advice.decision import Verdict
from labelvalue.decisions.measuring.information import target_slices
from labelvalue.decisions.outcomes.benefit import marginal_benefit, plan_outcomes, slice_outcomes
from labelvalue.decisions.outcomes.compare import (
    compare_pairs,
    compare_plans,
    fairness,
    gain_under_mix,
    rank_stability,
    scenario_sets,
    score_plans,
)
from labelvalue.decisions.search.cheapest import cheapest_plan
from labelvalue.decisions.search.optimise import Certificate
from labelvalue.decisions.sensitivity.tornado import plan_sensitivity
from labelvalue.decisions.sensitivity.what_if import decision_stability
from labelvalue.forecast.gains.rates import labels_at_rate
from labelvalue.operate.items.tasks import push_queue, write_queue
from labelvalue.report.numbers.exports import log_decision

__all__ = [
    "plan_outcomes", "slice_outcomes", "compare_plans", "compare_pairs", "score_plans", "rank_stability",
    "scenario_sets", "cheapest_plan", "Certificate", "Verdict", "marginal_benefit", "labels_at_rate", "write_queue",
    "push_queue", "log_decision", "target_slices", "fairness", "gain_under_mix", "plan_sensitivity",
    "decision_stability",
]  # fmt: skip
