"""Evaluation labels: can a gain be seen with those there are, and how many would do."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.holdout import as_measured, left_of_differences
from labelvalue.forecast.gains.curves import curve_dims, flag_texts
from labelvalue.forecast.gains.gains import predict_gain
from labelvalue.forecast.interventions.alternatives import EvaluationLabels
from labelvalue.forecast.interventions.intervention import Intervention, checked, done_for, predict_gain_with
from labelvalue.model.fitting.result import Fit, once
from labelvalue.settings import Checks

CHANCE = 0.05  # probability of seeing a gain where there is none
MOST = 2.0**14  # times today's evaluation set up to which a larger one is looked for
STEPS = 24  # halvings of its log: to a millionth


def detection_power(
    fit: Fit,
    budgets: Sequence[int],
    *,
    interventions: Intervention | Sequence[Intervention] = (),
    noise: Any = None,
    replicates: int = 1,
) -> xr.DataArray:
    """Draw the power to see each slice's gain: the probability that a measurement after it shows one.

    Before and after, ``replicates`` models are trained and evaluated on one evaluation set; a gain is seen where the
    difference is larger than chance allows one time in twenty. Wrong evaluation labels shrink what is seen.

    Parameters
    ----------
    fit : Fit
        Fit.
    budgets : sequence of int
        Extra labels, ≥ 0.
    interventions : Intervention or sequence of Intervention
        What is done beside the labels: its gain is to be seen too, and ``EvaluationLabels`` are added to the evaluation
        set of the runs.
    noise : optional
        Share of wrong labels, where they need it; as for :func:`labelvalue.predict_gain_with`.
    replicates : int
        Models trained before and after, ≥ 1.

    Returns
    -------
    xarray.DataArray
        ``power``, dims chain, draw, slice (and learner, suite), budget, 0 to 1. Its mean over draws is the probability
        that the promised gain is seen. Coordinate ``evaluation_labels``.

    Raises
    ------
    InputError
        If a number is out of range, or an intervention lacks what it needs.
    ValueError
        If a budget is not a whole number ≥ 0.

    References
    ----------
    O'Hagan, Stevens and Campbell (2005), "Assurance in clinical trial design", Pharmaceutical Statistics 4.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> power = detection_power(fake_fit(seed=1), [0, 8000])
    >>> bool((power.mean(("chain", "draw")).sel(budget=0).round(2) == 0.05).all())
    True
    """
    checks = Checks()
    checks.whole("replicates", replicates, least=1)
    checks.finish()
    done = checked(fit, interventions)
    gain = predict_gain_with(fit, done, budgets, noise=noise)
    return power_of(fit, gain, evaluation_size(fit) + evaluation_added(fit, done), replicates)


def evaluation_added(fit: Fit, interventions: Sequence[Intervention]) -> xr.DataArray:
    """Count the evaluation labels that interventions add."""
    added = xr.DataArray(np.zeros(fit.slices.size), dims=names.SLICE, coords={names.SLICE: fit.slices})
    for one in interventions:
        if isinstance(one, EvaluationLabels):
            added = added + one.labels * done_for(one, added)
    return added.rename(names.EVALUATION_LABELS)


def evaluation_size(fit: Fit) -> xr.DataArray:
    """Return the size of each slice's evaluation set in the runs, which a fit keeps for whoever asks again."""
    return once(fit, (names.EVALUATION_LABELS,), partial(_evaluation_size, fit))


