"""What was measured where a backtest forecast: means of runs, with their standard error."""

from __future__ import annotations

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.forecast.holdout import CURVE, Origin

FLAT = 1e-9
"""Spread of log labels within a size below which there is no composition to correct for."""


def measure(origin: Origin) -> pd.DataFrame:
    """Average what was then measured, with its standard error.

    Runs on evaluation sets that were seen before share their sampling noise with the past, which no forecast
    can miss; what remains is variation between trainings. It is taken from the scatter of runs of one size
    on one set, after a common slope on the slice's own labels, pooled over the sizes of a curve (over all
    curves where one has no replicates). Sets that are new add their own sampling.

    Parameters
    ----------
    origin : Origin
        Its future is measured.

    Returns
    -------
    pandas.DataFrame
        Columns ``truth``, ``truth_stderr``, ``labels`` (mean) and ``run_count``; index slice, learner, suite, distance.

    Examples
    --------
    >>> from labelvalue.testing import fake_runs
    >>> from labelvalue.forecast.holdout import frame_of, origins
    >>> first = next(origins(frame_of(fake_runs(seed=1), "size"), "size", [1]))
    >>> measure(first).shape
    (4, 4)
    """
    future = origin.future.assign(weight=1.0)
    keys = [*CURVE, names.DISTANCE]
    grouped = future.groupby(keys)
    table = grouped.agg(**{names.TRUTH: (names.ERROR, "mean"), names.LABELS: (names.LABELS, "mean")})
    table[names.RUN_COUNT] = grouped.size()
    relative = _training_variance(future, keys)
    per_curve = relative.reindex(pd.MultiIndex.from_frame(table.reset_index()[CURVE])).to_numpy()
    known = origin.past.groupby(CURVE)[names.EVALUATION_SET].agg(set)
    new = [last not in known[tuple(curve)] for *curve, last in future[[*CURVE, names.EVALUATION_SET]].to_numpy()]
    own = (future[names.EVALUATION_SET] == "") & bool(np.isnan(per_curve).any())
    drawn = future[(np.array(new) & (future[names.EVALUATION_SET] != "")) | own]
    sets = drawn.groupby([*keys, drawn[names.EVALUATION_SET].where(~own, drawn.index.astype(str))])
    share = sets.agg(count=("weight", "sum"), variance=("variance", "mean"))
    sampling = (share["count"] ** 2 * share["variance"]).groupby(level=keys).sum().reindex(table.index, fill_value=0.0)
    training = np.nan_to_num(per_curve) * table[names.TRUTH] ** 2 / table[names.RUN_COUNT]
    table[names.TRUTH_STDERR] = np.sqrt(training + sampling / table[names.RUN_COUNT] ** 2)
    return table


def _training_variance(future: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Variance between runs of one size and set, relative to the squared mean error, by curve; NaN if none tells."""
    cells = future.groupby([*keys, names.EVALUATION_SET])
    level = future.groupby(keys)[names.ERROR].transform("mean")
    y = (future[names.ERROR] - cells[names.ERROR].transform("mean")) / level.where(level > 0, 1.0)
    log_labels = np.log(future[names.LABELS].clip(lower=0.5))
    x = log_labels - future.assign(x=log_labels).groupby([*keys, names.EVALUATION_SET])["x"].transform("mean")
    table = future[CURVE].assign(xx=x**2, xy=x * y, yy=y**2, cell=cells.ngroup())
    sums = table.groupby(CURVE).agg(
        xx=("xx", "sum"), xy=("xy", "sum"), yy=("yy", "sum"), n=("xx", "size"), cells=("cell", "nunique")
    )
    varies = sums["xx"] > FLAT
    squares = sums["yy"] - (sums["xy"] ** 2 / sums["xx"].where(varies, 1.0)).where(varies, 0.0)
    freedom = sums["n"] - sums["cells"] - varies
    informed = freedom > 0
    pooled = squares[informed].sum() / freedom[informed].sum() if informed.any() else np.nan
    return (squares.clip(lower=0.0) / freedom.where(informed)).fillna(pooled)
