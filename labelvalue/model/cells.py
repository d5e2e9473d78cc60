"""Runs of one curve, size, composition, strategy and label noise, summed to one number with its variances: a cell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.model.curves import HALF_LABEL

CURVE_KEYS = [names.SLICE, names.LEARNER, names.SUITE]
"""What makes a curve."""
CELL_KEYS = [*CURVE_KEYS, names.LABELS, names.OTHER_LABELS, names.STRATEGY, names.LABEL_NOISE]
"""What makes a cell; where runs differ in diversity or in weight, that too."""

TREND_COUNTS = 400.0
"""Wrong answers that a curve's log-linear trend counts for where a cell's sampling variance is worked out."""
LARGE = 0.5
"""Share of a curve's largest labels from which on runs count where it is asked what evaluation items they share."""
LEAST_VARIANCE = 1e-6
"""Least variance of a run's log error where the metric is given as a value: a tenth of a percent."""


def diversity_varies(runs: xr.Dataset) -> bool:
    """Whether the runs say how diverse their labels are, and differ in it.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs table with dim ``run``.

    Returns
    -------
    bool
        False where the column is absent, empty or constant.

    Examples
    --------
    >>> from labelvalue.testing import fake_runs
    >>> diversity_varies(fake_runs(seed=1))
    False
    """
    return names.DIVERSITY in runs and len(np.unique(runs[names.DIVERSITY].dropna(names.RUN).values)) > 1


def sum_runs(runs: xr.Dataset) -> pd.DataFrame:
    """Sum the runs of each cell; keep their scatter as a second statistic.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs table with dim ``run``.

    Returns
    -------
    pandas.DataFrame
        One row a cell: what makes it (label noise that is not known counts as none), ``runs``, ``log_error``,
        ``sampling_variance`` and ``rounding`` (variances of the mean), ``set_weight`` (how often the part of the
        sampling noise that an evaluation set causes counts: 0 where the set spans sizes and belongs to the whole curve,
        1 where each run has a set of its own, m where m runs of one size share one), ``apart`` (share of runs on
        sets of their own), ``alike`` (share of one run's evaluation sampling that stays in the mean of the
        curve's largest runs), ``scatter`` (sum of squared relative deviations between runs) and ``scatter_df``; where
        runs differ in diversity, ``log_diversity``; where some are discounted, ``weight``.

    Examples
    --------
    >>> from labelvalue.testing import fake_runs
    >>> int(sum_runs(fake_runs(seed=1))["runs"].sum()) == fake_runs(seed=1).sizes["run"]
    True
    """
    counts, keys = names.ERRORS in runs, list(CELL_KEYS)
    wanted = [*keys, names.EVALUATION_SET, names.ERROR]
    wanted += [names.ERRORS, names.TRIALS] if counts else [names.ERROR_STDERR]
    frame = runs[wanted].to_dataframe().reset_index(drop=True)
    frame[names.LABEL_NOISE] = frame[names.LABEL_NOISE].fillna(0.0)
    if diversity_varies(runs):
        keys.append(names.LOG_DIVERSITY)
        frame[names.LOG_DIVERSITY] = np.log(runs[names.DIVERSITY].fillna(1.0).values)
    if names.WEIGHT in runs:
        keys.append(names.WEIGHT)
        frame[names.WEIGHT] = runs[names.WEIGHT].values
    frame = frame.join(_sharing(frame, keys))
    grouped = frame.groupby(keys, sort=True)
    cells = grouped.agg(
        runs=(names.ERROR, "size"),
        mean=(names.ERROR, "mean"),
        set_weight=("set_weight", "mean"),
        apart=("apart", "mean"),
        alike=("alike", "first"),
    )
    if counts:
        totals = grouped[[names.ERRORS, names.TRIALS]].sum()
        moments = _count_moments(totals[names.ERRORS], totals[names.TRIALS], cells)
    else:
        moments = _value_moments(grouped, cells)
    return cells.join(moments).join(_scatter(frame, moments["level"], keys)).reset_index()