def _evaluation_size(fit: Fit) -> xr.DataArray:
    """Mean of the sizes of evaluation sets at the largest training sizes (slice, and learner)."""
    posterior, position = fit.posterior, fit.position
    error = as_measured(fit, posterior, posterior[names.ERROR_REFERENCE]).mean(names.SAMPLE)
    size = (1.0 / error - 1.0).clip(min=1e-3) / position[names.ONE_RUN_VARIANCE]
    runs = fit.runs
    if names.TRIALS in runs:
        keys = [str(d) for d in curve_dims(fit)]
        frame = runs[[*keys, names.LABELS, names.TRIALS]].to_dataframe()
        top = frame[frame[names.LABELS] >= 0.5 * frame.groupby(keys)[names.LABELS].transform("max")]
        mean = top.groupby(keys)[names.TRIALS].mean().to_xarray()
        size = mean.reindex_like(position[names.LABELS_NOW]).fillna(size)
    return size.transpose(*curve_dims(fit)).rename(names.EVALUATION_LABELS)


def power_of(fit: Fit, gain: xr.DataArray, size: xr.DataArray, replicates: int) -> xr.DataArray:
    """Draw the power to see a gain that is there already as draws."""
    numbers = gain[names.BUDGET].values
    posterior, position = fit.posterior, fit.position
    now = posterior[names.ERROR_NOW]
    later = now - gain
    kept = left_of_differences(fit, posterior)
    before, after = as_measured(fit, posterior, now), as_measured(fit, posterior, later)
    today = evaluation_size(fit)
    sampling = position[names.ONE_RUN_VARIANCE] * today / size
    reference = as_measured(fit, posterior, posterior[names.ERROR_REFERENCE])
    odds = (1.0 / reference - 1.0).clip(min=1e-3) if np.isfinite(float(fit.settings["upper"])) else None

    def of(error: xr.DataArray) -> xr.DataArray:
        """Variance of an evaluation's error by the sampling of its items."""
        own = 1.0 if odds is None else (1.0 / error - 1.0).clip(min=0.0) / odds
        return error**2 * sampling * own

    differs = posterior["churn"]
    labels = position[names.LABELS_NOW] + xr.DataArray(numbers, dims=names.BUDGET, coords={names.BUDGET: numbers})
    total = position[names.REFERENCE_LABELS] + position[names.REFERENCE_OTHER_LABELS]
    first, last = ((own + position[names.OTHER_LABELS_NOW]) / total for own in (position[names.LABELS_NOW], labels))
    training, decay = posterior[names.TRAINING_SD] ** 2, posterior["training_decay"]
    trained = training * kept**2 * (now**2 * first ** (-decay) + later**2 * last ** (-decay)) / replicates
    # Paired on one set: what both models share cancels out; each measured model adds its churn.
    sd = np.sqrt(differs * (of(before) + of(after)) + trained)
    power = xr.apply_ufunc(scipy.special.ndtr, (before - after) / sd + scipy.special.ndtri(CHANCE))
    power = power.transpose(*names.SAMPLE, *curve_dims(fit), names.BUDGET).rename(names.POWER)
    power = power.assign_coords({names.FLAGS: (names.SLICE, flag_texts(fit)), names.EVALUATION_LABELS: size})
    power.attrs = {names.UNIT: "probability", "verdict": fit.diagnostics.verdict}
    power.attrs |= {key: gain.attrs[key] for key in (names.NOTES, names.INTERVENTIONS) if key in gain.attrs}
    return power


def evaluation_needed(fit: Fit, budgets: Sequence[int], *, power: float = 0.8, replicates: int = 1) -> xr.DataArray:
    """Return the smallest evaluation set with which the promised gain is seen with a stated probability.

    Parameters
    ----------
    fit : Fit
        Fit.
    budgets : sequence of int
        Extra labels, > 0.
    power : float
        Probability with which it is to be seen, averaged over the posterior.
    replicates : int
        Models trained before and after, ≥ 1.

    Returns
    -------
    xarray.DataArray
        ``evaluation_labels``, dims slice (and learner, suite), budget: labels of a slice's evaluation set in all;
        infinite where no set would do, since training varies too much or the gain is too unsure.

    Raises
    ------
    InputError
        If a number is out of range.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> needed = evaluation_needed(fake_fit(seed=1), [500, 8000], replicates=5)
    >>> bool((needed.sel(budget=8000) <= needed.sel(budget=500)).all())
    True
    """
    checks = Checks()
    checks.share(names.POWER, power)
    checks.whole("replicates", replicates, least=1)
    checks.finish()
    return size_needed(fit, predict_gain(fit, budgets), power, replicates)


