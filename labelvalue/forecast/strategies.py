"""What labels that a strategy chose are worth against labels chosen at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.curves import flag_texts
from labelvalue.forecast.gains import whole_numbers
from labelvalue.model import Fit


def strategy_efficiency(fit: Fit, labels: Sequence[int] | None = None) -> xr.DataArray:
    """Draw the efficiency of every strategy: labels chosen at random that one label of it is worth.

    Parameters
    ----------
    fit : Fit
        Fit of runs of several strategies.
    labels : sequence of int, optional
        Sizes at which it is asked for, since it may grow or decay with labels; now, where none are given.

    Returns
    -------
    xarray.DataArray
        ``efficiency``, dims chain, draw, slice (and learner, suite), strategy (and labels): 1 is as good as random.
        ``(efficiency > 1).mean(("chain", "draw"))`` is the probability that the strategy pays.

    Raises
    ------
    ValueError
        If the runs hold one strategy only, or a size is not a whole number.

    References
    ----------
    Settles (2009), "Active learning literature survey", for the question.

    Examples
    --------
    >>> strategy_efficiency(fit).mean(("chain", "draw"))  # doctest: +SKIP
    """
    if names.EFFICIENCY not in fit.posterior:
        raise ValueError(
            f"the runs hold one strategy, {fit.settings[names.STRATEGIES][0]!r}; its efficiency against random needs "
            "runs of both. Fix: simulate_runs(..., strategies=('random', 'margin')), then fit again"
        )
    reference = np.maximum(fit.position[names.REFERENCE_LABELS], 1.0)
    if labels is None:
        size = np.maximum(fit.position[names.LABELS_NOW], 1.0)
    else:
        numbers, _ = whole_numbers(labels, "labels")
        size = xr.DataArray(np.maximum(numbers, 1.0), dims=names.LABELS, coords={names.LABELS: numbers})
    farther = np.log(size / reference)
    worth = fit.posterior[names.EFFICIENCY] * np.exp(fit.posterior[names.EFFICIENCY_TREND] * farther)
    dims = [*fit.posterior[names.EFFICIENCY].dims, *([] if labels is None else [names.LABELS])]
    worth = worth.transpose(*dims).rename(names.EFFICIENCY)
    worth.coords[names.FLAGS] = (names.SLICE, flag_texts(fit))
    worth.attrs = {names.UNIT: "random labels per label", "verdict": fit.diagnostics.verdict}
    return worth
