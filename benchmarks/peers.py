"""What a user would do instead: forecasts without a model of how curves resemble each other.

Each peer is a function of a problem and a seed that returns samples of the mean error, shape (curve,
distance, sample). Least-squares peers see the mean error at each size, as `scipy.optimize.curve_fit` would,
and get their uncertainty by resampling replicates; `benchmarks/README.md` says which variants were tried
and why these were kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.least_squares import fit_power_laws
from benchmarks.problems import Problem

VERSION = 1
"""Raise it when a peer's forecasts change: cached ones are then made anew."""
SAMPLES = 1000
SCALING_LAWS_DRAWS = 100
"""Bootstrap refits of simple-scaling-laws; 100 cost about a second per curve."""


@dataclass(frozen=True, eq=False)
class ResampledMeans:
    """Mean error at each size of one curve, as observed and under resampled replicates.

    Attributes
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
        """Only sizes of at least ``labels``."""
        keep = self.labels >= labels
        return ResampledMeans(self.labels[keep], self.observed[keep], self.resampled[:, keep])


def resample_replicates(runs: pd.DataFrame, rng: np.random.Generator, samples: int = SAMPLES) -> ResampledMeans:
    """Bootstrap the mean error of one curve over replicates, each drawn with all its sizes.

    Parameters
    ----------
    runs : pandas.DataFrame
        Runs of one slice and learner.
    rng : numpy.random.Generator
        Source of the draws.
    samples : int
        Number of bootstrap samples.

    Returns
    -------
    ResampledMeans
        A size at which a draw holds no run keeps its observed mean.
    """
    error = (runs["errors"] / runs["trials"]).rename("error")
    table = pd.concat([runs[["replicate", "labels"]], error], axis=1)
    table = table.pivot_table(index="replicate", columns="labels", values="error").sort_index(axis=1)
    values = table.to_numpy()
    present = np.isfinite(values)
    observed = np.nanmean(values, axis=0)
    counts = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=samples)
    drawn = counts @ present
    totals = counts @ np.nan_to_num(values)
    resampled = np.where(drawn > 0, totals / np.maximum(drawn, 1), observed)
    return ResampledMeans(table.columns.to_numpy(dtype=float), observed, resampled)


CurveForecast = Callable[[ResampledMeans, np.ndarray, np.random.Generator], np.ndarray]


def _each_curve(problem: Problem, seed: int, forecast: CurveForecast) -> np.ndarray:
    """Stack ``forecast(means, targets, rng)``, of shape (sample, distance), over the curves of a problem."""
    rng = np.random.default_rng(seed)
    curves = [
        forecast(resample_replicates(runs, rng), targets, rng)
        for runs, targets in zip(problem.curve_runs(), problem.targets, strict=True)
    ]
    return np.clip(np.stack(curves).transpose(0, 2, 1), 0.0, 1.0)


def last_value(problem: Problem, seed: int) -> np.ndarray:
    """The mean error now, forever."""
    return _each_curve(
        problem, seed, lambda means, targets, _: np.repeat(means.resampled[:, -1:], len(targets), axis=1)
    )


def power_law(
    problem: Problem, seed: int, *, floor: bool = False, residual: bool = False, doublings: float = np.inf
) -> np.ndarray:
    """Least-squares power law on the means, refitted to each bootstrap sample.

    Parameters
    ----------
    problem : Problem
        What to forecast.
    seed : int
        Of the bootstrap.
    floor : bool
        Three parameters instead of two. Without a floor squares are of relative residuals, which is what a
        straight line on log-log axes minimises; with one they are absolute.
    residual : bool
        Add the fit's residual standard deviation times Student's t, with as many degrees of freedom as
        sizes are left over, to each forecast: the textbook prediction interval on top of the bootstrap.
    doublings : float
        Use only sizes within this many doublings below now.
    """
    parameters = 3 if floor else 2

    def forecast(means: ResampledMeans, targets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        # Sizes are rounded: half a label of slack keeps the outermost one in.
        recent = means.since(means.labels[-1] / 2**doublings - 0.5)
        weights = None if floor else np.maximum(recent.observed, 1e-3) ** -2
        samples = fit_power_laws(recent.labels, recent.resampled, weights, floor=floor).error(targets)
        freedom = len(recent.labels) - parameters
        if residual and freedom > 0:
            squares = fit_power_laws(recent.labels, recent.observed, weights, floor=floor).squares[0]
            samples = samples + np.sqrt(squares / freedom) * rng.standard_t(freedom, (len(samples), 1))
        return samples

    return _each_curve(problem, seed, forecast)


def simple_scaling_laws(problem: Problem, seed: int) -> np.ndarray:
    """Package ``simple-scaling-laws`` 0.2.0 (extra ``bench``), one fit per curve.

    Its law ``bounded-rational-power`` knows the plateau at small sizes; of the laws tried it scored best on
    nine development problems, its default law worst.
    """
    import polars as pl
    from simple_scaling_laws import fit

    target, size = "test_loss__error", "dataset_size__labels"
    curves = []
    for runs, targets in zip(problem.curve_runs(), problem.targets, strict=True):
        table = pl.DataFrame(
            {
                "training_run_id": (runs["labels"].astype(str) + "-" + runs["replicate"].astype(str)).to_list(),
                "test_set_id": runs["evaluation_set"].to_list(),
                size: runs["labels"].astype(float).to_list(),
                target: (runs["errors"] / runs["trials"]).to_list(),
            }
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = fit(table, law="bounded-rational-power", n_draws=SCALING_LAWS_DRAWS, seed=seed)
            points = model.fitting_predictors(model.prepare_points({size: targets.astype(float).tolist()}))
            curves.append(model.target_draws(target, points).T)
    return np.clip(np.stack(curves), 0.0, 1.0)
