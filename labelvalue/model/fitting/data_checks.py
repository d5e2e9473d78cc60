"""What the data say of single slices beyond convergence, notes on the whole, and how much others say of a slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import (
    integrated_walk,
    log_steepness,
    measured_error,
    observed_ratio,
    run_variance,
    signed_log,
    true_labels,
)
from labelvalue.model.curve.observations import (
    CURVE,
    CURVE_KEYS,
    LEAST_SIZES,
    TYPICAL_ELASTICITY,
    crossed_dims,
    lever_of,
)
from labelvalue.model.curve.posterior import by_slice
from labelvalue.model.fitting.result import Fit
from labelvalue.model.hierarchy.specification import Model
from labelvalue.model.prior.priors import Priors, draw_prior
from labelvalue.model.sampling.diagnostics import FALSE_ALARM
from labelvalue.printing import as_lines

CHECK_DRAWS = 1000
CURVES_AT_ONCE = 50
"""Curves replicated together: what a replicate takes in memory does not grow with the number of slices."""


def shape_surprise(model: Model, posterior: xr.Dataset, observations: xr.Dataset, random_seed: int) -> np.ndarray:
    """Predictive probability of each curve's overall slope (curve), by mixed replication.

    The discrepancy is drawn anew from the group, so that no curve hides a misfit in its own (Marshall and Spiegelhalter
    2003).
    """
    rng = np.random.default_rng(random_seed)
    chains, draws = (posterior.sizes[dim] for dim in names.SAMPLE)
    picked = np.linspace(0, chains * draws - 1, min(CHECK_DRAWS, chains * draws)).astype(int)
    of_each = dict(zip(names.SAMPLE, (("sample", at) for at in np.divmod(picked, draws)), strict=True))
    flat = posterior.isel(of_each).drop_vars(names.SAMPLE)
    curves = range(0, observations.sizes[CURVE], CURVES_AT_ONCE)
    parts = [{CURVE: slice(first, first + CURVES_AT_ONCE)} for first in curves]
    found = [_surprise(model, flat.isel(part), observations.isel(part), rng) for part in parts]
    return np.concatenate(found)


def _surprise(model: Model, flat: xr.Dataset, observations: xr.Dataset, rng: np.random.Generator) -> np.ndarray:
    ratio = observed_ratio(flat, observations)
    mean = np.log(flat[names.ERROR_REFERENCE]) + model.curve(ratio, flat)
    steeper = log_steepness(signed_log(flat[names.CURVE_ELASTICITY])) - np.log(TYPICAL_ELASTICITY)
    discrepancy = np.exp(
        flat["discrepancy_mean"]
        + flat["discrepancy_power"] * steeper
        + flat["discrepancy_spread"] * xr.DataArray(_noise(rng, flat, observations, ()), dims=("sample", CURVE))
    )
    step = observations["distance"].diff("knot").pad(knot=(1, 0), constant_values=0.0)
    turn, bend = (_noise(rng, flat, observations, ("knot",)) for _ in range(2))
    level, _ = integrated_walk(step.transpose(CURVE, "knot").values, turn, bend)
    walk = np.log(2.0) * discrepancy * xr.DataArray(level, dims=("sample", CURVE, "knot"))
    data: Mapping[Any, Any] = observations
    wrong, classes = flat.get(names.EVALUATION_NOISE), observations.attrs[names.CLASSES]
    if wrong is not None:  # variances on the scale of errors against true labels
        data = true_labels({name: observations[name] for name in observations.data_vars}, wrong, classes)[0]
    sd = run_variance(data, flat["churn"], flat[names.TRAINING_SD], flat["training_decay"]) ** 0.5
    noise = xr.DataArray(_noise(rng, flat, observations, ("knot", "slot")), dims=("sample", CURVE, "knot", "slot"))
    replicated = mean + walk + sd * noise
    if wrong is not None:  # as evaluation sets with wrong labels show them
        error = np.exp(replicated.clip(max=np.log(float(observations.attrs[names.UPPER]))))
        replicated = np.log(measured_error(error, wrong, classes))
    lever = lever_of(observations["used"] / (observations["sampling_variance"] + 0.02), observations)
    slope = (lever * replicated).sum(("knot", "slot"))
    observed = (lever * observations["log_error"]).sum(("knot", "slot"))
    probability = (slope > observed).mean("sample")
    return probability.where(observations["sizes"] >= LEAST_SIZES).transpose(CURVE).values


def _noise(rng: np.random.Generator, flat: xr.Dataset, observations: xr.Dataset, more: tuple[str, ...]) -> np.ndarray:
    return rng.standard_normal(
        (flat.sizes["sample"], observations.sizes[CURVE], *(observations.sizes[d] for d in more))
    )


PRIOR_WIDTH = 0.9  # posterior over prior standard deviation of log impact above which a slice is mostly assumption
SURPRISE = 0.01
"""Predictive tail probability below which the shape of a slice's curve does not fit; its learners share it."""
CERTAIN_RISE = 0.001
"""Probability under which a rise of error with labels is no accident of noise; a slice's learners share it too."""
MISFIT_BY_CHANCE = 2 * SURPRISE + CERTAIN_RISE
"""Most often that a sound slice is said not to fit: too steep, too flat, or rising."""


