"""Gains from labels, the error itself, and the impact of one more label: per draw, by slice."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.holdout import as_measured, left_of_differences
from labelvalue.forecast.gains.curves import SIZE, curve_dims, error_draws, flag_texts, in_blocks
from labelvalue.model.fitting.result import Fit, name_of_curve
from labelvalue.numerals import MAX_COUNT
from labelvalue.printing import as_lines
from labelvalue.problems import quote
from labelvalue.settings import is_number

LIKELY = 0.9  # P(gain > 0) above which it is asked whether the runs of the curve show any fall


def whole_numbers(values: Iterable[Any], what: str) -> tuple[np.ndarray, list[str]]:
    """Check a list of label counts (n,)."""
    given = [values] if isinstance(values, (int, float, str)) else list(values)
    if not given:
        raise ValueError(f"no {what} given. Fix: give at least one whole number ≥ 0, such as [500, 2000].")
    wrong = [v for v in given if not _whole(v)]
    if wrong:
        shown = ", ".join(quote(v) for v in wrong)
        why = f"{what} must be a whole number ≥ 0, at most {MAX_COUNT:,}, got {shown}"
        raise ValueError(f"{why}. Fix: give counts of labels, such as 500.")
    numbers = [int(v) for v in given]
    kept = list(dict.fromkeys(numbers))
    notes = [] if len(kept) == len(numbers) else [f"the same {what} was given twice; duplicates were dropped"]
    return np.array(kept, dtype=np.int64), notes


def _whole(value: Any) -> bool:
    return is_number(value) and float(value).is_integer() and 0 <= value <= MAX_COUNT


def predict_gain(fit: Fit, budgets: Sequence[int]) -> xr.DataArray:
    """Draw each slice's own gain: the drop in expected error from now to now + budget.

    Labels are bought for the slice alone. The draws carry the uncertainty of the curve's parameters and of its shape,
    but no training or evaluation noise (see :func:`predict_observed_gain`).

    Parameters
    ----------
    fit : Fit
        Fit.
    budgets : sequence of int
        Extra labels, ≥ 0.

    Returns
    -------
    xarray.DataArray
        ``gain``, dims chain, draw, slice (and learner), budget; unit of the error, positive is good, exactly 0 at
        budget 0. Coordinates: ``labels_now``, ``doublings`` (distance beyond the data), ``flags``.

    Raises
    ------
    ValueError
        If no budget is given, or one is not a whole number ≥ 0.

    References
    ----------
    Mahmood et al. (2022), "How much more data do I need?", CVPR, for the question.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> predict_gain(fake_fit(seed=1), budgets=[0, 500]).sel(budget=0).max().item()
    0.0
    """
    return _gain(fit, budgets, names.GAIN, noisy=False)


def predict_observed_gain(fit: Fit, budgets: Sequence[int]) -> xr.DataArray:
    """Draw the drop in error that one new training and evaluation would show after buying a budget.

    Gain, plus the variation of one training run and the sampling of one evaluation of the size used so far; where the
    evaluation labels are noisy, as they will show it.

    Parameters
    ----------
    fit : Fit
        Fit.
    budgets : sequence of int
        Extra labels, ≥ 0.

    Returns
    -------
    xarray.DataArray
        ``observed_gain``, dims chain, draw, slice (and learner), budget; unit of the error. Wider than the gain, also
        at budget 0. Coordinates as for :func:`predict_gain`.

    Raises
    ------
    ValueError
        If no budget is given, or one is not a whole number ≥ 0.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> bool(predict_observed_gain(fit, [500]).std() > predict_gain(fit, [500]).std())
    True
    """
    return _gain(fit, budgets, names.OBSERVED_GAIN, noisy=True)


def _gain(fit: Fit, budgets: Sequence[int], name: str, *, noisy: bool) -> xr.DataArray:
    numbers, notes = whole_numbers(budgets, "budget")
    extra = xr.DataArray(np.concatenate([[0], numbers]), dims=SIZE)

    def compute(posterior: xr.Dataset, position: xr.Dataset) -> xr.DataArray:
        labels = position[names.LABELS_NOW] + extra
        other = position[names.OTHER_LABELS_NOW].broadcast_like(labels)
        if noisy:  # measured on the same items
            posterior = posterior.drop_vars(names.LUCK, errors="ignore")
        error = error_draws(posterior, fit, labels, other)
        later = error.isel({SIZE: slice(1, None)})
        if not noisy:
            return error.isel({SIZE: 0}) - later
        seen = as_measured(fit, posterior, later)
        before = as_measured(fit, posterior, error.isel({SIZE: 0}))
        return before - seen * _one_run(fit, posterior, position, later, labels + other)

    gain = in_blocks(fit, numbers.size + 1, compute, name, names.BUDGET, numbers)
    gain.attrs[names.NOTES] = as_lines([*notes, *assumed_falls(fit, gain)])
    return gain


def assumed_falls(fit: Fit, gain: xr.DataArray) -> list[str]:
    """Say which gains are likely only because the model's curves fall, though no run of theirs shows it."""
    each = [np.mean(gain.values[:, :, place] > 0, axis=(0, 1)) for place in range(gain.shape[2])]
    likely = (gain[0, 0].copy(data=np.stack(each)) > LIKELY).any(names.BUDGET)
    shown = fit.falls
    if set(shown.dims) != set(likely.dims):
        return []
    shown = shown.reindex({d: likely[d] for d in likely.dims}, fill_value=False).transpose(*likely.dims)
    found = (likely & ~shown).stack(curve=(...,))
    which = [name_of_curve(key) for key in found["curve"].values[found.values]]
    if not which:
        return []
    runs = f"{'their' if len(which) > 1 else 'its'} own runs show no fall yet"
    return [f"P(gain > 0) of {', '.join(which)} is the model's assumption that curves fall: {runs}"]


