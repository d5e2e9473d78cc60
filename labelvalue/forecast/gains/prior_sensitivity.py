"""How far gains hang on the priors, scaled or replaced: by re-weighting, or by fitting again where that fails."""

import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.scores import recalibrated
from labelvalue.forecast.gains.curves import curve_dims
from labelvalue.forecast.gains.gains import predict_gain
from labelvalue.model.fitting.fitting import fit_again
from labelvalue.model.fitting.result import STRETCH, Fit
from labelvalue.model.prior.priors import Prior, group_level, log_prior
from labelvalue.printing import told
from labelvalue.settings import is_number

WORST_K = 0.7  # Pareto k above which importance weights are not to be relied on, however many draws there are
EFFECTIVE_DRAWS = "effective_draws"
REFIT = "re-fit instead"  # said where re-weighting cannot be relied on, and nothing was fitted again
REFITTED = "fitted again"
DRAWS_AGAIN = 500  # draws a chain of such a fit to begin with: what is asked of it is a mean
SUFFIXES = ("_mean", "_spread", "_between", "_decay", "_power", "_trend")
"""Ends of the names of priors that belong to one quantity."""


@dataclasses.dataclass(frozen=True)
class Change:
    """Another posterior: log density over that of the fit, ``ratios`` (chain, draw); ``counts`` (run) to fit it."""

    ratios: xr.DataArray
    counts: np.ndarray | None = None
    priors: Mapping[str, Prior] | None = None


def prior_groups(fit: Fit) -> dict[str, tuple[str, ...]]:
    """Sort the priors that a fit used by the quantity that they are about."""
    groups: dict[str, tuple[str, ...]] = {}
    posterior = fit.posterior
    for name in fit.model.priors:
        if group_level(posterior, name):
            quantity = next((name.removesuffix(s) for s in SUFFIXES if name.endswith(s)), name)
            groups[quantity] = (*groups.get(quantity, ()), name)
    return groups


def scaled_priors(fit: Fit, members: Sequence[str], factors: Sequence[float]) -> list[Change]:
    """Raise the priors of a quantity to powers; a Student t, which stays none, is fitted as much wider or narrower."""
    own, posterior = {name: fit.model.priors[name] for name in members}, fit.posterior
    parts = [log_prior(posterior, name, prior, unbounded=True) for name, prior in own.items()]
    density = sum(parts[1:], parts[0])

    def scaled(factor: float) -> dict[str, Prior]:
        return {name: dataclasses.replace(prior, spread=prior.spread / factor**0.5) for name, prior in own.items()}

    return [Change((factor - 1.0) * density, priors=scaled(factor)) for factor in factors]


def replaced_priors(fit: Fit, priors: Mapping[str, Prior]) -> Change:
    """Put other priors in the place of the fit's."""
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
    """Smooth importance ratios (chain, draw) to logs of weights that sum to 1 (Vehtari and others 2024, JMLR 25)."""
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


@dataclasses.dataclass(frozen=True)
class Refits:
    """Fits made again, each change once however many tables ask for it; with ``progress`` each is said on stderr."""

    progress: bool = False
    made: dict[tuple[str, ...], Fit] = dataclasses.field(default_factory=dict, repr=False)

    def after(self, fit: Fit, change: Change) -> Fit:
        """Fit again after a change, or take the fit that was made for it."""
        counts = b"" if change.counts is None else np.asarray(change.counts, dtype=float).tobytes()
        key = (
            hashlib.sha256(counts).hexdigest(),
            *(f"{name}: {prior!r}" for name, prior in (change.priors or {}).items()),
        )
        if key not in self.made:
            began = time.monotonic()
            self.made[key] = fit_again(fit, counts=change.counts, priors=change.priors, most_draws=DRAWS_AGAIN)
            if self.progress:
                told(f"fitted again: {len(self.made)} so far, the last in {time.monotonic() - began:.0f} s")
        return self.made[key]


def changed_draws(
    fit: Fit, change: Change, draws: xr.DataArray, again: Callable[[Fit], xr.DataArray], *, refit: bool | Refits
) -> tuple[xr.DataArray, xr.DataArray, str]:
    """Return draws of a quantity after a change, and the logs of their weights (chain and draw)."""
    weights = importance_weights(change.ratios)
    kept = draws.isel({names.DRAW: draws[names.DRAW].isin(change.ratios[names.DRAW])})
    if weights.attrs["reliable"] or not refit:
        return kept, weights, "" if weights.attrs["reliable"] else REFIT
    made = (Refits() if refit is True else refit).after(fit, change)
    if made.diagnostics.verdict == "refused":
        return kept, weights, REFIT
    found = again(recalibrated(made, float(fit.tree.attrs.get(STRETCH, 1.0))))
    even = xr.zeros_like(found.isel({d: 0 for d in found.dims if d not in names.SAMPLE}, drop=True), dtype=float)
    return found, even.assign_attrs(weights.attrs), REFITTED


def prior_sensitivity(
    fit: Fit,
    budget: int,
    *,
    factors: Sequence[float] = (0.5, 2.0),
    priors: Mapping[str, Prior] | None = None,
    refit: bool = True,
) -> pd.DataFrame:
    """Say how far each slice's gain would move, were the priors weaker, stronger or others.

    The priors about each quantity are raised to powers on their unbounded scale, or replaced, and the draws
    re-weighted; where the weights cannot be relied on, the runs are fitted again.

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
    >>> table = prior_sensitivity(fake_fit(seed=1), budget=500, refit=False)
    >>> sorted(set(table["change"]))
    ['to the power 0.5', 'to the power 2']
    """
    if not all(is_number(f) and f > 0 for f in factors):
        raise ValueError(f"factors must be positive numbers, got {factors!r}. Fix: give such as (0.5, 2).")

    def again(made: Fit) -> xr.DataArray:
        return predict_gain(made, [budget]).isel({names.BUDGET: 0}, drop=True)

    gain, rows = again(fit), []
    for what, how, change in [*_changes(fit, factors, priors)]:  # an unknown name is told before anything is fitted
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
    for members in prior_groups(fit).values():
        for factor, change in zip(factors, scaled_priors(fit, members, factors), strict=True):
            yield ", ".join(members), f"to the power {factor:g}", change
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
