"""A new learner: how much of what is known of it stems from runs of the old ones, learned from the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import SIZE, error_draws
from labelvalue.forecast.gains.gains import predict_gain
from labelvalue.model.fitting.data_checks import carry_over
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import TAILS


def runs_of(runs: xr.Dataset, learners: Sequence[str]) -> xr.Dataset:
    """Return the runs of some learners."""
    return runs.isel({names.RUN: np.isin(runs[names.LEARNER].values.astype(str), list(learners))})


def carried_over(together: Fit, alone: Fit, learner: str, labels: int) -> list[dict[str, Any]]:
    """Compare what is known of a learner's gain from today's labels on, with old learners' runs and without."""
    found = []
    gain = predict_gain(together, [labels]).isel({names.BUDGET: 0})
    narrow = _spread(gain.sel({names.LEARNER: learner}) if names.LEARNER in gain.dims else gain)
    wide = _spread(_gain_from(alone, _now(together, learner), labels))
    for name in sorted({*wide} & {*narrow}):
        share = max(0.0, 1.0 - (narrow[name] / wide[name]) ** 2) if wide[name] > 0 else 0.0
        found.append({names.SLICE: name, "with": narrow[name], "without": wide[name], "share": share})
    return found


def counted(together: Fit) -> dict[str, float] | None:
    """Say for how much an old learner's curve counts in the new one's: the factor that the fit has learned."""
    try:
        factor = carry_over(together)
    except ValueError:
        return None
    low, high = np.quantile(factor, TAILS)
    return {"mean": float(factor.mean()), "low": float(low), "high": float(high), "prior": factor.attrs["prior"]}


def _now(together: Fit, learner: str) -> xr.Dataset:
    now = together.position[[names.LABELS_NOW, names.OTHER_LABELS_NOW]]
    return now.sel({names.LEARNER: learner}, drop=True) if names.LEARNER in now.dims else now


def _gain_from(alone: Fit, now: xr.Dataset, labels: int) -> xr.DataArray:
    """Gain of labels beyond a place that need not be where the fit's own runs end."""
    known = [name for name in alone.slices if name in now[names.SLICE]]
    now = now.sel({names.SLICE: known}).expand_dims({SIZE: 2}, axis=-1)
    own = now[names.LABELS_NOW] + xr.DataArray([0, labels], dims=SIZE)
    posterior = alone.posterior.sel({names.SLICE: known})
    error = error_draws(posterior, alone, own, now[names.OTHER_LABELS_NOW])
    return error.isel({SIZE: 0}) - error.isel({SIZE: 1})


def _spread(gain: xr.DataArray) -> dict[str, float]:
    spread = gain.std(names.SAMPLE)
    spread = spread.mean([d for d in spread.dims if d != names.SLICE])
    return {str(name): float(value) for name, value in zip(spread[names.SLICE].values, spread.values, strict=True)}
