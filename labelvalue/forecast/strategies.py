"""What labels that a strategy chose, and diverse labels, are worth against labels chosen at random."""

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


MATTERS = 0.05
"""Share of its worth by which a label must gain or lose for diversity to matter."""
TYPICAL_RANGE = (0.05, 0.95)
"""Quantiles of the diversity observed between which that is asked."""


def diversity_efficiency(fit: Fit, diversity: Sequence[float] | None = None) -> xr.DataArray:
    """Draw what a label is worth at some diversity, in labels as diverse as random ones.

    Parameters
    ----------
    fit : Fit
        Fit of runs that differ in ``diversity``.
    diversity : sequence of float, optional
        Effective clusters covered, over those of labels at random, > 0; by default the range observed.

    Returns
    -------
    xarray.DataArray
        ``efficiency``, dims chain, draw, diversity; 1 at diversity 1. Attribute ``p_matters`` is the probability that
        labels at the 95 % quantile of the diversity observed are worth at least 5 % more, or less, than those at the
        5 % quantile; the prior has its mode at no effect.

    Raises
    ------
    ValueError
        If the runs do not differ in diversity, or one asked for is not > 0.

    References
    ----------
    Friedman and Dieng (2023), "The Vendi score", TMLR, for the measure of diversity.

    Examples
    --------
    >>> diversity_efficiency(fit).attrs["p_matters"]  # doctest: +SKIP
    """
    if names.DIVERSITY_POWER not in fit.posterior:
        raise ValueError(
            "the runs do not differ in diversity. Fix: simulate_runs(..., strategies=('random', 'diversity')) scores it"
        )
    seen = fit.runs[names.DIVERSITY].dropna(names.RUN).values
    low, high = np.quantile(seen, TYPICAL_RANGE)
    asked = np.array([low, high] if diversity is None else list(diversity), dtype=float)
    if not (asked.size and np.isfinite(asked).all() and (asked > 0).all()):
        raise ValueError(f"diversity must be numbers > 0, got {diversity!r}. Fix: give such as [0.8, 1.2]")
    power = fit.posterior[names.DIVERSITY_POWER]
    at = xr.DataArray(asked, dims=names.DIVERSITY, coords={names.DIVERSITY: asked})
    worth = np.exp(power * np.log(at)).transpose(names.CHAIN, names.DRAW, names.DIVERSITY).rename(names.EFFICIENCY)
    matters = abs(power) * np.log(high / low) > np.log1p(MATTERS)
    worth.attrs = {
        names.UNIT: "random labels per label",
        "p_matters": float(matters.mean()),
        "verdict": fit.diagnostics.verdict,
    }
    return worth
