"""Risk: how a spread of outcomes becomes one number, and how much may be lost.

How a case weighs outcomes, as in ``Case(risk=CVaR(0.9))``:

- ``Mean``: the expected net benefit, indifferent to risk.
- ``CVaR``: the mean of the worst outcomes.
- ``Quantile``: what is reached at least, but for a stated probability.
- ``ExponentialUtility``: the sure amount that is worth as much, under constant aversion to risk.
- ``Aspiration``: the probability that the net benefit is at least so much, of reaching a target among them.
- ``Score``: expected net benefit less a weight times the CVaR of the loss.
- ``Reserve``: money held back so that a plan rarely costs more than what is set aside.

What may be lost:

- ``loss_against_nothing``: draws of what each plan loses against doing nothing.
- ``value_at_risk``: the loss that is exceeded with probability 1 − level (VaR).
- ``conditional_value_at_risk``: the mean of the worst 1 − level share of losses (CVaR).
- ``size_reserve``: the reserve by the probability of an overrun.

Examples
--------
>>> import labelvalue as lv
>>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, risk=lv.risk.CVaR(0.9))
>>> outcomes = lv.plans.plan_outcomes(lv.testing.fake_fit(seed=1), case, {"west": {"west": 500}})
>>> loss = lv.risk.loss_against_nothing(outcomes)
>>> var = lv.risk.value_at_risk(loss, 0.9)["value_at_risk"].sel(plan="west")
>>> cvar = lv.risk.conditional_value_at_risk(loss, 0.9)["conditional_value_at_risk"].sel(plan="west")
>>> bool(cvar >= var)
True
"""

from labelvalue.decisions.case.case import Score
from labelvalue.decisions.case.risk import (
    Aspiration,
    CVaR,
    ExponentialUtility,
    Mean,
    Quantile,
    Reserve,
    conditional_value_at_risk,
    loss_against_nothing,
    size_reserve,
    value_at_risk,
)

__all__ = [
    "Aspiration", "CVaR", "Mean", "Quantile", "ExponentialUtility", "Reserve", "Score", "value_at_risk",
    "conditional_value_at_risk", "loss_against_nothing", "size_reserve",
]  # fmt: skip
