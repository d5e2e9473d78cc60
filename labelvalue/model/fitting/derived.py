"""Fits made of fits: several models' to the same runs, stacked; and one with a slice more, that has no runs."""

from __future__ import annotations

import dataclasses
import json
import warnings
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import LEAST_BESIDE, likeness_of_means, log_ratio, transfer_from
from labelvalue.model.curve.observations import CURVE_KEYS
from labelvalue.model.curve.posterior import STEP, at_now, doublings_below, log_error_at, steeper_below
from labelvalue.model.fitting.arviz_tree import pointwise_loglikelihood
from labelvalue.model.fitting.result import POSITION, Fit, altered, noted
from labelvalue.model.hierarchy.specification import Model, blended_model, model_source
from labelvalue.model.prior.prior_curves import error_scale, population_curve
from labelvalue.model.sampling.diagnostics import flagged
from labelvalue.numerals import TAILS
from labelvalue.problems import input_error
from labelvalue.settings import is_whole

MOST_STEPS, NEARLY = 2000, 1e-6  # of the search for weights: its steps, and the change of a weight that ends it
GOLDEN = (5.0**0.5 - 1.0) / 2.0
WEIGHT, ENDS = "weight", ("weight_lower", "weight_upper")
SAMPLE_STATS = "sample_stats"


