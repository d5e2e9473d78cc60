"""Priors: where they come from, what they imply, and how far the answer hangs on them.

One prior is a :class:`labelvalue.Prior`, and goes to ``fit(..., priors={name: prior})``.

- ``Priors``: all priors of a model, by name.
- ``elicit``: priors from answers to plain questions.
- ``Elicited``: what that found, and how well it meets the answers.
- ``from_related``: priors from what a related project has taught.
- ``draw_curves``: the learning curves that priors imply, before any runs.
- ``prior_sensitivity``: how far gains would move, were the priors weaker, stronger or others.

Examples
--------
>>> import labelvalue as lv
>>> found = lv.priors.elicit(1000, error_now=(0.10, 0.14), error_at_double=(0.08, 0.12))
>>> found.matched, sorted(found.priors)
(True, ['elasticity_mean', 'error_mean'])
"""

from labelvalue.forecast.gains.prior_sensitivity import prior_sensitivity
from labelvalue.model.prior.elicitation import Elicited, elicit, from_related
from labelvalue.model.prior.prior_curves import draw_curves
from labelvalue.model.prior.priors import Priors

__all__ = [
    "Priors", "Elicited", "elicit", "from_related", "draw_curves", "prior_sensitivity",
]  # fmt: skip
