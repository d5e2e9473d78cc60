"""A new learner: how much of what is known of it stems from runs of the old ones, learned from the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast import predict_gain
from labelvalue.model import Fit


def runs_of(runs: xr.Dataset, learners: Sequence[str]) -> xr.Dataset:
    """Return the runs of some learners.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs table.
    learners : sequence of str
        Those to keep.

    Returns
    -------
    xarray.Dataset
        Runs table.

    Examples
    --------
    >>> from labelvalue.testing import fake_runs
    >>> runs_of(fake_runs(seed=1, learners=("old", "new")), ["new"]).sizes["run"]
    112
    """
    return runs.isel({names.RUN: np.isin(runs[names.LEARNER].values.astype(str), list(learners))})


def carried_over(together: Fit, alone: Fit, learner: str, labels: int) -> list[dict[str, Any]]:
    """Compare what is known of a learner with old learners' runs and without.

    Parameters
    ----------
    together : Fit
        Of all runs.
    alone : Fit
        Of the learner's own.
    learner : str
        The learner.
    labels : int
        Extra labels whose gain is compared.

    Returns
    -------
    list of dict
        One a slice that both know: standard deviation of the gain ``with`` and ``without`` the old runs, and ``share``:
        the part of what is known (1 / variance) that the old runs gave, 0 where they gave nothing. What they teach of
        noise and of the shape of curves counts too, so that it is no measure of how alike the learners are; how far
        curves of two learners go together is learned in the fit itself.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> both, own = fake_fit(seed=1, learners=("old", "new")), fake_fit(seed=1, learners=("new",))
    >>> [row["slice"] for row in carried_over(both, own, "new", 500)]
    ['east', 'north', 'south', 'west']
    """
    found = []
    wide, narrow = (_spread(fit, learner, labels) for fit in (alone, together))
    for name in sorted({*wide} & {*narrow}):
        share = max(0.0, 1.0 - (narrow[name] / wide[name]) ** 2) if wide[name] > 0 else 0.0
        found.append({names.SLICE: name, "with": narrow[name], "without": wide[name], "share": share})
    return found


def _spread(fit: Fit, learner: str, labels: int) -> dict[str, float]:
    gain = predict_gain(fit, [labels]).isel({names.BUDGET: 0})
    if names.LEARNER in gain.dims:
        gain = gain.sel({names.LEARNER: learner})
    gain = gain.std(names.SAMPLE)
    gain = gain.mean([d for d in gain.dims if d != names.SLICE])
    return {str(name): float(value) for name, value in zip(gain[names.SLICE].values, gain.values, strict=True)}