def prior_sd_of_log_elasticity(priors: Priors, crossed: int) -> float:
    """Standard deviation of one curve's log elasticity before any data."""
    rng = np.random.default_rng(20_000)
    size = 20_000
    value = draw_prior(priors["elasticity_mean"], size, rng)
    scales = ["elasticity_spread"] + ["elasticity_between"] * crossed
    for name in scales:
        value = value + draw_prior(priors[name], size, rng) * rng.standard_normal(size)
    return float(value.std())


def rise_surprise(posterior: xr.Dataset, observations: xr.Dataset) -> np.ndarray:
    """Probability (curve) of an overall rise of error as large as observed, by noise alone, were the curve flat."""
    mean = posterior[[names.TRAINING_SD, "churn", "training_decay"]].mean(names.SAMPLE)
    variance = run_variance(observations, mean["churn"], mean[names.TRAINING_SD], mean["training_decay"])
    lever = lever_of(observations["used"] / variance, observations)
    information = (lever**2 * variance).sum(("knot", "slot"))
    slope = (lever * observations["log_error"]).sum(("knot", "slot"))
    z = (slope / information.clip(min=1e-12) ** 0.5).where(observations[names.SIZES] >= LEAST_SIZES)
    return scipy.special.ndtr(-z.transpose(CURVE).values)


def flag_curves(
    model: Model, posterior: xr.Dataset, observations: xr.Dataset, random_seed: int
) -> tuple[tuple[str, ...], ...]:
    """Flag curves whose answer leans on others or on the prior, or whose shape does not fit (Dunn 1961)."""
    slices = observations[names.SLICE].values
    prior_sd = prior_sd_of_log_elasticity(model.priors, len(crossed_dims(observations)))
    log_impact = signed_log(posterior[names.CURVE_ELASTICITY]) + np.log(posterior[names.ERROR_REFERENCE])
    width = log_impact.std(names.SAMPLE, skipna=False).values / prior_sd
    finite = bool(np.isfinite(width).all())  # draws that are not say nothing about a slice
    surprise = shape_surprise(model, posterior, observations, random_seed) if finite else np.full(width.shape, np.nan)
    rise = rise_surprise(posterior, observations) if finite else surprise
    _, which, curves = np.unique(slices, return_inverse=True, return_counts=True)
    chances = curves[which]
    flags = []
    for i in range(slices.size):
        found = []
        if int(observations["sizes"][i]) < LEAST_SIZES:
            found.append(names.BORROWED)
        if width[i] > PRIOR_WIDTH:
            found.append(names.MOSTLY_ASSUMPTION)
        odd = min(surprise[i], 1.0 - surprise[i]) < SURPRISE / chances[i]
        if odd or rise[i] < CERTAIN_RISE / chances[i] or bool(observations[names.PLAIN_ELASTICITY][i] < 0):
            found.append(names.SHAPE_MISFIT)
        flags.append(tuple(found))
    return tuple(flags)


