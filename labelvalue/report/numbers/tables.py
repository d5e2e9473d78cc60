"""Draws to tables: the one place where forecasts become numbers that people read."""

import math
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import tails

MEAN, MEDIAN, LOWER, UPPER = "mean", "median", "lower", "upper"
INNER_LOWER, INNER_UPPER = "inner_lower", "inner_upper"  # ends of the narrower of two intervals, in tables for plots
P_POSITIVE, P_BETTER, P_NEVER, MCSE = "p_positive", "p_better", "p_never", "mcse"
CI_KIND = "eti"  # Equal-tailed: as much probability below the interval as above it

GAIN_LIKE = (names.GAIN, names.OBSERVED_GAIN)
OFTEN_INFINITE = (
    names.LABELS_NEEDED, names.LABELS_AT_RATE, names.EQUIVALENT_LABELS, names.BREAK_EVEN, names.NOISE_REDUCTION
)  # fmt: skip

# A quantile between a finite and an infinite draw is infinite; this stands in while quantiles are computed.
_NEVER, _FAR = 1e300, 1e200


def summarise(draws: xr.DataArray, *, ci_prob: float = 0.9, total: xr.DataArray | None = None) -> pd.DataFrame:
    """Summarise draws of a forecast: one row a slice (and learner) and budget, size or target.

    Interval ends come from the draws themselves (``arviz_stats.eti``), never from a rounded table. Rows are
    sorted by slice and learner, then stand in the order of the budgets given; none is left out.

    Parameters
    ----------
    draws : xarray.DataArray
        Forecast with dims chain and draw, any of slice and learner, and at most the dims of its own (budget,
        labels, target); as ``predict_gain``, ``predict_observed_gain``, ``predict_error``, ``impact`` and
        ``labels_needed`` return it.
    ci_prob : float
        Probability of the equal-tailed interval, between 0 and 1.
    total : xarray.DataArray, optional
        What the same purchases bring to all slices together, from ``predict_total_gain`` with the same budgets.

    Returns
    -------
    pandas.DataFrame
        Columns: the dims; ``mean`` (none for ``labels_needed``, whose draws may be infinite), ``median``,
        ``lower`` and ``upper`` in the unit of the draws; ``p_positive``, P(gain > 0), for gains; ``p_better``,
        P(better than random), for efficiencies; ``p_never``,
        the share of draws that never reach the target, for ``labels_needed``; ``mcse``, Monte Carlo standard
        error of the mean (of the median for ``labels_needed``); ``doublings`` beyond the data where the draws
        know it; ``flags`` of the slice and, where it applies, ``beyond validated distance``;
        with ``total`` also ``total_mean``, ``total_lower`` and ``total_upper``. Attributes:
        ``ci_kind``, ``ci_prob``, ``name``, ``unit``, ``metric``, ``verdict`` of the fit, ``notes`` (list of
        str).

    Raises
    ------
    TypeError
        If ``draws`` is no DataArray.
    ValueError
        If it lacks chain or draw, ``ci_prob`` is not between 0 and 1, or ``total`` is of other slices or budgets.

    References
    ----------
    Vehtari et al. (2021), "Rank-normalization, folding, and localization", Bayesian Analysis 16, for the
    Monte Carlo standard error.

    Examples
    --------
    >>> import labelvalue as lv
    >>> table = summarise(lv.predict_gain(lv.testing.fake_fit(seed=1), budgets=[500, 2000]))
    >>> table.columns[:3].tolist(), table.attrs["ci_prob"]
    (['slice', 'budget', 'mean'], 0.9)
    """
    table = _table(draws, ci_prob, mcse=True)
    if total is None:
        return table
    other = _table(total, ci_prob, mcse=False)
    cells = [str(d) for d in draws.dims if d not in names.SAMPLE]
    if list(total.dims) != list(draws.dims) or not table[cells].equals(other[cells]):
        raise ValueError("total is of other slices or budgets. Fix: give predict_total_gain the same fit and budgets.")
    made = table.assign(**{f"total_{name}": other[name] for name in (MEAN, LOWER, UPPER)})
    made.attrs = table.attrs
    return made


def bands(draws: xr.DataArray, ci_probs: tuple[float, float]) -> pd.DataFrame:
    """Summarise draws with two intervals, for plots: the numbers of :func:`summarise`, by the same code."""
    outer = _table(draws, ci_probs[1], mcse=False)
    inner = _table(draws, ci_probs[0], mcse=False)
    table = outer.assign(**{INNER_LOWER: inner[LOWER], INNER_UPPER: inner[UPPER]})
    table.attrs = outer.attrs | {"ci_probs": tuple(ci_probs)}
    return table


