"""Backtests: forecasts from part of one's own runs, by a fit and by simple rules, scored on the rest."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting import holdout as split
from labelvalue.forecast.backtesting.holdout import CURVE, Origin, as_measured, measure, rungs
from labelvalue.forecast.backtesting.scores import add_truth_noise, score_rows
from labelvalue.forecast.gains.bootstrap import fit_power_laws
from labelvalue.forecast.gains.curves import SIZE, curve_dims, error_draws
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.model.fitting.fitting import fit, runs_digest
from labelvalue.model.fitting.result import Fit, kind_of_fit
from labelvalue.model.hierarchy.specification import Model, get_model
from labelvalue.model.prior.priors import Prior
from labelvalue.numerals import counted
from labelvalue.printing import doing

SAMPLES = 1000  # bootstrap samples of a forecast


@dataclass(frozen=True, eq=False)
class ResampledMeans:
    """Mean error at each size of a curve: ``labels``, ``observed`` (size), ``resampled`` (sample, size)."""

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
    """Bootstrap the mean error of one curve (run,) over replicates, each drawn with all its sizes."""
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
    """Forecast that the error stays as it is now (sample, target)."""
    return np.repeat(means.resampled[:, -1:], len(targets), axis=1)


def last_gain_repeats(means: ResampledMeans, steps: np.ndarray, previous: float) -> np.ndarray:
    """Forecast that every further step brings the gain of the last one (sample, target)."""
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
    """Extend a least-squares power law through the means, refitted to each bootstrap sample (sample, target)."""
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
    """Forecast the mean error of each cell with a fit, at the labels its runs had, as it is measured (cell, sample)."""
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
    """Forecast the mean error of each cell with every simple rule, or these (cell, sample)."""
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


MODEL = "labelvalue"  # name of the model among the forecasters; all others are simple rules
KEYS = [*split.CURVE, names.DISTANCE]
DIMS = [names.FORECASTER, names.ORIGIN, *KEYS]
SHARED = (names.TRUTH, names.TRUTH_STDERR, names.LABELS, names.RUN_COUNT, names.GAIN, names.GAINED)
"""Variables that are the same for all forecasters."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """A forecast of everything that an origin holds out, with the verdict of the fit it comes from.

    ``samples`` are mean errors (cell, sample), cells as :func:`labelvalue.forecast.backtesting.holdout.measure` has
    them; NaN where there is no forecast.
    """

    samples: np.ndarray
    verdict: str = "ok"
    reasons: tuple[str, ...] = ()


Forecaster = Callable[[split.Origin, pd.DataFrame], Forecast]
"""``forecaster(origin, cells)``; ``cells`` from :func:`labelvalue.forecast.backtesting.holdout.measure`."""


def backtest(
    runs: xr.Dataset,
    model: str | Model = "power_law",
    *,
    by: Literal["size", "batch"] = "size",
    holdout: Sequence[int] = (1, 2, 3),
    priors: Mapping[str, Prior] | None = None,
    classes: int = 2,
    evaluation_noise: float | Prior | Mapping[str, float | Prior] | None = None,
    discount: Mapping[str, float] | None = None,
    random_seed: int = 0,
    draws: int = 1000,
    tune: int = 300,
    chains: int = 4,
    progress: bool = True,
) -> xr.Dataset:
    """Forecast what the runs already show from part of them, and score it next to simple rules.

    The largest sizes, or the last batches, are held out and the model is fitted anew to the rest, once for each entry
    of ``holdout``. A curve is scored where it keeps three sizes.

    Parameters
    ----------
    runs : xarray.Dataset
        Runs table with dim ``run``.
    model : str or Model
        As for :func:`labelvalue.fit`.
    by : {"size", "batch"}
        Hold out the largest sizes, or the last batches: those of column ``batch``, in the order of ``measured_at``
        where all have one, else of their largest training sets. Of a later batch only its largest size is scored.
    holdout : sequence of int
        Doublings, or batches, to hold out, ≥ 1; each is one origin.
    priors : mapping of str to Prior, optional
        As for :func:`labelvalue.fit`, and so are the next: those of the fit that the backtest is to speak of.
    classes, evaluation_noise, discount, random_seed, draws, tune, chains, progress : optional
        What is forecast and scored is the error that wrong evaluation labels show.

    Returns
    -------
    xarray.Dataset
        Dims forecaster (``labelvalue`` first, then the simple rules), origin (steps held out), slice (and learner,
        suite) and distance (steps ahead); NaN where nothing could be scored. By forecaster: ``crps``,
        ``interval_score``, ``width``, ``absolute_error``, ``bias``, ``point``, ``forecast_gain`` (unit of the error),
        ``covers_50``, ``covers_90`` (0 or 1), ``p_gain``. For all alike: ``truth`` and its ``truth_stderr``, ``gain``,
        ``gained``, ``labels`` (mean, of the slice), ``run_count``. The truth's own noise is added to all
        samples alike.
        Attributes: ``by``, ``metric``, ``settings`` (JSON: model, digest of its priors, classes, seed, verdict of each
        re-fit, digest of the runs).

    Raises
    ------
    InputError
        If no slice has enough sizes or batches; says which lacks what.
    ValueError
        If ``by`` or ``holdout`` is none of these, or :func:`labelvalue.fit` refuses the runs.
    TypeError
        If ``runs`` is not a runs table.

    References
    ----------
    Tashman (2000), "Out-of-sample tests of forecasting accuracy", International Journal of Forecasting 16;
    Gneiting and Raftery (2007), "Strictly proper scoring rules, prediction, and estimation", JASA 102.

    Examples
    --------
    >>> import labelvalue as lv
    >>> result = lv.backtest(lv.testing.fake_runs(seed=1))  # doctest: +SKIP
    >>> lv.diagnostics.backtest_verdict(result)  # doctest: +SKIP
    'Trust forecasts up to 8x the labels: ...'
    """
    chosen = get_model(model)
    chosen = replace(chosen, priors=chosen.priors.replace(priors or {}))
    settings = {"model": chosen.name, "draws": draws, "tune": tune, "chains": chains, **kind_of_fit(chosen, classes)}

    def forecaster(origin: split.Origin, cells: pd.DataFrame) -> Forecast:
        unit = ("doubling",) if by == split.SIZE else ("batch", "batches")
        doing(f"backtest, {counted(origin.steps, *unit)} held out", show=progress)
        past = runs.isel({names.RUN: origin.past.index.to_numpy()})
        made = fit(
            past,
            chosen,
            classes=classes,
            evaluation_noise=_known(evaluation_noise, past[names.SLICE]),
            discount=_known(discount, past[names.BATCH]),
            random_seed=random_seed,
            draws=draws,
            tune=tune,
            chains=chains,
            progress=progress,
        )
        verdict, reasons = made.diagnostics.verdict, tuple(made.diagnostics.reasons)
        if verdict == "refused":
            return Forecast(np.full((len(cells), SAMPLES), np.nan), verdict, reasons)
        return Forecast(model_samples(made, origin, cells), verdict, reasons)

    return score(runs, forecaster, by=by, holdout=holdout, random_seed=random_seed, settings=settings)


def _known(given: Any, column: xr.DataArray) -> Any:
    """Leave out what is said of slices or batches that are held out."""
    if not isinstance(given, Mapping):
        return given
    there = {str(value) for value in column.values}
    return {name: value for name, value in given.items() if name in there}


def score(
    runs: xr.Dataset,
    forecaster: Forecaster,
    *,
    by: str,
    holdout: Sequence[int],
    random_seed: int,
    settings: Mapping[str, object],
) -> xr.Dataset:
    """Score any forecaster on what each origin holds out, next to the simple rules."""
    steps = _check(runs, by, holdout)
    frame = split.frame_of(runs, by)
    upper = float(runs.attrs[names.UPPER])
    tables, refits = [], []
    for origin in split.origins(frame, by, steps):
        cells = measure(origin)
        made = forecaster(origin, cells)
        refits.append({names.ORIGIN: origin.steps, "verdict": made.verdict, "reasons": list(made.reasons)})
        samples = {MODEL: made.samples} | rule_samples(origin, cells, random_seed)
        tables += [_scored(who, s.clip(0.0, upper), origin, cells, random_seed) for who, s in samples.items()]
    if not tables:
        raise split.refuse(frame, by, str(runs.attrs.get(names.SOURCE, "")))
    result = _as_dataset(pd.concat(tables), frame)
    result.attrs = {
        names.BY: by,
        names.METRIC: str(runs.attrs.get(names.METRIC, "")),
        names.UNIT: "error",
        "settings": json.dumps(
            {
                **settings,
                "random_seed": random_seed,
                "holdout": steps,
                "refits": refits,
                "runs_sha256": runs_digest(runs),
            }
        ),
    }
    return result


def _check(runs: xr.Dataset, by: str, holdout: Sequence[int]) -> list[int]:
    if not isinstance(runs, xr.Dataset) or names.RUN not in runs.dims:
        raise TypeError(f"runs must be a runs table (xarray.Dataset with dim 'run'), got {type(runs).__name__}")
    if by not in (split.SIZE, split.BATCHES):
        raise ValueError(f"by must be 'size' or 'batch', got {by!r}")
    steps, _ = whole_numbers(holdout, "holdout")
    if steps.min() < 1:
        raise ValueError(f"holdout must hold whole numbers ≥ 1, got {list(holdout)!r}. Fix: give (1, 2, 3).")
    return sorted(steps.tolist())


def _scored(
    forecaster: str, samples: np.ndarray, origin: split.Origin, cells: pd.DataFrame, random_seed: int
) -> pd.DataFrame:
    """Scores of one forecaster at one origin, one row a cell."""
    truth, truth_se = cells[names.TRUTH].to_numpy(), cells[names.TRUTH_STDERR].to_numpy()
    measured = add_truth_noise(samples, truth_se, random_seed + origin.steps)
    now = measured_now(origin).reindex(pd.MultiIndex.from_frame(cells.reset_index()[split.CURVE])).to_numpy()
    scores = {name: values[:, 0] for name, values in score_rows(measured[:, None], truth[:, None], now).items()}
    table = cells.assign(**scores).reset_index()
    point = samples.mean(axis=1)
    table[names.FORECASTER] = forecaster
    table[names.ORIGIN] = origin.steps
    table[names.POINT], table[names.BIAS] = point, point - truth
    missing = ~np.isfinite(point)
    table.loc[missing, [name for name in scores if name not in SHARED]] = np.nan
    return table


def _as_dataset(table: pd.DataFrame, frame: pd.DataFrame) -> xr.Dataset:
    """Dims instead of rows; slices that were never scored stay, as NaN."""
    every_one = list(dict.fromkeys(table[names.FORECASTER]))
    result = table.set_index(DIMS).to_xarray()
    every = {names.FORECASTER: every_one} | {d: sorted(set(frame[d])) for d in split.CURVE}
    result = result.reindex({d: np.array(values, dtype=object) for d, values in every.items()})
    alone = {d: 0 for d in split.CURVE[1:] if result.sizes[d] == 1}
    result = result.isel(alone, drop=True)
    shared = result[list(SHARED)].max(names.FORECASTER)
    return result.drop_vars(SHARED).merge(shared)
