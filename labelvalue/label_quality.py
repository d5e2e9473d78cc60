"""Label quality: how many labels are wrong, what that costs, and how long labels take.

Annotations, one row a judgement:

- ``read_annotations``: exports of an annotation tool.
- ``write_annotations``, ``load_annotations``: the table as a file, and read again.
- ``add_annotations``: judgements added to a table.

What they tell:

- ``estimate_label_noise``: the share of wrong labels, from repeated judgements, references or audits.
- ``LabelNoise``: what that found.
- ``noise_from_probabilities``: the share of wrong labels from a model's probabilities (confident learning).
- ``estimate_work``: seconds a label, labels a day, days until delivery.
- ``Work``: what that found.

More labels or better ones:

- ``quality_frontier``: the gain of every way to spend a sum, few items with many votes or many with few.
- ``break_even_noise``: the noise reduction at which guidelines are worth their cost.
- ``noise_sensitivity``: what would be advised where more or fewer of the new labels are wrong.
- ``stress_label_errors``: what plans bring where new labels are as wrong as may plausibly be.

Examples
--------
>>> import labelvalue as lv
>>> noise = {"default": 0.02, "west": 0.4}
>>> fit = lv.testing.fake_fit(seed=1)
>>> frontier = lv.label_quality.quality_frontier(fit, 600, price=0.1, item_price=0.3, noise=noise)
>>> dict(zip(fit.slices.tolist(), frontier["votes_chosen"].values.tolist(), strict=True))
{'east': 1, 'north': 1, 'south': 1, 'west': 5}
"""

from labelvalue.decisions.sensitivity.noise import noise_sensitivity
from labelvalue.decisions.sensitivity.tornado import stress_label_errors
from labelvalue.forecast.interventions.exchange_rate import break_even_noise, quality_frontier
from labelvalue.model.annotators.label_noise import LabelNoise, estimate_label_noise, noise_from_probabilities
from labelvalue.model.annotators.work import Work, estimate_work
from labelvalue.observe.exports.annotations import (
    add_annotations,
    load_annotations,
    read_annotations,
    write_annotations,
)

__all__ = [
    "read_annotations", "load_annotations", "add_annotations", "write_annotations", "LabelNoise",
    "estimate_label_noise", "noise_from_probabilities", "Work", "estimate_work", "quality_frontier",
    "noise_sensitivity", "stress_label_errors", "break_even_noise",
]  # fmt: skip