def stacked(fits: Mapping[str, Fit]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Compare fits by leave-one-out, best first, with stacking weights and their intervals; and what that rests on."""
    import arviz_stats as azs

    _check_fits(fits)
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


def _check_fits(fits: Mapping[str, Fit]) -> None:
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
    _check_fits(fits)
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


ALIKE = 1e-2  # difference in log error up to which a curve seen from another size is the same curve
AHEAD = (np.log(2.0), np.log(8.0))  # logs of how far beyond that size they are compared

Normal = Callable[..., xr.DataArray]
"""``normal(what, *dims)``: standard normal draws of the new slice, with further dims."""


def new_slice(fit: Fit, name: str = "new", *, labels_now: int | None = None, like: str | None = None) -> Fit:
    """Add a slice without runs to a fit, so that every forecast can be asked about it.

    *Another slice like these* is drawn, in each posterior draw, from the population that the observed slices came from;
    *an unknown one of these* is one of them picked at random. Far below their sizes curves say little: for a slice that
    starts from nothing, ask for :func:`labelvalue.predict_error` at sizes like theirs, not for the gain from now.

    Parameters
    ----------
    fit : Fit
        Fit of the slices that were observed.
    name : str
        Name of the new slice; forecasts of it depend on the name and on the seed of the fit alone.
    labels_now : int, optional
        Its labels now, ≥ 0: none where not given, or with ``like`` the geometric mean of the observed slices' labels
        now.
    like : {"one of these"}, optional
        Whether to pick one of the observed slices instead of drawing another.

    Returns
    -------
    Fit
        The fit with one slice more, flagged ``borrowed``. Its curve is anchored at the geometric mean of the observed
        slices' reference sizes, or with ``like`` at its labels now; the labels of other slices are their mean.

    Raises
    ------
    ValueError
        If the name is taken or empty, ``labels_now`` is out of range, ``like`` is unknown, or the curves of the
        model are not of the same family when seen from another size.

    References
    ----------
    Gelman and Hill (2007), "Data analysis using regression and multilevel/hierarchical models", section 12.8, for the
    two kinds of prediction.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> wider = new_slice(fake_fit(seed=1), "west coast", labels_now=500)
    >>> wider.slices.size, wider.diagnostics.flags["west coast"]
    (5, ('borrowed',))
    """
    _check_asked(fit, name, labels_now, like)
    position = _position(fit, labels_now, anchored_now=like is not None)
    drawn = _another(fit, position, _normal(fit, name)) if like is None else _one_of_these(fit, position, name, like)
    where = "the population of the others" if like is None else "the others, one picked in each draw"
    return _join(fit, name, drawn, position, f"slice {name!r} has no runs: it is drawn from {where}")


def _check_asked(fit: Fit, name: str, labels_now: int | None, like: str | None) -> None:
    if not isinstance(name, str) or not name or name in {str(s) for s in fit.slices}:
        raise ValueError(f"name must be a text that no slice of the fit has, got {name!r}. Fix: give another name.")
    if labels_now is not None:
        least = 0 if like is None else 1
        if not is_whole(labels_now, least):
            raise ValueError(f"labels_now must be a whole number ≥ {least}, got {labels_now!r}")
    if like not in (None, names.ONE_OF_THESE):
        raise ValueError(f"like must be {names.ONE_OF_THESE!r} or not given, got {like!r}")


def _position(fit: Fit, labels_now: int | None, *, anchored_now: bool) -> xr.Dataset:
    """Where the new slice stands: as the others do on average, at its own labels."""
    others = fit.position
    mean = others.mean(names.SLICE)
    together = others[names.OTHER_LABELS_NOW] + (0.0 if anchored_now else others[names.LABELS_NOW])
    trained_together = bool((others[names.OTHER_LABELS_NOW] > 0).any())
    typical = _geometric_mean(others[names.LABELS_NOW].clip(min=1.0))
    now = typical if anchored_now and labels_now is None else xr.full_like(typical, float(labels_now or 0))
    beside = together.mean(names.SLICE) if trained_together else xr.zeros_like(typical)
    reference = now if anchored_now else _geometric_mean(others[names.REFERENCE_LABELS])
    return mean.assign(
        {
            names.LABELS_NOW: now,
            names.OTHER_LABELS_NOW: beside.round(),
            names.REFERENCE_LABELS: reference,
            names.REFERENCE_OTHER_LABELS: beside.round() if anchored_now else mean[names.REFERENCE_OTHER_LABELS],
            names.SIZES: xr.zeros_like(typical).astype(others[names.SIZES].dtype),
        }
    )


def _geometric_mean(values: xr.DataArray) -> xr.DataArray:
    logs = values.copy(data=np.log(values.values))
    mean = logs.mean(names.SLICE)
    return mean.copy(data=np.exp(mean.values)).round()


def _normal(fit: Fit, name: str) -> Normal:
    coords = fit.posterior.coords

    def normal(what: str, *dims: str) -> xr.DataArray:
        every = (*names.SAMPLE, *dims)
        values = _generator(fit, name, what).standard_normal([coords[d].size for d in every])
        return xr.DataArray(values, dims=every, coords={d: coords[d] for d in every})

    return normal


def _generator(fit: Fit, *texts: str) -> np.random.Generator:
    return np.random.default_rng([fit.settings["random_seed"], *(zlib.crc32(text.encode()) for text in texts)])


def _another(fit: Fit, position: xr.Dataset, normal: Normal) -> xr.Dataset:
    """Parameters of a slice drawn from the population, in each posterior draw."""
    group = fit.posterior
    rest = [d for d in fit.position[names.LABELS_NOW].dims if d != names.SLICE]
    whole, own = _whole(group, normal)
    curve = population_curve(fit.model, group, lambda stem: normal(stem, *rest), error_scale(fit.runs), whole=whole)
    drawn = {**curve, **own}
    if names.LUCK in group:  # what is drawn from the population is the population's
        drawn[names.LUCK] = xr.zeros_like(curve[names.ERROR_REFERENCE])
    if names.TRANSFER in group:
        beside = position[names.REFERENCE_OTHER_LABELS] / position[names.REFERENCE_LABELS].clip(min=1.0)
        spread = likeness_of_means(beside) * group["transfer_spread"]
        level = group["transfer_mean"] + spread * normal(names.TRANSFER, *rest)
        drawn[names.TRANSFER] = transfer_from(level, beside.clip(min=LEAST_BESIDE))
    if names.EFFICIENCY in group:
        deviation = normal(names.EFFICIENCY, *rest, names.STRATEGY)
        drawn[names.EFFICIENCY] = np.exp(group["efficiency_mean"] + group["efficiency_spread"] * deviation)
    if names.EVALUATION_NOISE in group:
        drawn[names.EVALUATION_NOISE] = group[names.EVALUATION_NOISE].mean(names.SLICE)
    return xr.Dataset(drawn)


def _whole(group: xr.Dataset, normal: Normal) -> tuple[xr.DataArray | float, dict[str, xr.DataArray]]:
    """What whole learners and suites, which are known, and the whole new slice add to the level of the elasticity."""
    total: xr.DataArray | float = 0.0
    own = {}
    for dim in CURVE_KEYS:
        name = f"{names.ELASTICITY}_of_{dim}"
        if name in group:
            deviation = group[name]
            if dim == names.SLICE:
                deviation = own[name] = normal(name)
            total = total + group[f"{names.ELASTICITY}_between_{dim}s"] * deviation
    return total, own


def _one_of_these(fit: Fit, position: xr.Dataset, name: str, like: str) -> xr.Dataset:
    """Parameters of an observed slice picked in each posterior draw, anchored anew at the new slice's labels now."""
    posterior, model = fit.posterior, fit.model
    ratio = log_ratio(posterior, fit.position, position[names.LABELS_NOW], position[names.OTHER_LABELS_NOW])
    walks, below = fit.walks, doublings_below(fit.position, position[names.LABELS_NOW])
    log_error = log_error_at(ratio, posterior, model, walks, below)
    before, after = (log_error_at(ratio + step, posterior, model, walks) for step in (-STEP, STEP))
    growth = np.log(position[names.LABELS_NOW] + position[names.OTHER_LABELS_NOW]) - np.log(
        fit.position[names.REFERENCE_LABELS] + fit.position[names.REFERENCE_OTHER_LABELS]
    )
    seen = posterior.assign(
        {
            names.ERROR_REFERENCE: np.exp(log_error),
            **({names.LUCK: xr.zeros_like(log_error)} if names.LUCK in posterior else {}),
            names.CURVE_ELASTICITY: (before - after) / (2.0 * STEP) + steeper_below(posterior, walks, below),
            names.FLOOR_SHARE: model.floor_share(posterior) / np.exp(model.curve(ratio, posterior)),
            names.TRAINING_SD: posterior[names.TRAINING_SD] * np.exp(-0.5 * posterior["training_decay"] * growth),
        }
    )
    if not _same_family(model, posterior, ratio):
        raise ValueError(
            f"curves of model {model.name!r} are of another kind when seen from another size, so that "
            "none can be picked at one size. Fix: fit model='power_law', or pick from forecasts of the observed slices"
        )
    pick = xr.DataArray(
        _generator(fit, name, like).integers(fit.slices.size, size=log_error.shape[:2]), dims=names.SAMPLE
    )
    at = {dim: xr.DataArray(np.arange(pick.sizes[dim]), dims=dim) for dim in names.SAMPLE}
    of_slices = [v for v in seen.data_vars if {*names.SAMPLE, names.SLICE} <= set(seen[v].dims)]
    return seen[of_slices].isel({**at, names.SLICE: pick}).drop_vars(names.SLICE)


def _same_family(model: Model, posterior: xr.Dataset, ratio: xr.DataArray) -> bool:
    """Whether elasticity and floor at another size say all there is to say about the curve from there on."""

    def beyond(log_ratio: float) -> xr.DataArray:
        return model.curve(ratio + log_ratio, posterior) - model.curve(ratio, posterior)

    there = {
        names.CURVE_ELASTICITY: (beyond(-STEP) - beyond(STEP)) / (2.0 * STEP),
        names.FLOOR_SHARE: model.floor_share(posterior) / np.exp(model.curve(ratio, posterior)),
    }
    anew = posterior.assign(there)
    return all(float(abs(model.curve(x, anew) - beyond(x)).max()) < ALIKE for x in AHEAD)


def _join(fit: Fit, name: str, drawn: xr.Dataset, position: xr.Dataset, note: str) -> Fit:
    """Put the new slice beside the others, derive what a fit promises, and flag it."""
    label = {names.SLICE: np.array([name], dtype=object)}
    here = position.expand_dims(label)
    order = fit.posterior[names.ERROR_REFERENCE].dims
    parameters = drawn.expand_dims(label).transpose(*order, ...)
    of_draws = {n: fit.posterior[n] for n in (names.FAMILY,) if n in fit.posterior}
    parameters = parameters.assign(at_now(parameters.assign(of_draws), here, fit.model, fit.walks).data_vars)
    groups = {names.POSTERIOR: _beside(fit.posterior, parameters), POSITION: _beside(fit.position, here)}
    flags = {**fit.diagnostics.flags, name: (names.BORROWED,)}
    wider = noted(altered(fit, groups), note)
    return dataclasses.replace(wider, diagnostics=dataclasses.replace(fit.diagnostics, flags=flags))


def _beside(old: xr.Dataset, new: xr.Dataset) -> xr.Dataset:
    """Both along ``slice``; a variable that the new one lacks is not known for it."""

    def both(variable: xr.DataArray) -> xr.DataArray:
        unknown = xr.full_like(variable.isel({names.SLICE: [0]}), np.nan, dtype=float)
        known = new.get(variable.name, unknown.assign_coords({names.SLICE: new[names.SLICE]}))
        return xr.concat([variable, known.transpose(*variable.dims)], dim=names.SLICE)

    joined = {n: both(v) if names.SLICE in v.dims else v for n, v in old.data_vars.items()}
    return xr.Dataset(joined, attrs=old.attrs).sortby(names.SLICE)
