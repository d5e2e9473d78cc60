"""Forecasts of the cells of an origin: by a fit, and by the simple rules."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.holdout import CURVE, Origin, as_measured, rungs
from labelvalue.forecast.gains.bootstrap import fit_power_laws
from labelvalue.forecast.gains.curves import SIZE, curve_dims, error_draws
from labelvalue.model.fitting.result import Fit

SAMPLES = 1000  # bootstrap samples of a forecast


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
        """Keep only sizes of at least ``labels``."""
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

    Shapes: ``labels`` (run,), ``replicate`` (run,), ``error`` (run,).
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

    Shapes: ``targets`` (target,); gives (sample, target).
    """
    return np.repeat(means.resampled[:, -1:], len(targets), axis=1)


def last_gain_repeats(means: ResampledMeans, steps: np.ndarray, previous: float) -> np.ndarray:
    """Forecast that every further step brings the gain of the last one.

    Shapes: ``steps`` (target,); gives (sample, target).
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

    Shapes: ``targets`` (target,); gives (sample, target).
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


REPEATS = "last gain repeats"
RULES: dict[str, Rule] = {
    "last value": lambda means, future, rng: last_value(means, future["size"].to_numpy()),
    REPEATS: lambda means, future, rng: last_gain_repeats(
        means, future["ahead"].to_numpy(), float(future["previous"].iloc[0])
    ),
    "least squares": _least_squares(),
    "least squares, last 4": _least_squares(4),
    "least squares, last 2": _least_squares(2),
}  # rules of a backtest by name; the numbers in names count doublings


ROUNDING = 8  # sizes within half an eighth of a doubling of each other are one size to a simple rule


def model_samples(made: Fit, origin: Origin, cells: pd.DataFrame) -> np.ndarray:
    """Forecast the mean error of each cell with a fit, at the labels and other labels its runs had, as it is measured.

    Shapes: gives (cell, sample).
    """
    dims, posterior = curve_dims(made), made.posterior
    count = posterior.sizes[names.CHAIN] * posterior.sizes[names.DRAW]
    keep = np.linspace(0, count - 1, min(SAMPLES, count)).astype(int)
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


def rule_samples(
    origin: Origin, cells: pd.DataFrame, random_seed: int, rules: Mapping[str, Rule] = RULES
) -> dict[str, np.ndarray]:
    """Forecast the mean error of each cell with every simple rule, or these.

    Shapes: gives (cell, sample).
    """
    seen = dict(list(origin.past[origin.past["plain"]].groupby(CURVE)))
    found: dict[str, dict[tuple, np.ndarray]] = {}
    for curve, future in origin.future.groupby(CURVE):
        entropy = [random_seed, origin.steps, *(zlib.crc32(str(name).encode()) for name in curve)]
        rng = np.random.default_rng(entropy)
        past = seen[curve]
        means = resample_replicates(
            _common_sizes(past), past[names.REPLICATE].to_numpy(), past[names.ERROR].to_numpy(), rng
        )
        distance = future[names.DISTANCE].to_numpy()
        for rule, forecast in rules.items():
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
    """Average the error at each curve's largest size seen: where gains are counted from."""
    past = origin.past[origin.past["plain"]]
    largest = past.groupby(CURVE)["size"].transform("max")
    return past[rungs(past["size"], largest, ROUNDING) == 0].groupby(CURVE)[names.ERROR].mean()
