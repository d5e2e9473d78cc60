"""What a user would do instead: forecasts without a model of how curves resemble each other.

Each peer is a function of a problem and a seed that returns samples of the mean error, shape (curve,
distance, sample). Least-squares peers see the mean error at each size, as `scipy.optimize.curve_fit` would,
and get their uncertainty by resampling replicates; `benchmarks/README.md` says which variants were tried
and why these were kept.
"""

import warnings
from functools import partial

import numpy as np

from benchmarks.problems import Problem
from labelvalue.forecast.backtesting import backtesting
from labelvalue.forecast.backtesting.backtesting import CurveForecast, resample_replicates

VERSION = 1  # raise it when a peer's forecasts change: cached ones are then made anew
SCALING_LAWS_DRAWS = 100  # bootstrap refits of simple-scaling-laws; 100 cost about a second per curve


def _each_curve(problem: Problem, seed: int, forecast: CurveForecast) -> np.ndarray:
    """Stack ``forecast(means, targets, rng)``, of shape (sample, distance), over the curves of a problem."""
    rng = np.random.default_rng(seed)
    curves = []
    for runs, targets in zip(problem.curve_runs(), problem.targets, strict=True):
        error = runs["errors"] / runs["trials"]
        means = resample_replicates(runs["labels"], runs["replicate"], error, rng)
        curves.append(forecast(means, targets, rng))
    return np.clip(np.stack(curves).transpose(0, 2, 1), 0.0, 1.0)


def last_value(problem: Problem, seed: int) -> np.ndarray:
    """The mean error now, forever."""
    return _each_curve(problem, seed, backtesting.last_value)


def power_law(
    problem: Problem, seed: int, *, floor: bool = False, residual: bool = False, doublings: float = np.inf
) -> np.ndarray:
    """Least-squares power law on the means; see `labelvalue.forecast.backtesting.backtesting.least_squares`."""
    forecast = partial(backtesting.least_squares, floor=floor, residual=residual, doublings=doublings)
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
