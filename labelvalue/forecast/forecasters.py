"""Forecasts of the cells of an origin: by a fit, and by the simple rules."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast import baselines
from labelvalue.forecast.curves import SIZE, curve_dims, error_draws
from labelvalue.forecast.holdout import CURVE, Origin, rungs
from labelvalue.forecast.noisy_evaluation import as_measured
from labelvalue.model import Fit

ROUNDING = 8
"""Sizes within half an eighth of a doubling of each other are one size to a simple rule."""


def model_samples(made: Fit, origin: Origin, cells: pd.DataFrame) -> np.ndarray:
    """Forecast the mean error of each cell with a fit, at the labels and other labels its runs had, as it is measured.

    Parameters
    ----------
    made : Fit
        Fitted to the origin's past.
    origin : Origin
        With the runs to forecast.
    cells : pandas.DataFrame
        From :func:`labelvalue.forecast.measured.measure`.

    Returns
    -------
    array, shape (cell, sample)
        Posterior draws, thinned evenly to as many as the simple rules have.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> from labelvalue.forecast.holdout import frame_of, origins
    >>> from labelvalue.forecast.measured import measure
    >>> fit = fake_fit(seed=1)
    >>> origin = next(origins(frame_of(fit.runs, "size"), "size", [1]))
    >>> model_samples(fit, origin, measure(origin)).shape
    (4, 1000)
    """
    dims, posterior = curve_dims(made), made.posterior
    count = posterior.sizes[names.CHAIN] * posterior.sizes[names.DRAW]
    keep = np.linspace(0, count - 1, min(baselines.SAMPLES, count)).astype(int)
    found: dict[tuple, np.ndarray] = {}
    for curve, future in origin.future.groupby(CURVE):
        where = dict(zip(CURVE, curve, strict=True))
        here = {names.SLICE: [where[names.SLICE]]}
        like = made.position[names.LABELS_NOW].sel(here)
        labels, other = (
            (0.0 * like + xr.DataArray(future[name].to_numpy(float), dims=SIZE)).transpose(*dims, SIZE)
            for name in (names.LABELS, names.OTHER_LABELS)
        )
        of_slice = posterior.sel(here).drop_vars(names.LUCK, errors="ignore")  # measured on the same items
        true = error_draws(of_slice, made, labels, other)
        draws = as_measured(made, of_slice, true).sel({d: where[d] for d in dims})
        error = draws.transpose(SIZE, names.CHAIN, names.DRAW).values.reshape(len(future), count)[:, keep]
        distance = future[names.DISTANCE].to_numpy()
        found |= {(*curve, int(d)): error[distance == d].mean(axis=0) for d in np.unique(distance)}
    return np.stack([found[cell] for cell in cells.index])


def rule_samples(origin: Origin, cells: pd.DataFrame, random_seed: int) -> dict[str, np.ndarray]:
    """Forecast the mean error of each cell with every simple rule.

    Parameters
    ----------
    origin : Origin
        With the runs to see and to forecast.
    cells : pandas.DataFrame
        From :func:`labelvalue.forecast.measured.measure`.
    random_seed : int
        Seed of the bootstrap.

    Returns
    -------
    dict of str to array, shape (cell, sample)
        By rule.

    Examples
    --------
    >>> from labelvalue.testing import fake_runs
    >>> from labelvalue.forecast.holdout import frame_of, origins
    >>> from labelvalue.forecast.measured import measure
    >>> origin = next(origins(frame_of(fake_runs(seed=1), "size"), "size", [1]))
    >>> list(rule_samples(origin, measure(origin), 1))[:2]
    ['last value', 'last gain repeats']
    """
    seen = dict(list(origin.past[origin.past["plain"]].groupby(CURVE)))
    found: dict[str, dict[tuple, np.ndarray]] = {}
    for curve, future in origin.future.groupby(CURVE):
        entropy = [random_seed, origin.steps, *(zlib.crc32(str(name).encode()) for name in curve)]
        rng = np.random.default_rng(entropy)
        past = seen[curve]
        means = baselines.resample_replicates(
            _common_sizes(past), past[names.REPLICATE].to_numpy(), past[names.ERROR].to_numpy(), rng
        )
        distance = future[names.DISTANCE].to_numpy()
        for rule, forecast in baselines.RULES.items():
            error = forecast(means, future, rng)
            found.setdefault(rule, {}).update(
                {(*curve, int(d)): error[:, distance == d].mean(axis=1) for d in np.unique(distance)}
            )
    return {rule: np.stack([by_cell[cell] for cell in cells.index]) for rule, by_cell in found.items()}


def _common_sizes(past: pd.DataFrame) -> np.ndarray:
    """Sizes that differ by less than a rounding count as one, at their geometric mean."""
    rung = rungs(past["size"], past["size"] * 0 + past["size"].max(), ROUNDING)
    return np.exp(np.log(past["size"]).groupby(rung).transform("mean")).to_numpy()


def measured_now(origin: Origin) -> pd.Series:
    """Average the error at each curve's largest size seen: where gains are counted from.

    Parameters
    ----------
    origin : Origin
        With the runs seen.

    Returns
    -------
    pandas.Series
        Mean error; index slice, learner, suite.

    Examples
    --------
    >>> from labelvalue.forecast.holdout import frame_of, origins
    >>> from labelvalue.testing import fake_runs
    >>> measured_now(next(origins(frame_of(fake_runs(seed=1), "size"), "size", [1]))).size
    4
    """
    past = origin.past[origin.past["plain"]]
    largest = past.groupby(CURVE)["size"].transform("max")
    return past[rungs(past["size"], largest, ROUNDING) == 0].groupby(CURVE)[names.ERROR].mean()
