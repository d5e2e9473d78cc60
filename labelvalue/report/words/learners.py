"""What learners beside each other tell: what a step is worth as labels grow, and what an average over them hides."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.learners_and_suites import MUCH_BETTER, gain_over_learners, step_value
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import significant, tails
from labelvalue.report.words.wording import percent, probability

MOST = 4  # learners that a page holds against the first


def step_sentences(fit: Fit, gain: xr.DataArray, budget: int | None, first: str, ci_prob: float) -> list[str]:
    """Say what each other learner takes off the first one's error, and whether that grows with labels."""
    if names.LEARNER not in gain.dims or not budget:
        return []
    now = fit.posterior[names.ERROR_NOW].reset_coords(drop=True)
    then = now - gain.sel({names.BUDGET: budget}, drop=True).reset_coords(drop=True)
    error = xr.concat([now, then], dim=names.LABELS).mean(names.SLICE)
    known = error[names.LEARNER].values.astype(str).tolist()
    without = first if first in known else known[0]
    said = []
    for step in [name for name in known if name != without][:MOST]:
        found = step_value(error, step, without)
        worth = [_spread(found[names.VALUE].isel({names.LABELS: i}), ci_prob) for i in (0, 1)]
        said.append(
            f"Learner {step} instead of {without} takes {worth[0]} off the error now, and {worth[1]} with {budget:,} "
            f"more labels a slice: a change of {_spread(found['interaction'], ci_prob)}; P(it gains value as labels "
            f"grow) {probability(float(found['p_grows']))}."
        )
    return said


def hidden_limits(gain: xr.DataArray | None, budget: int | None) -> list[tuple[str, str, str]]:
    """Say that an average over learners hides the best of them, as a limitation, where it does."""
    if gain is None or names.LEARNER not in gain.dims or not budget:
        return []
    own = gain.sel({names.BUDGET: budget}, drop=True).reset_coords(drop=True).mean(names.SLICE)
    found = gain_over_learners(own)
    if not bool(found["hidden"]):
        return []
    each = own.mean(names.SAMPLE)
    best = str(each[names.LEARNER].values[int(each.argmax(names.LEARNER))])
    text = (
        f"One sentence for all learners would hide {best}: with {budget:,} more labels a slice its error drops by "
        f"{significant(float(each.max()))}, the average over {own.sizes[names.LEARNER]} learners by "
        f"{significant(float(each.mean()))}; the best gains more than {MUCH_BETTER:g} times the average with "
        f"probability {probability(float(found['p_hidden']))}."
    )
    return [("learners", "an average over learners hides the best", text)]


def _spread(drawn: xr.DataArray, ci_prob: float) -> str:
    low, high = (significant(float(end)) for end in np.quantile(drawn, tails(ci_prob)))
    return f"{significant(float(drawn.mean()))} ({percent(ci_prob)} interval {low} to {high})"
