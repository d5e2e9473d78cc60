"""Value of information: what it is worth to know more before deciding, and whether a gain would be seen.

- ``evpi``: expected value of perfect information, of the truth in hand.
- ``evppi``: that of one uncertain input known, input by input.
- ``evsi``: that of a measurement, and what is left after its cost (ENBS).
- ``price_measurements``: pilot batches and evaluation labels, priced by what they would change.
- ``price_audits``: audits of labels, priced the same way.
- ``value_of_waiting``: deciding now beside waiting for dated changes, and deciding then.

Whether the evaluation set would show it:

- ``detection``: whether the evaluation sets at hand would show the gain that a plan promises.
- ``detection_power``: the power to see each slice's gain.
- ``evaluation_needed``: the smallest evaluation set with which it is seen.
- ``split_budget``: a sum split between labels for training and for evaluation.

Examples
--------
>>> import labelvalue as lv
>>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
>>> outcomes = lv.plans.plan_outcomes(lv.testing.fake_fit(seed=1), case, {"west": {"west": 500}})
>>> bool(lv.voi.evpi(outcomes["net_benefit"])["evpi"] >= 0)
True
"""

from labelvalue.decisions.measuring.information import evpi, evppi, evsi
from labelvalue.decisions.measuring.pilots import price_audits, price_measurements
from labelvalue.decisions.outcomes.milestones import detection
from labelvalue.decisions.outcomes.waiting import value_of_waiting
from labelvalue.forecast.gains.detection import detection_power, evaluation_needed, split_budget

__all__ = [
    "evpi", "evppi", "evsi", "price_measurements", "price_audits", "value_of_waiting", "detection", "detection_power",
    "evaluation_needed", "split_budget",
]  # fmt: skip