def _one_run(
    fit: Fit, posterior: xr.Dataset, position: xr.Dataset, error: xr.DataArray, total: xr.DataArray
) -> np.ndarray:
    """Factors of mean 1 by which training scatters the true error, and sampling of an evaluation the measured one."""
    reference = position[names.REFERENCE_LABELS] + position[names.REFERENCE_OTHER_LABELS]
    growth = (total / reference).isel({SIZE: slice(1, None)})
    seen = as_measured(fit, posterior, error)
    true = left_of_differences(fit, posterior) * error / seen  # share of what is measured
    training = (posterior[names.TRAINING_SD] * true) ** 2 * growth ** (-posterior["training_decay"])
    differs = 1.0 - position[names.SHARED] * (1.0 - posterior["churn"])
    upper = float(fit.settings["upper"])
    level = as_measured(fit, posterior, posterior[names.ERROR_REFERENCE])
    bounded = np.isfinite(upper)
    odds = (upper / seen - 1.0) / np.maximum(upper / level - 1.0, 1e-3) if bounded else xr.ones_like(seen)
    sampling = position[names.ONE_RUN_VARIANCE] * differs * np.maximum(odds, 0.0)
    variance = (training + sampling).transpose(*error.dims)
    noise = _own_noise(fit, variance, total)
    return np.exp(np.sqrt(variance.values) * noise - 0.5 * variance.values)


def _own_noise(fit: Fit, variance: xr.DataArray, total: xr.DataArray) -> np.ndarray:
    """Standard normal noise that depends on the curve and its size alone, not on what else is asked for."""
    noise = np.empty(variance.shape)
    curve = curve_dims(fit)
    sizes = total.transpose(*curve, SIZE).values[..., 1:]
    for index in np.ndindex(*sizes.shape):
        text = [str(variance[d].values[i]) for d, i in zip(curve, index[:-1], strict=True)]
        entropy = [fit.settings["random_seed"], 7, int(sizes[index]), *(zlib.crc32(t.encode()) for t in text)]
        noise[:, :, *index] = np.random.default_rng(entropy).standard_normal(variance.shape[:2])
    return noise


def predict_error(
    fit: Fit, labels: Sequence[int], other_labels: Sequence[int] | Literal["proportional"] | None = None
) -> xr.DataArray:
    """Draw the learning curve itself: expected error at absolute label counts.

    Parameters
    ----------
    fit : Fit
        Fit.
    labels : sequence of int
        Labels of the slice, ≥ 0.
    other_labels : sequence of int, "proportional" or None
        Labels of all other slices that go with each of ``labels``: a list of the same length; ``"proportional"`` lets
        them grow with the slice's own; ``None`` keeps them at now.

    Returns
    -------
    xarray.DataArray
        ``error``, dims chain, draw, slice (and learner), labels; unit of the error. Coordinates: ``labels_now``,
        ``doublings``, ``flags``.

    Raises
    ------
    ValueError
        If a number is not whole or negative, or the two lists differ in length.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> predict_error(fake_fit(seed=1), labels=[4000, 8000]).sizes["labels"]
    2
    """
    numbers, notes = whole_numbers(labels, "labels")
    sizes = xr.DataArray(numbers.astype(float), dims=SIZE)
    others: xr.DataArray | None = None
    if isinstance(other_labels, str):
        if other_labels != "proportional":
            raise ValueError(f"other_labels must be a list, 'proportional' or None, got {other_labels!r}")
    elif other_labels is not None:
        given = list(other_labels)
        if len(given) != len(list(labels)) or any(not _whole(v) for v in given):
            raise ValueError(f"other_labels must hold a whole number ≥ 0 for each of labels, got {other_labels!r}")
        pairs = set(zip([int(v) for v in labels], given, strict=True))
        paired = dict(pairs)
        if len(pairs) > len(paired):
            raise ValueError(f"one size of labels with several other_labels; ask for one at a time, got {labels!r}")
        others = xr.DataArray([float(paired[int(n)]) for n in numbers], dims=SIZE)

    def compute(posterior: xr.Dataset, position: xr.Dataset) -> xr.DataArray:
        now, other_now = position[names.LABELS_NOW], position[names.OTHER_LABELS_NOW]
        own = sizes.broadcast_like(now * sizes).transpose(*now.dims, SIZE)
        if others is not None:
            other = others.broadcast_like(own)
        elif other_labels == "proportional":
            other = other_now * own / np.maximum(now, 1.0)
        else:
            other = other_now.broadcast_like(own)
        return error_draws(posterior, fit, own, other)

    return in_blocks(fit, numbers.size, compute, names.ERROR, names.LABELS, numbers, notes)


