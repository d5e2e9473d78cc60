"""Labels needed to reach a target error: a posterior, with the probability that they never will."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.curves import SIZE, error_draws, in_blocks
from labelvalue.model import Fit

HORIZON = 10
"""Doublings from now that are searched."""
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
    targets = np.atleast_1d(np.asarray(target, dtype=float))
    if targets.size == 0 or not (np.isfinite(targets).all() and (targets > 0).all()):
        raise ValueError(f"target must be an error > 0, got {target!r}")

    def compute(posterior: xr.Dataset, position: xr.Dataset) -> xr.DataArray:
        labels = sizes_ahead(position)
        other = position[names.OTHER_LABELS_NOW].broadcast_like(labels)
        error = error_draws(posterior, fit, labels, other)
        now = position[names.LABELS_NOW].values
        crossings = [crossing(error, labels, now, value) for value in targets]
        return xr.DataArray(np.stack(crossings, axis=-1), dims=(*error.dims[:-1], names.TARGET))

    needed = in_blocks(fit, 4 * (HORIZON * STEPS_PER_DOUBLING + 1), compute, names.LABELS_NEEDED, names.TARGET, targets)
    needed.attrs[names.UNIT] = "labels"
    return needed


def sizes_ahead(position: xr.Dataset) -> xr.DataArray:
    """Lay out the sizes, from now on, among which a crossing is looked for.

    Parameters
    ----------
    position : xarray.Dataset
        From ``fit.position``.

    Returns
    -------
    xarray.DataArray
        Labels, dims slice (and learner, suite) and ``size``.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> sizes_ahead(fake_fit(seed=1).position).sizes["size"]
    81
    """
    grid = xr.DataArray(2.0 ** (np.arange(HORIZON * STEPS_PER_DOUBLING + 1) / STEPS_PER_DOUBLING), dims=SIZE)
    return position[names.LABELS_NOW].clip(min=1.0) * grid


def crossing(values: xr.DataArray, labels: xr.DataArray, now: np.ndarray, target: float) -> np.ndarray:
    """Find the first size at which each draw of a quantity is at or below a target, on the log scale.

    Parameters
    ----------
    values : xarray.DataArray
        Draws, > 0; last dim ``size``.
    labels : xarray.DataArray
        From :func:`sizes_ahead`.
    now : array
        Labels now, by slice (and learner, suite).
    target : float
        > 0.

    Returns
    -------
    array
        Without the last dim: ``now`` where it is reached there already, infinite where nowhere.

    Examples
    --------
    See :func:`labels_needed`.
    """
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
