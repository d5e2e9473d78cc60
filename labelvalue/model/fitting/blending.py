"""Fits of several models to the same runs, stacked: weights by leave-one-out, and one fit whose draws are theirs."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.posterior import at_now
from labelvalue.model.fitting.arviz_tree import pointwise_loglikelihood
from labelvalue.model.fitting.result import Fit, altered, noted
from labelvalue.model.hierarchy.specification import blended_model, model_source
from labelvalue.model.sampling.diagnostics import flagged
from labelvalue.numerals import TAILS
from labelvalue.problems import input_error

MOST_STEPS, NEARLY = 2000, 1e-6  # of the search for weights: its steps, and the change of a weight that ends it
GOLDEN = (5.0**0.5 - 1.0) / 2.0
WEIGHT, ENDS = "weight", ("weight_lower", "weight_upper")
SAMPLE_STATS = "sample_stats"


def stacked(fits: Mapping[str, Fit]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Compare fits by leave-one-out, best first, with stacking weights and their intervals; and what that rests on."""
    import arviz_stats as azs

    _check(fits)
    loos = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Estimated shape parameter of Pareto distribution")
        for name, fit in fits.items():
            loos[name] = azs.loo(pointwise_loglikelihood(fit), pointwise=True)
        table = azs.compare(loos, round_to="none")
    each = np.column_stack([np.asarray(loos[name].elpd_i).ravel() for name in table.index])
    low, high = np.quantile(weight_draws(each), TAILS, axis=0)
    return table.assign(**dict(zip(ENDS, (low, high), strict=True))), loos


def weight_draws(elpd: np.ndarray, draws: int = 400) -> np.ndarray:
    """Draw stacking weights (draw, model) of elpd (cell, model), cells counted by random shares (Rubin 1981)."""
    shares = np.random.default_rng(0).dirichlet(np.ones(len(elpd)), draws)
    density = np.exp(elpd - elpd.max(axis=1, keepdims=True))
    weights = np.full((draws, elpd.shape[1]), 1.0 / elpd.shape[1])
    for _ in range(MOST_STEPS):  # expectation and maximisation, whose every step is upwards
        mixed = weights @ density.T
        before, weights = weights, weights * ((shares / mixed) @ density)
        if np.abs(weights - before).max() < NEARLY:
            break
    return weights


def _check(fits: Mapping[str, Fit]) -> None:
    if len(fits) < 2:
        raise ValueError(
            f"a comparison needs at least two fits, got {len(fits)}. Fix: fit another model to the same runs."
        )
    runs = {name: fit.settings["runs_sha256"] for name, fit in fits.items()}
    if len(set(runs.values())) > 1:
        shown = ", ".join(f"{name}: {digest[:8]}" for name, digest in runs.items())
        raise ValueError(f"the fits are of different runs ({shown}). Fix: fit every model to the same runs.")


def blend(fits: Mapping[str, Fit], weights: Mapping[str, float] | None = None) -> Fit:
    """Make one fit of several models' fits to the same runs: each draw is of one of them, as often as its weight says.

    What is forecast or decided from it carries what is not known of the family beside what is not known of its
    parameters. ``fit(runs, model="power_law+exponential")`` fits and blends at once.

    Parameters
    ----------
    fits : mapping of str to Fit
        At least two, of the same runs, none refused.
    weights : mapping of str to float, optional
        Weights ≥ 0 that sum to 1; by default those of stacking on leave-one-out, as in :func:`compare_models`.

    Returns
    -------
    Fit
        With as many draws as the fit that has fewest. ``family`` in its posterior numbers the fit that a draw is from;
        its priors are those that all fits share; its verdict is the worst of those that draws are from; a note tells
        the weights, by default with their 90 % intervals. It carries no backtest.

    Raises
    ------
    ValueError
        If there are fewer than two fits, they are of other runs, or the weights are not shares of one.
    InputError
        If a fit is refused.

    References
    ----------
    Yao, Vehtari, Simpson and Gelman (2018), "Using stacking to average Bayesian predictive distributions", Bayesian
    Analysis 13.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit = lv.testing.fake_fit(seed=1)
    >>> both = blend({"a": fit, "b": fit}, {"a": 0.3, "b": 0.7})
    >>> both.model.name, round(float(both.posterior["family"].mean()), 2)
    ('power_law+power_law', 0.7)
    """
    _check(fits)
    for name, fit in fits.items():
        if names.FAMILY in fit.posterior:
            raise ValueError(f"the fit {name!r} is a blend already. Fix: blend the fits of its models with the others.")
        if fit.diagnostics.verdict == "refused":
            why = f"the fit {name!r} is refused ({'; '.join(fit.diagnostics.reasons)})"
            raise input_error(why, "leave it out, or give it more runs", column="fits")
    how, told = "as given", dict.fromkeys(fits, "")
    if weights is None:
        table, _ = stacked(fits)
        given = {name: float(table[WEIGHT][name]) for name in fits}
        how, told = "by stacking", {name: " (90 % {:.2f} to {:.2f})".format(*table.loc[name, [*ENDS]]) for name in fits}
    else:
        given = dict(weights)
    if set(given) != set(fits):
        raise ValueError(f"fits are {sorted(fits)}, weights of {sorted(given)}. Fix: give one weight each.")
    share = np.array([float(given[name]) for name in fits])
    if (share < 0).any() or abs(share.sum() - 1.0) > 1e-6:
        raise ValueError(f"weights must be ≥ 0 and sum to 1, got {given!r}")
    said = ", ".join(f"{name} {given[name]:.2f}{told[name]}" for name in fits)
    return noted(_mixed([*fits.values()], share), f"a blend, each draw of one of its models; weights {how}: {said}")


