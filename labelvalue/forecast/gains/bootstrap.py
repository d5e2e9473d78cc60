"""A second opinion on gains: least-squares curves through resampled replicates, and where the posterior disagrees.

Nothing is shared with the model but the runs: no priors, no pooling, no noise model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.holdout import frame_of
from labelvalue.forecast.gains.curves import curve_dims, flag_texts, with_distance
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.model.curve.families import log_effective_labels
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import tails
from labelvalue.problems import input_error
from labelvalue.settings import is_whole

ELASTICITIES = np.concatenate([[0.0], np.geomspace(0.01, 4.0, 100)])  # search grid; 0 makes the curve a constant
ZOOMS, ZOOM_POINTS = 5, 9


@dataclass(frozen=True, eq=False)
class PowerLaws:
    """Fitted curves (fit): error ``floor + scale`` at ``reference`` labels; ``squares``, weighted residuals'."""

    reference: float
    floor: np.ndarray
    scale: np.ndarray
    elasticity: np.ndarray
    squares: np.ndarray

    def error(self, labels: np.ndarray) -> np.ndarray:
        """Compute the error at sizes (size,); gives (fit, size)."""
        ratio = np.asarray(labels, float) / self.reference
        return self.floor[:, None] + self.scale[:, None] * ratio ** -self.elasticity[:, None]


def fit_power_laws(
    labels: np.ndarray, errors: np.ndarray, weights: np.ndarray | None = None, *, floor: bool = True
) -> PowerLaws:
    """Fit a power law to each row of ``errors`` (fit, size) by weighted least squares."""
    labels = np.asarray(labels, float)
    errors = np.atleast_2d(errors)
    weights = np.broadcast_to(1.0 if weights is None else weights, errors.shape) * np.isfinite(errors)
    errors, weights, back = _different(np.nan_to_num(errors), weights)
    reference = labels.max()
    log_ratio = np.log(labels / reference)
    grid = np.broadcast_to(ELASTICITIES, (len(errors), len(ELASTICITIES)))
    for zoom in range(ZOOMS + 1):
        scale, level, squares = _profile(log_ratio, errors, weights, grid, floor)
        best = squares.argmin(axis=1)[:, None]
        if zoom == ZOOMS:
            break
        last = grid.shape[1] - 1
        low = np.take_along_axis(grid, np.maximum(best - 1, 0), 1)
        high = np.take_along_axis(grid, np.minimum(best + 1, last), 1)
        grid = low + (high - low) * np.linspace(0, 1, ZOOM_POINTS)
    pick = [np.take_along_axis(array, best, 1)[back, 0] for array in (level, scale, grid, squares)]
    return PowerLaws(reference, *pick)


