"""Interventions: what is bought instead of plain labels or beside them, and what it is worth in labels.

Better labels:

- ``Consensus``: several votes on every item that is bought.
- ``Relabel``: a share of the labels there are is done again, or cleaned.
- ``Guideline``: better guidelines, by which fewer new labels are wrong.

Other ways to a lower error:

- ``ActiveLearning``: labels chosen by a strategy.
- ``SyntheticData``: synthetic examples on top of real labels.
- ``Pretraining``: pre-training on unlabelled data.
- ``NewLearner``: another training recipe.
- ``EvaluationLabels``: more evaluation labels, which remove no error but let a gain be seen.
- ``Intervention``: what all of these have.

What they are worth, beside :func:`labelvalue.predict_gain_with`:

- ``exchange_rate``: plain labels that an intervention is worth, slice by slice.
- ``strategy_efficiency``: labels chosen at random that one label of a strategy is worth.
- ``diversity_efficiency``: the same by how varied the labels are.
- ``activeml_strategy``, ``Query``: strategies of scikit-activeml or one's own, for :func:`labelvalue.simulate_runs`.

Several learners:

- ``gain_over_learners``: gains over learners, and whether a mean hides the best.
- ``benefit_over_learners``: a plan in money under each learner, and what keeping several of them is worth.

Examples
--------
>>> import labelvalue as lv
>>> synthetic = lv.interventions.SyntheticData(1000, worth=0.25)
>>> rate = lv.interventions.exchange_rate(lv.testing.fake_fit(seed=1), synthetic, price=0.1)
>>> rate["equivalent_labels"].median(("chain", "draw")).round().values.tolist()
[250.0, 250.0, 250.0, 250.0]
"""

from labelvalue.decisions.outcomes.portfolio import benefit_over_learners
from labelvalue.forecast.gains.learners_and_suites import gain_over_learners
from labelvalue.forecast.interventions.alternatives import (
    ActiveLearning,
    EvaluationLabels,
    NewLearner,
    Pretraining,
    SyntheticData,
    diversity_efficiency,
    strategy_efficiency,
)
from labelvalue.forecast.interventions.exchange_rate import exchange_rate
from labelvalue.forecast.interventions.intervention import Intervention
from labelvalue.forecast.interventions.label_quality import Consensus, Guideline, Relabel
from labelvalue.observe.simulate.strategies import Query, activeml_strategy

__all__ = [
    "Intervention", "Consensus", "Relabel", "Guideline", "ActiveLearning", "SyntheticData", "Pretraining", "NewLearner",
    "EvaluationLabels", "exchange_rate", "strategy_efficiency",
    "diversity_efficiency", "Query", "activeml_strategy", "gain_over_learners", "benefit_over_learners",
]  # fmt: skip