def _mixed(fits: list[Fit], share: np.ndarray) -> Fit:
    """The fit whose draws are those of others, in proportion to their shares (fit,)."""
    base = min(fits, key=lambda fit: fit.posterior.sizes[names.CHAIN] * fit.posterior.sizes[names.DRAW])
    shape = tuple(base.posterior.sizes[d] for d in names.SAMPLE)
    # Spread evenly over the draws by the golden ratio: shares are met to within a draw or two, whatever the seed.
    place = (np.arange(shape[0] * shape[1]) * GOLDEN) % 1.0
    family = np.searchsorted(np.cumsum(share)[:-1], place, side="right")
    own = xr.DataArray(family.reshape(shape), dims=names.SAMPLE)
    groups: dict[str, xr.Dataset] = {}
    for group in (names.POSTERIOR, SAMPLE_STATS):
        parts = [_picked(fit.tree[group].to_dataset(), own.values == number) for number, fit in enumerate(fits)]
        coords = {d: base.posterior[d] for d in names.SAMPLE if d in base.posterior.coords}
        groups[group] = _joined(parts, own).assign_coords(coords)
    groups[names.POSTERIOR][names.FAMILY] = own
    model = blended_model([fit.model for fit in fits])
    diagnostics = fits[int(share.argmax())].diagnostics
    flags = {name: [f for fit in fits for f in fit.diagnostics.flags.get(name, ())] for name in map(str, base.slices)}
    diagnostics = dataclasses.replace(diagnostics, flags={name: (*dict.fromkeys(f),) for name, f in flags.items()})
    for number, fit in enumerate(fits):
        reasons = () if fit.diagnostics.verdict == "ok" or number not in family else fit.diagnostics.reasons
        for reason in (one for one in reasons if one not in diagnostics.reasons):
            diagnostics = flagged(diagnostics, f"{fit.model.name}: {reason}")
    tree = base.tree.copy()
    if names.BACKTEST in tree.children:
        del tree[names.BACKTEST]
    settings = json.dumps(base.settings | {"model_source": model_source(model)})
    made = altered(Fit(tree=tree, model=model, diagnostics=diagnostics), groups, settings=settings)
    now = at_now(made.posterior, made.position, model, made.walks).data_vars
    return altered(made, {names.POSTERIOR: made.posterior.assign(now)})


def _picked(draws: xr.Dataset, own: np.ndarray) -> xr.Dataset:
    """Spread the draws of a fit over the places (chain, draw) that are its own; others hold what nobody reads."""
    sizes = draws.sizes[names.CHAIN], draws.sizes[names.DRAW]
    rank = np.maximum(np.cumsum(own.ravel()) - 1, 0)
    flat = ((rank + 0.5) * (sizes[0] * sizes[1]) / max(int(own.sum()), 1)).astype(int)
    at = (xr.DataArray(index.reshape(own.shape), dims=names.SAMPLE) for index in np.unravel_index(flat, sizes))
    return draws.drop_vars(names.SAMPLE, errors="ignore").isel(dict(zip(names.SAMPLE, at, strict=True)))


def _joined(parts: list[xr.Dataset], own: xr.DataArray) -> xr.Dataset:
    """Each draw as its part has it, and what only some parts have, which the draws of the others do not read."""
    shared = {n: v for n, v in parts[0].data_vars.items() if all(n in part for part in parts)}
    for number, part in enumerate(parts[1:], start=1):
        shared = {n: xr.where(own == number, part[n], v) for n, v in shared.items()}
    every = {n: v for part in parts for n, v in part.data_vars.items()}
    return xr.Dataset(every | shared)