def _table(draws: xr.DataArray, ci_prob: float, *, mcse: bool) -> pd.DataFrame:
    _check(draws, ci_prob)
    curve = [d for d in (names.SLICE, names.LEARNER) if d in draws.dims]
    others = [d for d in draws.dims if d not in (*names.SAMPLE, *curve)]
    for dim in curve:
        draws = draws.isel({dim: np.argsort(draws[dim].values.astype(str), kind="stable")})
    cells = [*curve, *map(str, others)]
    columns = _numbers(draws, ci_prob, mcse=mcse)
    columns |= {name: draws[name] for name in (names.DOUBLINGS, names.FLAGS) if name in draws.coords}
    data = xr.Dataset({name: values.reset_coords(drop=True) for name, values in columns.items()})
    table = (data if cells else data.expand_dims("cell")).to_dataframe(dim_order=cells or ["cell"]).reset_index()
    table = table[[*cells, *data.data_vars]]
    own = table[names.FLAGS].astype(str) if names.FLAGS in table else [""] * len(table)
    far = map(beyond, table[names.DOUBLINGS]) if names.DOUBLINGS in table else [""] * len(table)
    table[names.FLAGS] = ["; ".join(filter(None, pair)) for pair in zip(own, far, strict=True)]
    table.attrs = {
        names.CI_KIND: CI_KIND,
        names.CI_PROB: float(ci_prob),
        "name": str(draws.name),
        names.UNIT: draws.attrs.get(names.UNIT, ""),
        names.METRIC: draws.attrs.get(names.METRIC, ""),
        "verdict": draws.attrs.get("verdict", ""),
        names.NOTES: draws.attrs.get(names.NOTES, "").splitlines(),
    }
    return table


def _check(draws: xr.DataArray, ci_prob: float) -> None:
    if not isinstance(draws, xr.DataArray):
        raise TypeError(
            f"draws must be an xarray.DataArray, as labelvalue.predict_gain returns it, got {type(draws).__name__}"
        )
    if not set(names.SAMPLE) <= set(draws.dims):
        raise ValueError(
            f"draws must have dims 'chain' and 'draw', got {draws.dims}. Fix: pass the forecast as it was "
            "returned, before any averaging."
        )
    check_ci_prob(ci_prob)


def check_ci_prob(ci_prob: float) -> None:
    """Refuse what is no probability of an interval."""
    if isinstance(ci_prob, bool) or not isinstance(ci_prob, (int, float, np.floating)) or not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob must lie between 0 and 1, got {ci_prob!r}. Fix: give 0.9 for a 90 % interval.")


def beyond(doublings: float) -> str:
    """Return the flag of a distance beyond the validated one, empty within it."""
    return f"{names.BEYOND_VALIDATED} ({doublings:.1f} doublings)" if doublings > VALIDATED_DOUBLINGS else ""


def _numbers(draws: xr.DataArray, ci_prob: float, *, mcse: bool) -> dict[str, xr.DataArray]:
    """Summaries of every cell, in the order of the columns."""
    import arviz_stats as azs

    if draws.name in OFTEN_INFINITE:
        return _numbers_of_labels_needed(draws, ci_prob)
    finite = draws.where(np.isfinite(draws))
    interval = azs.eti(finite, prob=ci_prob)
    out = {
        MEAN: finite.mean(names.SAMPLE, skipna=False),
        MEDIAN: finite.median(names.SAMPLE, skipna=False),
        LOWER: interval.sel(ci_bound="lower", drop=True),
        UPPER: interval.sel(ci_bound="upper", drop=True),
    }
    if draws.name in GAIN_LIKE:
        out[P_POSITIVE] = (finite > 0).mean(names.SAMPLE).where(out[MEAN] == out[MEAN])  # NaN where the mean is
    if draws.name == names.EFFICIENCY:
        out[P_BETTER] = (finite > 1).mean(names.SAMPLE).where(out[MEAN] == out[MEAN])
    if mcse:
        out[MCSE] = azs.mcse(finite, method="mean")
    return out


def _numbers_of_labels_needed(draws: xr.DataArray, ci_prob: float) -> dict[str, xr.DataArray]:
    import arviz_stats as azs

    never = draws == math.inf
    finite = draws.where(~never, _NEVER)
    interval = azs.eti(finite, prob=ci_prob)

    def restore(values: xr.DataArray) -> xr.DataArray:
        return values.where(values < _FAR, math.inf)

    median = restore(finite.median(names.SAMPLE))
    return {
        MEDIAN: median,
        LOWER: restore(interval.sel(ci_bound="lower", drop=True)),
        UPPER: restore(interval.sel(ci_bound="upper", drop=True)),
        P_NEVER: never.mean(names.SAMPLE),
        MCSE: restore(azs.mcse(finite, method="median")).where(np.isfinite(median)),
    }


def plain(value: Any) -> Any:
    """Turn numbers and texts, nested as they may be, into values that JSON holds."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value if value is None else str(value)


def spread(draws: xr.DataArray, ci_prob: float) -> dict[str, float]:
    """Return mean and equal-tailed interval of draws."""
    lower, upper = draws.quantile(tails(ci_prob), names.SAMPLE).values
    return {MEAN: float(draws.mean()), LOWER: float(lower), UPPER: float(upper)}


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON can hold them."""
    return plain(table.to_dict("records"))


SHOWN = 4


def default_budgets(fit: Fit) -> list[int]:
    """Choose rounded budgets, the largest of which about doubles the median slice's labels."""
    typical = float(np.median(fit.position[names.LABELS_NOW].values))
    series = [step * 10**decade for decade in range(12) for step in (1, 2, 5)]
    below = sum(value <= 1.1 * typical for value in series)
    last = max(below, SHOWN)
    return series[last - SHOWN : last]