def impact(fit: Fit, per: int = 1) -> xr.DataArray:
    """Draws of the per-label impact: expected drop in error from one more label at today's position.

    Parameters
    ----------
    fit : Fit
        Fit.
    per : int
        Labels the impact is stated for, ≥ 1; a rate at today's position, not the gain of that many labels.

    Returns
    -------
    xarray.DataArray
        ``impact``, dims chain, draw, slice (and learner); error per ``per`` labels. Coordinates ``labels_now`` and
        ``flags``.

    Raises
    ------
    ValueError
        If ``per`` is not a whole number ≥ 1.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> bool((impact(fit, per=1000) > 0).all())
    True
    """
    if not _whole(per) or per < 1:
        raise ValueError(f"per must be a whole number ≥ 1, got {per!r}")
    values = fit.posterior[names.IMPACT] * per
    values = values.assign_coords({names.FLAGS: (names.SLICE, flag_texts(fit))})
    values.coords[names.LABELS_NOW] = fit.position[names.LABELS_NOW].variable
    values.attrs = {
        names.UNIT: f"error per {per:,} labels" if per > 1 else "error per label",
        names.METRIC: fit.settings["metric"],
        "verdict": fit.diagnostics.verdict,
        "per": per,
    }
    return values


HORIZON = 10  # doublings from now that are searched
STEPS_PER_DOUBLING = 8


def labels_needed(fit: Fit, target: float | Sequence[float]) -> xr.DataArray:
    """Draw the labels of a slice at which its expected error reaches a target, other slices kept at now.

    Parameters
    ----------
    fit : Fit
        Fit.
    target : float or sequence of float
        Target errors, > 0, in the unit of the error.

    Returns
    -------
    xarray.DataArray
        ``labels_needed``, dims chain, draw, slice (and learner), target: labels in total, not in addition;
        ``labels_now`` where the target is met already, infinite where it is not met within ten
        doublings. Its mean is therefore no summary: use quantiles, and the share of infinite draws.

    Raises
    ------
    ValueError
        If a target is not a positive finite number.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> bool(np.isinf(labels_needed(fake_fit(seed=1), 1e-9)).all())
    True
    """

    def error(posterior: xr.Dataset, position: xr.Dataset, labels: xr.DataArray) -> xr.DataArray:
        return error_draws(posterior, fit, labels, position[names.OTHER_LABELS_NOW].broadcast_like(labels))

    return crossings(fit, error, target, "an error", names.LABELS_NEEDED, names.TARGET)


def crossings(
    fit: Fit,
    along: Callable[[xr.Dataset, xr.Dataset, xr.DataArray], xr.DataArray],
    target: float | Sequence[float],
    what: str,
    name: str,
    dim: str,
    notes: Iterable[str] = (),
) -> xr.DataArray:
    """Draw the labels, from now on, at which a quantity along the curve is first at or below each target."""
    targets = np.atleast_1d(np.asarray(target, dtype=float))
    if targets.size == 0 or not (np.isfinite(targets).all() and (targets > 0).all()):
        raise ValueError(f"{dim} must be {what} > 0, got {target!r}")
    grid = xr.DataArray(2.0 ** (np.arange(HORIZON * STEPS_PER_DOUBLING + 1) / STEPS_PER_DOUBLING), dims=SIZE)

    def compute(posterior: xr.Dataset, position: xr.Dataset) -> xr.DataArray:
        now = position[names.LABELS_NOW]
        labels = now.clip(min=1.0) * grid
        values = along(posterior, position, labels)
        found = [crossing(values.clip(min=value * 1e-6), labels, now.values, value) for value in targets]
        return xr.DataArray(np.stack(found, axis=-1), dims=(*values.dims[:-1], dim))

    return in_blocks(fit, 4 * grid.size, compute, name, dim, targets, notes).assign_attrs({names.UNIT: "labels"})


def crossing(values: xr.DataArray, labels: xr.DataArray, now: np.ndarray, target: float) -> np.ndarray:
    """Find the first size at which each draw of a quantity is at or below a target, on the log scale."""
    log_value, log_labels = np.log(values.values), np.broadcast_to(np.log(labels.values), values.shape)
    below = log_value <= np.log(target)
    first = below.argmax(axis=-1)
    before = np.maximum(first - 1, 0)

    def take(found: np.ndarray, index: np.ndarray) -> np.ndarray:
        return np.take_along_axis(found, index[..., None], axis=-1)[..., 0]

    high, low = take(log_value, before), take(log_value, first)
    share = np.divide(high - np.log(target), high - low, out=np.zeros_like(high), where=high > low)
    at = take(log_labels, before) + np.clip(share, 0.0, 1.0) * (take(log_labels, first) - take(log_labels, before))
    return np.where(below[..., 0], now, np.where(below.any(axis=-1), np.exp(at), np.inf))
