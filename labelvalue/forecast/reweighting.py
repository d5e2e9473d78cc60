"""Draws were priors or runs others: importance weights, smoothed and judged; another fit where they do not do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.model import Fit, Prior
from labelvalue.model.again import fit_again
from labelvalue.model.density import group_level, log_prior

WORST_K = 0.7
"""Pareto k above which importance weights are not to be relied on, however many draws there are."""
EFFECTIVE_DRAWS = "effective_draws"
REFIT = "re-fit instead"
"""Said where re-weighting cannot be relied on, and nothing was fitted again."""
REFITTED = "fitted again"
DRAWS_AGAIN = 500
"""Draws a chain of such a fit to begin with: what is asked of it is a mean."""
SUFFIXES = ("_mean", "_spread", "_between", "_decay", "_power", "_trend")
"""Ends of the names of priors that belong to one quantity."""


@dataclasses.dataclass(frozen=True)
class Change:
    """A posterior other than that of a fit: how likely its draws would be, and how it is fitted.

    Parameters
    ----------
    ratios : xarray.DataArray, dims chain and draw
        Log of its density over that of the fit, up to a constant.
    counts : array, shape (run,), optional
        Share of its likelihood that each run counts for.
    priors : mapping of str to Prior, optional
        Those that replace the fit's.
    """

    ratios: xr.DataArray
    counts: np.ndarray | None = None
    priors: Mapping[str, Prior] | None = None


def prior_groups(fit: Fit) -> dict[str, tuple[str, ...]]:
    """Sort the priors that a fit used by the quantity that they are about.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    dict of str to tuple of str
        Names of priors by quantity; those without a variable in the posterior are left out.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> prior_groups(fake_fit(seed=1))["floor"]
    ('floor_mean', 'floor_spread')
    """
    groups: dict[str, tuple[str, ...]] = {}
    for name in fit.model.priors:
        if group_level(fit.posterior, name):
            quantity = next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name)
            groups[quantity] = (*groups.get(quantity, ()), name)
    return groups


def scaled_priors(fit: Fit, group: str, factor: float) -> Change:
    """Raise the priors of a quantity to a power; a Student t, which stays none, is fitted as much wider or narrower.

    A normal prior to the power 0.5 is one 1.41 times as wide, to the power 2 one 0.71 times as wide; its centre stays.

    Parameters
    ----------
    fit : Fit
        Fit.
    group : str
        Key of :func:`prior_groups`.
    factor : float
        The power, > 0.

    Returns
    -------
    Change
        For :func:`changed_draws`.

    References
    ----------
    Kallioinen, Paananen, Bürkner and Vehtari (2024), "Detecting and diagnosing prior and likelihood sensitivity with
    power-scaling", Statistics and Computing 34.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> change = scaled_priors(fit, "floor", 0.25)
    >>> change.priors["floor_mean"].spread / fit.model.priors["floor_mean"].spread
    2.0
    """
    own = {name: fit.model.priors[name] for name in prior_groups(fit)[group]}
    parts = [log_prior(fit.posterior, name, prior, unbounded=True) for name, prior in own.items()]
    scaled = {name: dataclasses.replace(prior, spread=prior.spread / factor**0.5) for name, prior in own.items()}
    return Change((factor - 1.0) * sum(parts[1:], parts[0]), priors=scaled)


def replaced_priors(fit: Fit, priors: Mapping[str, Prior]) -> Change:
    """Put other priors in the place of the fit's.

    Parameters
    ----------
    fit : Fit
        Fit.
    priors : mapping of str to Prior
        Those that replace the fit's, by name.

    Returns
    -------
    Change
        For :func:`changed_draws`.

    Raises
    ------
    ValueError
        If a name is unknown, or the model of these runs had no use for it.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> float(abs(replaced_priors(fit, {"churn": fit.model.priors["churn"]}).ratios).max())
    0.0
    """
    new, posterior = fit.model.priors.replace(priors), fit.posterior
    unused = [name for name in priors if not group_level(posterior, name)]
    if unused or not priors:
        raise ValueError(
            f"the fit does not depend on {', '.join(unused) or 'any prior, since none was given'}. "
            f"Fix: replace some of {', '.join(n for names_ in prior_groups(fit).values() for n in names_)}"
        )
    parts = [log_prior(posterior, n, new[n]) - log_prior(posterior, n, fit.model.priors[n]) for n in priors]
    return Change(sum(parts[1:], parts[0]), priors=priors)


def importance_weights(log_ratios: xr.DataArray) -> xr.DataArray:
    """Smooth importance ratios, and say how far they can be relied on.

    Parameters
    ----------
    log_ratios : xarray.DataArray, dims chain and draw
        Log of the density wanted over that of the draws, up to a constant.

    Returns
    -------
    xarray.DataArray, dims chain and draw
        Logs of weights that sum to 1. Attributes: ``pareto_k``; ``reliable``, whether it is at most
        min(0.7, 1 − 1/log₁₀ draws); ``effective_draws``, the draws that the weights are worth.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto smoothed importance sampling", JMLR 25.

    Examples
    --------
    >>> even = importance_weights(xr.DataArray(np.zeros((4, 100)), dims=("chain", "draw")))
    >>> even.attrs["reliable"], round(even.attrs["effective_draws"])
    (True, 400)
    """
    from arviz_stats.base import array_stats

    ordered = log_ratios.transpose(*names.SAMPLE)
    flat = ordered.values.ravel()
    if np.ptp(flat) > 0.0:
        smooth, k = array_stats.psislw(-flat)
        smooth, k = smooth - scipy.special.logsumexp(smooth), float(k)
    else:
        smooth, k = np.full(flat.size, -np.log(flat.size)), -np.inf
    attrs = {
        names.PARETO_K: k,
        "reliable": bool(k <= min(WORST_K, 1.0 - 1.0 / np.log10(flat.size))),
        EFFECTIVE_DRAWS: float(np.exp(-scipy.special.logsumexp(2.0 * smooth))),
    }
    return xr.DataArray(smooth.reshape(ordered.shape), dims=names.SAMPLE, coords=ordered.coords, attrs=attrs)


def reweight[Draws: (xr.DataArray, xr.Dataset)](draws: Draws, log_weights: xr.DataArray) -> Draws:
    """Turn weighted draws into draws that count alike, by repeating some and dropping others.

    Every function of draws can then be used as it is. All that is re-weighted by the same weights keeps the same
    draws, so that plans can still be compared draw by draw.

    Parameters
    ----------
    draws : xarray.DataArray or Dataset
        With dims chain and draw: a gain, or a whole posterior.
    log_weights : xarray.DataArray, dims chain and draw
        From :func:`importance_weights`.

    Returns
    -------
    same kind
        Of the same shape and order; how often a draw is repeated differs from what its weight is worth by less than
        one.

    Examples
    --------
    >>> gain = xr.DataArray([[0.0, 1.0]], dims=("chain", "draw"))
    >>> reweight(gain, np.log(xr.DataArray([[0.01, 0.99]], dims=("chain", "draw")))).values.tolist()
    [[1.0, 1.0]]
    """
    weights = np.exp(log_weights.transpose(*names.SAMPLE).values.ravel())
    share = np.cumsum(weights) / weights.sum()
    picked = np.searchsorted(share, (np.arange(weights.size) + 0.5) / weights.size)
    shape = log_weights.sizes[names.CHAIN], log_weights.sizes[names.DRAW]
    chain, draw = (xr.DataArray(i.reshape(shape), dims=names.SAMPLE) for i in np.unravel_index(picked, shape))
    taken = draws.drop_vars(names.SAMPLE, errors="ignore").isel({names.CHAIN: chain, names.DRAW: draw})
    return taken.assign_coords({d: draws[d] for d in names.SAMPLE if d in draws.coords})


def changed_draws(
    fit: Fit, change: Change, draws: xr.DataArray, again: Callable[[Fit], xr.DataArray], *, refit: bool
) -> tuple[xr.DataArray, xr.DataArray, str]:
    """Return draws of a quantity after a change, and their weights.

    Parameters
    ----------
    fit : Fit
        Fit.
    change : Change
        What becomes another.
    draws : xarray.DataArray
        The quantity by the fit's draws, dims chain, draw and others.
    again : callable
        The quantity by those of another fit.
    refit : bool
        Whether to fit again where re-weighting cannot be relied on.

    Returns
    -------
    draws : xarray.DataArray
        Of the fit, or of the one that was made.
    log_weights : xarray.DataArray, dims chain and draw
        From :func:`importance_weights`; the same for all draws of a fit made again, attributes as before.
    advice : str
        Empty where draws were re-weighted, ``fitted again``, or ``re-fit instead``: where neither can be relied on.
    """
    weights = importance_weights(change.ratios)
    kept = draws.isel({names.DRAW: draws[names.DRAW].isin(change.ratios[names.DRAW])})
    if weights.attrs["reliable"] or not refit:
        return kept, weights, "" if weights.attrs["reliable"] else REFIT
    made = fit_again(fit, counts=change.counts, priors=change.priors, most_draws=DRAWS_AGAIN)
    if made.diagnostics.verdict == "refused":
        return kept, weights, REFIT
    found = again(made)
    even = xr.zeros_like(found.isel({d: 0 for d in found.dims if d not in names.SAMPLE}, drop=True), dtype=float)
    return found, even.assign_attrs(weights.attrs), REFITTED