def misfit_reason(flags: Sequence[tuple[str, ...]], observations: xr.Dataset) -> str:
    """Say that more curves do not fit than of sound, independent ones, 0.021 each, in one fit of twenty."""
    wrong = np.array([names.SHAPE_MISFIT in found for found in flags])
    count = int((wrong | (observations[names.SIZES].values >= LEAST_SIZES)).sum())
    allowed = misfits_allowed(count)
    if wrong.sum() <= allowed:
        return ""
    what = "slice" if np.unique(observations[names.SLICE].values).size == len(flags) else "curve"
    does = "does" if count == 1 else "do"
    return (
        f"{wrong.sum()} of {count} {what}{'s' if count != 1 else ''} {does} not follow a learning curve of this model; "
        f"chance would allow {allowed or 'none'}"
    )


def misfits_allowed(count: int) -> int:
    """Return how many of so many sound curves may be said not to fit before it is more than chance."""
    within = scipy.special.bdtr(np.arange(count + 1), count, MISFIT_BY_CHANCE)
    return int(np.argmax(within >= 1.0 - FALSE_ALARM))


def flags_by_slice(flags: Sequence[tuple[str, ...]], observations: xr.Dataset) -> dict[str, tuple[str, ...]]:
    """Gather the flags of curves by slice."""
    found: dict[str, tuple[str, ...]] = {}
    for name, own in zip(observations[names.SLICE].values.astype(str).tolist(), flags, strict=True):
        found[name] = tuple(dict.fromkeys([*found.get(name, ()), *own]))
    return found


def composition_note(observations: xr.Dataset) -> str:
    """Say whether the runs let the effect of other slices' labels be told from that of a slice's own."""
    used = observations["used"] > 0
    other = observations[names.OTHER_LABELS]
    if not bool((other.where(used) > 0).any()):
        return ""
    share = xr.apply_ufunc(np.log, (other + 1.0) / (observations[names.LABELS] + 1.0))
    share = share.where(used & (observations[names.LABELS] > 0))
    if float(share.std(("knot", "slot")).max()) > 0.05:
        return ""
    return (
        "labels and other_labels grow in proportion in all runs: the worth of other slices' labels (transfer) is "
        "an assumption only; runs whose composition varies would identify it"
    )


def strategy_note(observations: xr.Dataset) -> str:
    """Name the slices without runs on random labels, so that a strategy's worth there comes from the group."""
    used = observations["used"] > 0
    chosen = (observations["strategy_code"] > 0) & used
    random = (used & ~chosen).any(("knot", "slot"))
    without = chosen.any(("knot", "slot")) & ~random
    found = list(dict.fromkeys(observations[names.SLICE].values[without.values].astype(str).tolist()))
    if not found:
        return ""
    return (
        f"no run of slice {', '.join(map(repr, found))} chose labels at random: what its strategy is worth there comes "
        "from the group"
    )


MEAN, SPREAD, BETWEEN = (f"{names.ELASTICITY}_{part}" for part in ("mean", "spread", "between"))
PRIOR_DRAWS = 4000  # draws of the priors of spreads, whose mean share is known to half a hundredth by so many


