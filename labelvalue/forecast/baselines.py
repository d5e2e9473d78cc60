"""Simple rules: what a user would do instead of a model, as forecasts with samples.

A rule sees the mean error at each size of one curve, as observed and under resampled replicates, and
returns samples of the mean error at the sizes asked for. No rule knows that curves resemble each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from labelvalue.forecast.least_squares import fit_power_laws

SAMPLES = 1000
"""Bootstrap samples of a forecast."""


@dataclass(frozen=True, eq=False)
class ResampledMeans:
    """Mean error at each size of one curve, as observed and under resampled replicates.

    Parameters
    ----------
    labels : numpy.ndarray
        Sizes in rising order, shape (size,).
    observed : numpy.ndarray
        Mean error over all replicates, shape (size,).
    resampled : numpy.ndarray
        Mean error over replicates drawn with replacement, shape (sample, size).
    """

    labels: np.ndarray
    observed: np.ndarray
    resampled: np.ndarray

    def since(self, labels: float) -> ResampledMeans:
        """Keep only sizes of at least ``labels``.

        Parameters
        ----------
        labels : float
            Smallest size kept.

        Returns
        -------
        ResampledMeans
            The same means at fewer sizes.
        """
        keep = self.labels >= labels
        return ResampledMeans(self.labels[keep], self.observed[keep], self.resampled[:, keep])


CurveForecast = Callable[[ResampledMeans, np.ndarray, np.random.Generator], np.ndarray]
"""``forecast(means, targets, rng)``: samples of the error at target sizes, shape (sample, target)."""

Rule = Callable[[ResampledMeans, pd.DataFrame, np.random.Generator], np.ndarray]
"""``rule(means, future, rng)``: samples of the error of each run to forecast, shape (sample, run)."""


def resample_replicates(
    labels: np.ndarray, replicate: np.ndarray, error: np.ndarray, rng: np.random.Generator, samples: int = SAMPLES
) -> ResampledMeans:
    """Bootstrap the mean error of one curve over replicates, each drawn with all its sizes.

    Parameters
    ----------
    labels : array, shape (run,)
        Size of each run.
    replicate : array, shape (run,)
        Replicate of each run.
    error : array, shape (run,)
        Error of each run.
    rng : numpy.random.Generator
        Source of the draws.
    samples : int
        Number of bootstrap samples.

    Returns
    -------
    ResampledMeans
        A size at which a draw holds no run keeps its observed mean.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> means = resample_replicates([100, 100, 200], [0, 1, 0], [0.3, 0.5, 0.2], rng)
    >>> means.labels.tolist(), means.observed.tolist()
    ([100.0, 200.0], [0.4, 0.2])
    """
    table = pd.DataFrame({"replicate": replicate, "size": labels, "error": error})
    table = table.pivot_table(index="replicate", columns="size", values="error").sort_index(axis=1)
    values = table.to_numpy()
    present = np.isfinite(values)
    observed = np.nanmean(values, axis=0)
    counts = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=samples)
    drawn = counts @ present
    totals = counts @ np.nan_to_num(values)
    resampled = np.where(drawn > 0, totals / np.maximum(drawn, 1), observed)
    return ResampledMeans(table.columns.to_numpy(dtype=float), observed, resampled)


def last_value(means: ResampledMeans, targets: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Forecast that the error stays as it is now.

    Parameters
    ----------
    means : ResampledMeans
        Of one curve.
    targets : array, shape (target,)
        Sizes to forecast at.
    rng : numpy.random.Generator, optional
        Not used: the samples are those of the means.

    Returns
    -------
    array, shape (sample, target)
        Errors.

    Examples
    --------
    >>> means = ResampledMeans(np.array([100.0]), np.array([0.2]), np.array([[0.19], [0.21]]))
    >>> last_value(means, np.array([200, 400])).tolist()
    [[0.19, 0.19], [0.21, 0.21]]
    """
    return np.repeat(means.resampled[:, -1:], len(targets), axis=1)


