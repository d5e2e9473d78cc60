"""How far gains hang on the priors, scaled or replaced: by re-weighting, or by fitting again where that fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.curves import curve_dims
from labelvalue.forecast.gains import predict_gain
from labelvalue.forecast.reweighting import (
    EFFECTIVE_DRAWS,
    Change,
    changed_draws,
    prior_groups,
    replaced_priors,
    scaled_priors,
)
from labelvalue.model import Fit, Prior


def prior_sensitivity(
    fit: Fit,
    budget: int,
    *,
    factors: Sequence[float] = (0.5, 2.0),
    priors: Mapping[str, Prior] | None = None,
    refit: bool = True,
) -> pd.DataFrame:
    """Say how far each slice's gain would move, were the priors weaker, stronger or others.

    The priors about each quantity are raised to powers on their unbounded scale (0.5 makes a normal prior 1.41 times as
    wide, 2 makes it 0.71 times as wide), or replaced, and the posterior draws are re-weighted; where the weights cannot
    be relied on (k above 0.7, or above 1 − 1/log₁₀ draws), the runs are fitted again.

    Parameters
    ----------
    fit : Fit
        Fit.
    budget : int
        Extra labels, ≥ 0.
    factors : sequence of float
        Powers, > 0.
    priors : mapping of str to Prior, optional
        Priors to put in the place of the fit's, all at once: a row a slice more.
    refit : bool
        Whether to fit again where weights do not do, which takes seconds each.

    Returns
    -------
    pandas.DataFrame
        One row a group of priors, change and slice (and learner, suite): ``priors``; ``change``; ``mean`` gain and
        probability of a gain ``p_gain`` of the fit; ``changed_mean`` and ``changed_p_gain``; ``shift``, the difference
        of means in posterior standard deviations; ``pareto_k``; ``effective_draws``, what the weights are worth; and
        ``advice``: ``fitted again`` where the weights do not do, ``re-fit instead`` where nothing was fitted, or that
        fit was refused. Attributes: ``budget``, ``unit``, ``verdict``.

    Raises
    ------
    ValueError
        If a factor is not a positive number, a name is unknown or the budget is not a whole number ≥ 0.

    References
    ----------
    Kallioinen, Paananen, Bürkner and Vehtari (2024), "Detecting and diagnosing prior and likelihood sensitivity with
    power-scaling", Statistics and Computing 34.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> table = prior_sensitivity(fake_fit(seed=1), budget=500)
    >>> sorted(set(table["change"]))
    ['to the power 0.5', 'to the power 2']
    """
    if any(isinstance(f, bool) or not isinstance(f, (int, float, np.number)) or not 0 < f < np.inf for f in factors):
        raise ValueError(f"factors must be positive numbers, got {factors!r}. Fix: give such as (0.5, 2).")

    def again(made: Fit) -> xr.DataArray:
        return predict_gain(made, [budget]).isel({names.BUDGET: 0}, drop=True)

    gain, rows = again(fit), []
    for what, how, change in _changes(fit, factors, priors):
        changed, log_weights, advice = changed_draws(fit, change, gain, again, refit=refit)
        rows.append(_rows(gain, changed, log_weights).assign(priors=what, change=how, advice=advice))
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
    table.attrs = {names.BUDGET: int(budget), names.UNIT: "error", "verdict": fit.diagnostics.verdict}
    order = ["priors", "change", *curve_dims(fit)]
    return table[[*order, *(c for c in table.columns if c not in order)]]


def _changes(
    fit: Fit, factors: Sequence[float], priors: Mapping[str, Prior] | None
) -> Iterator[tuple[str, str, Change]]:
    """What is changed, how, and the posterior that follows."""
    for group, members in prior_groups(fit).items():
        for factor in factors:
            yield ", ".join(members), f"to the power {factor:g}", scaled_priors(fit, group, factor)
    if priors:
        yield ", ".join(priors), "replaced", replaced_priors(fit, priors)


def _rows(gain: xr.DataArray, changed: xr.DataArray, log_weights: xr.DataArray) -> pd.DataFrame:
    weights = log_weights.copy(data=np.exp(log_weights.values))
    sample = names.SAMPLE
    mean, sd, after = gain.mean(sample), gain.std(sample), changed.weighted(weights).mean(sample)
    columns = {
        "mean": mean,
        "changed_mean": after,
        "shift": (after - mean) / sd.where(sd > 0),
        names.P_GAIN: (gain > 0).mean(sample),
        "changed_p_gain": (changed > 0).astype(float).weighted(weights).mean(sample),
    }
    table = xr.Dataset(columns).drop_vars([names.LABELS_NOW, names.DOUBLINGS, names.FLAGS], errors="ignore")
    figures = {name: log_weights.attrs[name] for name in (names.PARETO_K, EFFECTIVE_DRAWS)}
    return table.to_dataframe().reset_index().assign(**figures)