def pooling(fit: Fit) -> xr.DataArray:
    """Say for each slice how far its impact of labels is the group's: the degree of pooling.

    What is left of the uncertainty about the steepness of a slice's curve, over how much slices deviate from the group.

    Parameters
    ----------
    fit : Fit
        Fit.

    Returns
    -------
    xarray.DataArray
        ``pooling``, dims slice (and learner, suite): 0 where the slice's own runs decide alone, 1 where they say
        nothing and the group decides alone; NaN for a curve that plainly rises, which was taken out of the group. It
        summarises draws and has none; the attribute ``notes`` says where the group is the prior's.

    References
    ----------
    Gelman and Hill (2007), "Data analysis using regression and multilevel/hierarchical models", section 21.5, for the
    pooling factor of a single unit.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> found = pooling(fake_fit(seed=1))
    >>> found.dims, bool(((found >= 0) & (found <= 1)).all())
    (('slice',), True)
    """
    draws = fit.posterior
    deviation = signed_log(draws[names.CURVE_ELASTICITY]) - draws[MEAN]
    for dim in CURVE_KEYS:
        if f"{names.ELASTICITY}_of_{dim}" in draws:
            deviation = deviation - draws[f"{BETWEEN}_{dim}s"] * draws[f"{names.ELASTICITY}_of_{dim}"]
    group = (draws[SPREAD] ** 2).mean(names.SAMPLE)
    share = (deviation.var(names.SAMPLE) / group).clip(0.0, 1.0).transpose(*draws[names.CURVE_ELASTICITY].dims[2:])
    alone = share.size == 1
    notes = ["one curve: the group is the prior's"] if alone else []
    share = share.where(~_rising(fit, share)).rename(names.POOLING)
    return share.assign_attrs({names.NOTES: as_lines(notes), "verdict": fit.diagnostics.verdict, names.UNIT: ""})


def carry_over(fit: Fit, dim: str = names.LEARNER) -> xr.DataArray:
    """Say how far one learner's curve counts for another learner's curve of the same slice: learned, not decreed.

    The correlation between the steepness of two learners' curves of one slice: 1 where learners agree on which slices
    need labels, 0 where knowing one says nothing of the other.

    Parameters
    ----------
    fit : Fit
        With several slices, and several learners (or suites).
    dim : {"learner", "suite"}
        Whose curves count for each other.

    Returns
    -------
    xarray.DataArray
        ``carry_over``, dims chain and draw: in [0, 1]. It is about the steepness of curves; where they bend, their
        noise and their departures from the family are pooled over all curves alike. The attribute ``prior`` holds its
        mean under the priors, to tell what was learned from what was assumed.

    Raises
    ------
    ValueError
        If the fit has one slice or one learner, so that nothing tells.

    References
    ----------
    Gelman and Hill (2007), "Data analysis using regression and multilevel/hierarchical models", chapter 12, for the
    intraclass correlation.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> found = carry_over(fake_fit(seed=1, learners=("old", "new")))
    >>> found.dims, bool(((found >= 0) & (found <= 1)).all())
    (('chain', 'draw'), True)
    """
    if dim not in (names.LEARNER, names.SUITE):
        raise ValueError(f"dim must be 'learner' or 'suite', got {dim!r}")
    draws = fit.posterior
    crossed = [key for key in CURVE_KEYS if f"{BETWEEN}_{key}s" in draws]
    if not {names.SLICE, dim} <= {*crossed} or SPREAD not in fit.model.priors:
        raise ValueError(
            f"what one {dim} says of another is told by several slices and {dim}s under one model; this fit lacks them"
        )
    others = [key for key in crossed if key != dim]
    found = _share([draws[f"{BETWEEN}_{key}s"] for key in others], draws[SPREAD]).rename(names.CARRY_OVER)
    rng = np.random.default_rng(0)
    priors = fit.model.priors
    between = [draw_prior(priors[BETWEEN], PRIOR_DRAWS, rng) for _ in others]
    assumed = float(_share(between, draw_prior(priors[SPREAD], PRIOR_DRAWS, rng)).mean())
    return found.assign_attrs({"prior": assumed, "verdict": fit.diagnostics.verdict, names.UNIT: ""})


def _share(shared: Sequence[Any], own: Any) -> Any:
    """Share of a variance that curves of the same slice have in common."""
    common = sum(part**2 for part in shared)
    return common / (common + own**2)


def _rising(fit: Fit, like: xr.DataArray) -> xr.DataArray:
    """Curves that were taken out of the group; one without runs is never among them."""
    seen = fit.below.observations
    plain = by_slice(seen[[names.PLAIN_ELASTICITY]], seen)[names.PLAIN_ELASTICITY]
    found = (plain < 0).reindex({d: like[d] for d in like.dims}, fill_value=False)
    return found.transpose(*like.dims) if set(found.dims) == set(like.dims) else xr.zeros_like(like, dtype=np.bool_)