def last_gain_repeats(means: ResampledMeans, steps: np.ndarray, previous: float) -> np.ndarray:
    """Forecast that every further step brings the gain of the last one.

    Parameters
    ----------
    means : ResampledMeans
        Of one curve.
    steps : array, shape (target,)
        Steps from now to forecast at: doublings, or batches.
    previous : float
        Size one step before now; between two sizes the means are joined by a line over log size.

    Returns
    -------
    array, shape (sample, target)
        Errors; may be below zero, which the caller clips.

    Examples
    --------
    >>> means = ResampledMeans(np.array([100.0, 200.0]), np.array([0.3, 0.2]), np.array([[0.3, 0.2]]))
    >>> np.round(last_gain_repeats(means, np.array([1, 2]), previous=100.0), 3).tolist()
    [[0.1, 0.0]]
    """
    size = np.log(means.labels)
    at = np.clip(np.interp(np.log(previous), size, np.arange(len(size))), 0, len(size) - 1)
    low = np.floor(at).astype(int)
    high = min(low + 1, len(size) - 1)
    before = means.resampled[:, low] + (at - low) * (means.resampled[:, high] - means.resampled[:, low])
    now = means.resampled[:, -1]
    return now[:, None] - (before - now)[:, None] * np.asarray(steps, float)


def least_squares(
    means: ResampledMeans,
    targets: np.ndarray,
    rng: np.random.Generator,
    *,
    floor: bool = False,
    residual: bool = False,
    doublings: float = np.inf,
) -> np.ndarray:
    """Extend a least-squares power law through the means, refitted to each bootstrap sample.

    Parameters
    ----------
    means : ResampledMeans
        Of one curve.
    targets : array, shape (target,)
        Sizes to forecast at.
    rng : numpy.random.Generator
        Source of the residual.
    floor : bool
        Three parameters instead of two. Without a floor squares are of relative residuals, which is what a
        straight line on log-log axes minimises; with one they are absolute.
    residual : bool
        Add the fit's residual standard deviation times Student's t, with as many degrees of freedom as
        sizes are left over, to each forecast: the textbook prediction interval on top of the bootstrap.
    doublings : float
        Use only sizes within this many doublings below now.

    Returns
    -------
    array, shape (sample, target)
        Errors; may be below zero, which the caller clips.

    Examples
    --------
    >>> sizes = np.array([100.0, 200.0, 400.0, 800.0])
    >>> error = 0.1 + 0.2 * (sizes / 800) ** -0.5
    >>> means = ResampledMeans(sizes, error, error[None, :])
    >>> np.round(least_squares(means, np.array([3200.0]), np.random.default_rng(1), floor=True), 3).tolist()
    [[0.2]]
    """
    # Sizes are rounded: half a label of slack keeps the outermost one in.
    recent = means.since(means.labels[-1] / 2**doublings - 0.5)
    weights = None if floor else np.maximum(recent.observed, 1e-3) ** -2
    samples = fit_power_laws(recent.labels, recent.resampled, weights, floor=floor).error(targets)
    freedom = len(recent.labels) - (3 if floor else 2)
    if residual and freedom > 0:
        squares = fit_power_laws(recent.labels, recent.observed, weights, floor=floor).squares[0]
        samples = samples + np.sqrt(squares / freedom) * rng.standard_t(freedom, (len(samples), 1))
    return samples


def _least_squares(doublings: float = np.inf) -> Rule:
    """Least squares with a floor and the textbook interval, on so many doublings."""
    return lambda means, future, rng: least_squares(
        means, future["size"].to_numpy(), rng, floor=True, residual=True, doublings=doublings
    )


RULES: dict[str, Rule] = {
    "last value": lambda means, future, rng: last_value(means, future["size"].to_numpy()),
    "last gain repeats": lambda means, future, rng: last_gain_repeats(
        means, future["ahead"].to_numpy(), float(future["previous"].iloc[0])
    ),
    "least squares": _least_squares(),
    "least squares, last 4": _least_squares(4),
    "least squares, last 2": _least_squares(2),
}
"""Rules of a backtest by name; the numbers in names count doublings."""
