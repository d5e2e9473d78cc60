"""Checks of single slices: what the data say about them beyond convergence, and notes on the whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.effective_labels import measured_error, observed_ratio, true_labels
from labelvalue.model.curve.families import integrated_walk, log_steepness, run_variance, signed_log
from labelvalue.model.curve.observations import CURVE, LEAST_SIZES, TYPICAL_ELASTICITY, crossed_dims, lever_of
from labelvalue.model.hierarchy.specification import Model
from labelvalue.model.prior.priors import Priors, draw_prior
from labelvalue.model.sampling.diagnostics import FALSE_ALARM

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
    data = _against_true_labels(flat, observations)
    sd = run_variance(data, flat["churn"], flat[names.TRAINING_SD], flat["training_decay"]) ** 0.5
    noise = xr.DataArray(_noise(rng, flat, observations, ("knot", "slot")), dims=("sample", CURVE, "knot", "slot"))
    replicated = _as_measured(mean + walk + sd * noise, flat, observations)
    lever = lever_of(observations["used"] / (observations["sampling_variance"] + 0.02), observations)
    slope = (lever * replicated).sum(("knot", "slot"))
    observed = (lever * observations["log_error"]).sum(("knot", "slot"))
    probability = (slope > observed).mean("sample")
    return probability.where(observations["sizes"] >= LEAST_SIZES).transpose(CURVE).values


def _noise(rng: np.random.Generator, flat: xr.Dataset, observations: xr.Dataset, more: tuple[str, ...]) -> np.ndarray:
    return rng.standard_normal(
        (flat.sizes["sample"], observations.sizes[CURVE], *(observations.sizes[d] for d in more))
    )


def _against_true_labels(flat: xr.Dataset, observations: xr.Dataset) -> Mapping[Any, Any]:
    """The observations' variances on the scale of errors against true labels, where evaluation labels are noisy."""
    if names.EVALUATION_NOISE not in flat:
        return observations
    data = {name: observations[name] for name in observations.data_vars}
    return true_labels(data, flat[names.EVALUATION_NOISE], observations.attrs[names.CLASSES])[0]


def _as_measured(log_error: xr.DataArray, flat: xr.Dataset, observations: xr.Dataset) -> xr.DataArray:
    """Log errors as evaluation sets with wrong labels show them."""
    if names.EVALUATION_NOISE not in flat:
        return log_error
    error = np.exp(log_error.clip(max=np.log(float(observations.attrs[names.UPPER]))))
    return np.log(measured_error(error, flat[names.EVALUATION_NOISE], observations.attrs[names.CLASSES]))


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


def by_slice(flags: Sequence[tuple[str, ...]], observations: xr.Dataset) -> dict[str, tuple[str, ...]]:
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
