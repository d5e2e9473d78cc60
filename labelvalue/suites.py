"""Suites: what else a model is evaluated on beside its holdout, and whether gains persist there.

For ``simulate_runs(..., suites=[...])``:

- ``TimeSplit``: the latest rows, kept from training.
- ``DomainSplit``: all rows of some domains, kept from training.
- ``ClassMix``: a stated mix of classes; as a strategy, of the training set.
- ``FeatureNoise``: the holdout with Gaussian noise on every numeric feature.
- ``MissingValues``: the holdout with cells emptied at random.
- ``WrongEvaluation``: the holdout with wrong labels.

What they show:

- ``gain_over_suites``: the worst suite, and how much of the baseline's gain persists on each.
- ``forecast_persistence``: the gain forecast on one suite beside the gains that came on every suite.

Examples
--------
>>> import labelvalue as lv
>>> lv.suites.TimeSplit("month", 0.2).name
'time month 0.2'
"""

from labelvalue.forecast.gains.learners_and_suites import forecast_persistence, gain_over_suites
from labelvalue.observe.simulate.suites import (
    ClassMix,
    DomainSplit,
    FeatureNoise,
    MissingValues,
    TimeSplit,
    WrongEvaluation,
)

__all__ = [
    "TimeSplit", "DomainSplit", "ClassMix", "FeatureNoise", "MissingValues", "WrongEvaluation", "gain_over_suites",
    "forecast_persistence",
]  # fmt: skip
