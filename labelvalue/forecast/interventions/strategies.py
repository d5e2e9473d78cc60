"""What labels that a strategy chose, and diverse labels, are worth against labels chosen at random."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.stats import gaussian_kde

from labelvalue import names
from labelvalue.forecast.gains.curves import flag_texts
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.model.fitting.result import Fit
from labelvalue.model.prior.priors import Prior, log_density


def strategy_efficiency(
    fit: Fit, labels: Sequence[int] | None = None, prices: Mapping[str, float] | None = None
) -> xr.DataArray:
    """Draw the efficiency of every strategy: labels chosen at random that one label of it is worth.

    Parameters
    ----------
    fit : Fit
        Fit of runs of several strategies.
    labels : sequence of int, optional
        Sizes at which it is asked for, since it may grow or decay with labels; now, where none are given.
    prices : mapping of str to float, optional
        Price of a label by strategy, that of the first among them (``random``): efficiency is then that of money, the
        labels at random that could be had for it counting 1.

    Returns
    -------
    xarray.DataArray
        ``efficiency``, dims chain, draw, slice (and learner, suite), strategy (and labels): 1 is as good as random.
        ``(efficiency > 1).mean(("chain", "draw"))`` is the probability that the strategy pays.

    Raises
    ------
    ValueError
        If the runs hold one strategy only, a size is not a whole number, or a price is missing or not > 0.

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
    unit = "random labels per label"
    if prices is not None:
        worth = (worth * _cheaper(fit.settings[names.STRATEGIES], prices)).rename(names.EFFICIENCY)
        unit = "random labels per label's price"
    worth.attrs = {names.UNIT: unit, "verdict": fit.diagnostics.verdict}
    return worth


def _cheaper(strategies: Sequence[str], prices: Mapping[str, float]) -> xr.DataArray:
    """Price of a label at random over that of one of each other strategy."""
    given = [prices.get(name, 0.0) for name in strategies]
    wrong = [name for name, price in zip(strategies, given, strict=True) if not 0 < price < np.inf]
    if wrong:
        raise ValueError(
            f"a price > 0 is needed for {', '.join(map(repr, wrong))}. Fix: give such as {{'random': 0.08}}"
        )
    ratio = given[0] / np.array(given[1:], dtype=float)
    return xr.DataArray(ratio, dims=names.STRATEGY, coords={names.STRATEGY: list(strategies[1:])})


def diversity_efficiency(fit: Fit, diversity: Sequence[float] | None = None) -> xr.DataArray:
    """Draw what a label is worth at some diversity, in labels as diverse as random ones.

    Beforehand it is as likely as not that diversity matters; draws in which it does not have an efficiency of 1.

    Parameters
    ----------
    fit : Fit
        Fit of runs that differ in ``diversity``.
    diversity : sequence of float, optional
        Effective clusters covered, over those of labels at random, > 0; by default the range observed (its 5 % and 95 %
        quantiles).

    Returns
    -------
    xarray.DataArray
        ``efficiency``, dims chain, draw, diversity; 1 at diversity 1. Attribute ``p_matters`` is the posterior
        probability that diversity matters.

    Raises
    ------
    ValueError
        If the runs do not differ in diversity, or one asked for is not > 0.

    References
    ----------
    Friedman and Dieng (2023), "The Vendi score", TMLR; Dickey (1971), "The weighted likelihood ratio, linear hypotheses
    on normal location parameters", Annals of Mathematical Statistics 42, for the probability.

    Examples
    --------
    >>> diversity_efficiency(fit).attrs["p_matters"]  # doctest: +SKIP
    """
    if names.DIVERSITY_POWER not in fit.posterior:
        raise ValueError(
            "the runs do not differ in diversity. Fix: simulate_runs(..., strategies=('random', 'diversity')) scores it"
        )
    if diversity is None:
        diversity = np.quantile(fit.runs[names.DIVERSITY].dropna(names.RUN).values, TYPICAL_RANGE).tolist()
    asked = np.array(list(diversity), dtype=float)
    if not (asked.size and np.isfinite(asked).all() and (asked > 0).all()):
        raise ValueError(f"diversity must be numbers > 0, got {diversity!r}. Fix: give such as [0.8, 1.2]")
    power = fit.posterior[names.DIVERSITY_POWER].transpose(names.CHAIN, names.DRAW)
    matters = _probability_of_some(power.values.ravel(), fit.model.priors[names.DIVERSITY_POWER])
    rng = np.random.default_rng([fit.settings["random_seed"], 12])
    power = power.where(rng.random(power.shape) < matters, 0.0)
    worth = np.exp(power.values[..., None] * np.log(asked))
    return xr.DataArray(
        worth,
        dims=(names.CHAIN, names.DRAW, names.DIVERSITY),
        coords={**{d: power[d] for d in power.dims}, names.DIVERSITY: asked},
        name=names.EFFICIENCY,
        attrs={names.UNIT: "random labels per label", "p_matters": matters, "verdict": fit.diagnostics.verdict},
    )


TYPICAL_RANGE = (0.05, 0.95)


def _probability_of_some(draws: np.ndarray, prior: Prior) -> float:
    """Probability of an effect, at even odds beforehand; the posterior's density at none is that of smoothed draws."""
    if np.ptp(draws) == 0:
        return float(draws[0] != 0)
    for_none = float(gaussian_kde(draws)(0.0)[0]) / float(np.exp(log_density(prior, np.array(0.0))))
    return 1.0 / (1.0 + for_none)