def _different(errors: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep one of rows that are the same, of which resamples of a few replicates have many, and say where each went."""
    both = np.ascontiguousarray(np.concatenate([errors, weights], axis=1))
    rows = both.view(f"V{both.itemsize * both.shape[1]}")[:, 0]
    _, first, back = np.unique(rows, return_index=True, return_inverse=True)
    return errors[first], weights[first], back


def _profile(
    log_ratio: np.ndarray, errors: np.ndarray, weights: np.ndarray, elasticity: np.ndarray, floor: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best scale, floor and sum of squares for each elasticity; shape (fit, elasticity)."""
    if elasticity.strides[0] == 0:  # the same grid for all fits: a matrix product does it
        basis = np.exp(-elasticity[0][:, None] * log_ratio)
        total = lambda power, data: data @ (basis**power).T  # noqa: E731
    else:
        basis = np.exp(-elasticity[:, :, None] * log_ratio)
        total = lambda power, data: np.einsum("fgs,fs->fg", basis**power, data)  # noqa: E731
    sum_x, sum_xx, sum_xy = total(1, weights), total(2, weights), total(1, weights * errors)
    sum_w, sum_y, sum_yy = ((weights * errors**p).sum(axis=1, keepdims=True) for p in range(3))

    through_origin = sum_xy / sum_xx
    if floor:
        determinant = sum_w * sum_xx - sum_x**2
        flat = determinant <= 1e-9 * sum_w * sum_xx
        slope = (sum_w * sum_xy - sum_x * sum_y) / np.where(flat, 1.0, determinant)
        slope = np.where(flat, 0.0, np.maximum(slope, 0.0))
        level = (sum_y - slope * sum_x) / sum_w
        scale = np.where(level < 0, through_origin, slope)
        level = np.maximum(level, 0.0)
    else:
        scale, level = through_origin, np.zeros_like(through_origin)
    squares = sum_yy - 2 * (scale * sum_xy + level * sum_y) + scale**2 * sum_xx
    squares += 2 * scale * level * sum_x + level**2 * sum_w
    return scale, level, np.maximum(squares, 0.0)


TRANSFERS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Worths of another slice's label that least squares chooses from, anew in each resample."""
LEAST_RUNS = 4  # runs of a curve: three parameters and one to spare
LEAST_REPLICATES = 3  # replicates, in all and of a curve: resamples of two are three different ones


def bootstrap_gain(fit: Fit, budgets: Sequence[int], *, draws: int = 1000) -> xr.DataArray:
    """Draw each slice's own gain without the model: a clustered bootstrap over replicates.

    Replicates, each with all its sizes and slices, are drawn with replacement. In each draw every slice gets a
    least-squares power law with a floor, in labels of its own and, at a worth that least squares chooses, of others.

    Parameters
    ----------
    fit : Fit
        Fit whose runs are resampled; only its runs and its labels now are used.
    budgets : sequence of int
        Extra labels, ≥ 0.
    draws : int
        Resamples, ≥ 100.

    Returns
    -------
    xarray.DataArray
        As :func:`predict_gain` returns it, with one chain; NaN where a slice has too few runs for a curve, or runs in
        too few replicates.

    Raises
    ------
    InputError
        If the runs have fewer than three replicates.
    ValueError
        If a budget or ``draws`` is out of range.

    References
    ----------
    Davison and Hinkley (1997), "Bootstrap methods and their application", section 3.8, for clusters.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> gain = bootstrap_gain(fake_fit(seed=1), [0, 500], draws=100)
    >>> gain.dims, float(gain.sel(budget=0).max())
    (('chain', 'draw', 'slice', 'budget'), 0.0)
    """
    from threadpoolctl import threadpool_limits

    numbers, _ = whole_numbers(budgets, "budget")
    if not is_whole(draws, 100):
        raise ValueError(f"draws must be a whole number ≥ 100, got {draws!r}")
    frame = frame_of(fit.runs, "size")
    frame = frame[frame["plain"]]
    clusters, code = np.unique(frame[names.REPLICATE], return_inverse=True)
    if clusters.size < LEAST_REPLICATES:
        why = f"{clusters.size} replicates: a bootstrap needs at least {LEAST_REPLICATES}"
        raise input_error(why, "train on more re-draws", column=names.REPLICATE)
    rng = np.random.default_rng([fit.settings["random_seed"], 11])
    counts = rng.multinomial(clusters.size, np.full(clusters.size, 1 / clusters.size), size=draws)
    curve = curve_dims(fit)
    shape = [fit.position[d].size for d in curve]
    values = np.full((1, draws, *shape, numbers.size), np.nan)
    upper = float(fit.settings["upper"])
    for index in np.ndindex(*shape):
        at = {d: fit.position[d].values[i] for d, i in zip(curve, index, strict=True)}
        mine = np.logical_and.reduce([frame[d].to_numpy(object) == name for d, name in at.items()])
        if np.count_nonzero(mine) >= LEAST_RUNS and np.unique(code[mine]).size >= LEAST_REPLICATES:
            here = fit.position.sel(at)
            now = (float(here[names.LABELS_NOW]), float(here[names.OTHER_LABELS_NOW]))
            drawn = _with_runs(counts[:, code[mine]], rng)
            with threadpool_limits(1):  # threads that wait for each other cost four times such small products
                values[0, :, *index] = _gains(frame[mine], drawn, now, numbers, upper)
    coords = {d: fit.position[d].values for d in curve} | {names.BUDGET: numbers, names.CHAIN: [0]}
    dims = (names.CHAIN, names.DRAW, *curve, names.BUDGET)
    gain = xr.DataArray(values, dims=dims, coords=coords, name=names.GAIN).assign_coords(draw=np.arange(draws))
    gain.coords[names.LABELS_NOW] = fit.position[names.LABELS_NOW].variable
    gain = with_distance(gain, fit)
    gain.coords[names.FLAGS] = (names.SLICE, flag_texts(fit))
    gain.attrs = {names.UNIT: "error", "method": "bootstrap over replicates, least squares"}
    return gain


def _with_runs(drawn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put other resamples in the place of those in which a curve that few replicates have has no run at all."""
    some = drawn.any(axis=1)
    drawn[~some] = drawn[rng.choice(np.flatnonzero(some), np.count_nonzero(~some))]
    return drawn


def _gains(
    frame: pd.DataFrame, weights: np.ndarray, now: tuple[float, float], budgets: np.ndarray, upper: float
) -> np.ndarray:
    """Gains of one curve, (draw, budget), each draw at the transfer that fits it best."""
    own, other = frame[names.LABELS].to_numpy(float), frame[names.OTHER_LABELS].to_numpy(float)
    errors = np.broadcast_to(frame[names.ERROR].to_numpy(float), weights.shape)
    later = now[0] + np.concatenate([[0.0], budgets])
    best = np.full(len(weights), np.inf)
    gains = np.zeros((len(weights), budgets.size))
    for transfer in TRANSFERS if other.any() else TRANSFERS[:1]:
        laws = fit_power_laws(np.exp(log_effective_labels(own, other, transfer)), errors, weights)
        error = np.clip(laws.error(np.exp(log_effective_labels(later, now[1], transfer))), 0.0, upper)
        better = laws.squares < best
        best = np.where(better, laws.squares, best)
        gains[better] = (error[:, :1] - error[:, 1:])[better]
    return gains


def gain_disagreement(gain: xr.DataArray, second: xr.DataArray, *, ci_prob: float = 0.9) -> pd.DataFrame:
    """Say where a second opinion on gains differs from the first.

    Parameters
    ----------
    gain : xarray.DataArray
        From :func:`predict_gain`.
    second : xarray.DataArray
        From :func:`bootstrap_gain`, at the same budgets.
    ci_prob : float
        Probability of the equal-tailed intervals, 0 < p < 1.

    Returns
    -------
    pandas.DataFrame
        One row a slice (and learner, suite) and budget: ``median``, ``low``, ``high`` of the first and of the second
        (``second_median``, …); ``ratio`` of the widths, second over first; ``disagrees``, whether each median lies
        outside the other's interval. Attributes: ``ci_prob``, ``ci_kind``, ``unit``, ``sentence``.

    Raises
    ------
    ValueError
        If the two are not of the same slices and budgets, or ``ci_prob`` is out of range.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit = lv.testing.fake_fit(seed=1)
    >>> table = gain_disagreement(lv.predict_gain(fit, [500]), bootstrap_gain(fit, [500], draws=200))
    >>> len(table), table["disagrees"].dtype
    (4, dtype('bool'))
    """
    if not 0 < ci_prob < 1:
        raise ValueError(f"ci_prob must lie between 0 and 1, got {ci_prob!r}")
    dims = [str(d) for d in gain.dims if d not in names.SAMPLE]
    same = set(dims) == set(second.dims) - {names.CHAIN, names.DRAW}
    if not same or any(gain[d].values.tolist() != second[d].values.tolist() for d in dims):
        raise ValueError("the two gains are not of the same slices and budgets. Fix: forecast both from one fit")
    low, high = tails(ci_prob)
    columns = {}
    for prefix, one in (("", gain), ("second_", second)):
        found = one.quantile([low, 0.5, high], names.SAMPLE, skipna=False).transpose("quantile", *dims)
        for number, what in enumerate(("low", "median", "high")):
            columns[prefix + what] = found.isel(quantile=number, drop=True).reset_coords(drop=True)
    table = xr.Dataset(columns).to_dataframe().reset_index()
    table["ratio"] = (table["second_high"] - table["second_low"]) / (table["high"] - table["low"]).replace(0.0, np.nan)
    apart = (table["second_median"] < table["low"]) | (table["second_median"] > table["high"])
    other = (table["median"] < table["second_low"]) | (table["median"] > table["second_high"])
    table["disagrees"] = apart & other
    table.attrs = {
        names.CI_PROB: ci_prob,
        names.CI_KIND: "eti",
        names.UNIT: gain.attrs.get(names.UNIT, ""),
        "sentence": _sentence(table),
    }
    return table


def _sentence(table: pd.DataFrame) -> str:
    compared = table[table[["median", "second_median"]].notna().all(axis=1)]
    wrong, missing = compared[compared["disagrees"]], len(table) - len(compared)
    rest = f" For {missing} of {len(table)} gains there were too few runs to compare." if missing else ""
    if compared.empty:
        return rest.strip()
    if wrong.empty:
        return f"The bootstrap agrees with the posterior on all {len(compared)} gains.{rest}"
    named = ", ".join(dict.fromkeys(wrong[names.SLICE].astype(str)))
    return (
        f"The bootstrap disagrees with the posterior on {len(wrong)} of {len(compared)} gains (slices {named}).{rest}"
    )