def _sharing(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Whether each run's evaluation set is its own, its size's, or the whole curve's."""
    sets = [*CURVE_KEYS, names.EVALUATION_SET]
    reused = (frame[names.EVALUATION_SET] != "") & (frame.groupby(sets)[names.ERROR].transform("size") > 1)
    spans = frame.groupby(sets)[names.LABELS].transform("nunique") > 1
    together = frame.groupby([*keys, names.EVALUATION_SET])[names.ERROR].transform("size")
    weight = np.where(reused, np.where(spans, 0.0, together), 1.0)
    # A set that m of a curve's n largest runs were evaluated on has m/n of their mean: (m/n)² of its variance, m times.
    curve = [frame[key] for key in CURVE_KEYS]
    near = (frame[names.LABELS] >= LARGE * frame.groupby(CURVE_KEYS)[names.LABELS].transform("max")).astype(float)
    of_set, of_curve = (near.groupby([frame[key] for key in by]).transform("sum") for by in (sets, CURVE_KEYS))
    alike = (near * (reused & spans) * of_set / of_curve**2).groupby(curve).transform("sum")
    return pd.DataFrame({"set_weight": weight, "apart": (~reused).astype(float), "alike": alike}, index=frame.index)


def _count_moments(errors: pd.Series, trials: pd.Series, cells: pd.DataFrame) -> pd.DataFrame:
    """Log error and its variances from counts.

    The log of (k + ½) / (n + ½) is unbiased to first order. Its variance is not the cell's own: a cell with few wrong
    answers by chance would count for less, and the error would be read too high. It is that of a rate shrunk
    towards the curve's trend.
    """
    wrong = errors + 0.5
    log_error = pd.Series(np.log(wrong / (trials + 0.5)))
    rough = _trend(log_error, trials.astype(float), cells)
    trend = np.exp(_trend(log_error, trials * np.exp(rough), cells))
    level = (errors + TREND_COUNTS) / (trials + TREND_COUNTS / trend)
    expected = trials * level
    variance = scipy.special.polygamma(1, expected + 0.5) - scipy.special.polygamma(1, trials + 1.0)
    # Counts are whole, so equal runs are equal to within a rounding: no variance is ever quite 0.
    rounding = cells["runs"] / (12.0 * (expected + 0.5) ** 2)
    return _moments(log_error, variance, rounding, level)


def _value_moments(grouped: pd.api.typing.DataFrameGroupBy, cells: pd.DataFrame) -> pd.DataFrame:
    """Log error and its variances from values with standard errors; zero errors count as half the least positive."""
    mean = cells["mean"]
    least = mean[mean > 0].min() if (mean > 0).any() else 1.0
    own = mean.clip(lower=0.5 * least)
    variance = grouped[names.ERROR_STDERR].agg(lambda s: float(np.mean(s**2))) / cells["runs"]
    information = own**2 / variance
    trend = np.exp(_trend(pd.Series(np.log(own)), cells["runs"].astype(float), cells))
    level = (own * information + TREND_COUNTS * trend) / (information + TREND_COUNTS)
    relative = variance / level**2
    log_error = pd.Series(np.log(own)) + 0.5 * relative.clip(upper=1.0)
    return _moments(log_error, relative, LEAST_VARIANCE / cells["runs"], level)


def _moments(log_error: pd.Series, variance: pd.Series, rounding: pd.Series, level: pd.Series) -> pd.DataFrame:
    columns = {"log_error": log_error, "sampling_variance": variance, "rounding": rounding, "level": level}
    return pd.DataFrame(columns)


def _trend(log_error: pd.Series, weight: pd.Series, cells: pd.DataFrame) -> pd.Series:
    """Weighted log-linear trend of log error on log labels, by curve; the mean where there is one size."""
    labels = cells.index.get_level_values(names.LABELS).to_numpy(float)
    x = pd.Series(np.log(np.maximum(labels, HALF_LABEL)), index=cells.index)

    def by_curve(values: pd.Series) -> pd.Series:
        return values.groupby(level=CURVE_KEYS).transform("sum")

    total = by_curve(weight)
    middle, mean = by_curve(weight * x) / total, by_curve(weight * log_error) / total
    spread = by_curve(weight * (x - middle) ** 2)
    slope = by_curve(weight * (x - middle) * log_error) / spread.where(spread > 0.0, np.inf)
    return mean + slope * (x - middle)


def _scatter(frame: pd.DataFrame, level: pd.Series, keys: list[str]) -> pd.DataFrame:
    """Squared relative deviations of runs: those that share a set about the set's mean, others about the cell's."""
    frame = frame.join(level, on=keys)
    set_mean = frame.groupby([*keys, names.EVALUATION_SET])[names.ERROR].transform("mean")
    cell_mean = frame.groupby(keys)[names.ERROR].transform("mean")
    centre = np.where(frame["apart"] > 0, cell_mean, set_mean)
    frame["scatter"] = ((frame[names.ERROR] - centre) / frame["level"]) ** 2
    grouped = frame.groupby(keys)
    size, sets = grouped.size(), grouped[names.EVALUATION_SET].nunique()
    freedom = np.where(grouped["apart"].min() > 0, size - 1, size - sets)
    return pd.DataFrame({"scatter": grouped["scatter"].sum(), "scatter_df": freedom})