def size_needed(fit: Fit, gain: xr.DataArray, power: float, replicates: int) -> xr.DataArray:
    """Find the smallest evaluation set with which a gain is seen that is there already as draws."""
    size = evaluation_size(fit)

    def seen(sizes: xr.DataArray) -> xr.DataArray:
        return power_of(fit, gain, sizes, replicates).mean(names.SAMPLE) >= power

    like = gain.isel(dict.fromkeys(names.SAMPLE, 0), drop=True) * 0.0
    low, high = like, like + np.log(MOST) + np.log(size)
    enough = seen(np.exp(high))
    for _ in range(STEPS if bool(enough.any()) else 0):
        middle = 0.5 * (low + high)
        there = seen(np.exp(middle))
        low, high = low.where(there, middle), high.where(~there, middle)
    needed = np.exp(high).where(enough, np.inf).rename(names.EVALUATION_LABELS)
    needed.attrs = {names.UNIT: "labels", "power": power, "verdict": fit.diagnostics.verdict}
    return needed


SHARES = np.round(np.linspace(0.0, 0.9, 19), 3)  # shares of a budget for evaluation labels that are tried


def split_budget(
    fit: Fit,
    money: float,
    *,
    price: float,
    evaluation_price: float | None = None,
    replicates: int = 1,
) -> xr.Dataset:
    """Split a sum between labels for training and labels for evaluation, slice by slice.

    What is maximised is the gain that will be seen: gain times power, averaged over the posterior.

    Parameters
    ----------
    fit : Fit
        Fit.
    money : float
        Sum to spend on a slice, > 0.
    price, evaluation_price : float
        Price of a training label and of an evaluation label; the same by default.
    replicates : int
        Models trained before and after.

    Returns
    -------
    xarray.Dataset
        Dims slice (and learner, suite): ``labels`` bought for training, ``evaluation_labels`` bought for evaluation,
        ``seen`` (expected gain that is seen), ``gain`` (expected gain), ``power``, and ``unsplit``, what would be seen
        if all went into training labels.

    Raises
    ------
    InputError
        If a number is out of range.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> split = split_budget(fake_fit(seed=1), 500, price=0.1)
    >>> bool((split["seen"] >= split["unsplit"]).all())
    True
    """
    each = price if evaluation_price is None else evaluation_price
    checks = Checks()
    for key, value in (("money", money), ("price", price), ("evaluation_price", each)):
        checks.number(key, value, above=True)
    checks.whole("replicates", replicates, least=1)
    checks.finish()
    today = evaluation_size(fit)
    parts = []
    for share in SHARES:
        more, labels = int(money * share / each), int(money * (1 - share) / price)
        gain = predict_gain(fit, [labels])
        power = power_of(fit, gain, today + more, replicates)
        gain, power = (drawn.isel({names.BUDGET: 0}, drop=True) for drawn in (gain, power))
        found = {
            "seen": (gain * power).mean(names.SAMPLE),
            names.GAIN: gain.mean(names.SAMPLE),
            names.POWER: power.mean(names.SAMPLE),
        }
        one = xr.Dataset({name: value.reset_coords(drop=True) for name, value in found.items()})
        parts.append(one.assign({names.LABELS: labels, names.EVALUATION_LABELS: more}))
    tried = xr.concat(parts, dim="share")
    best = tried["seen"].argmax("share")
    made = tried.isel(share=best).assign(unsplit=tried["seen"].isel(share=0))
    attrs = {"money": float(money), "price": float(price), "evaluation_price": float(each)}
    return made.assign_attrs(attrs | {"verdict": fit.diagnostics.verdict})
