"""Gains over several learners and over several suites: what an average would hide."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.holdout import CURVE, frame_of
from labelvalue.forecast.gains.curves import SIZE, curve_dims, error_draws
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import InputError, input_error


def gain_over_learners(gain: xr.DataArray) -> xr.Dataset:
    """Summarise a gain, or an impact, over learners, per draw: mean, spread, best, and whether a mean hides the best.

    Parameters
    ----------
    gain : xarray.DataArray
        From ``predict_gain`` or ``impact`` of a fit with several learners.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, slice and, of a gain, budget: ``mean``, ``spread`` (standard deviation over learners),
        ``best``; and without draws ``p_hidden``, the probability that the best learner gains, and more than 1.5 times
        the mean, and ``hidden``, whether that probability is above 0.8.

    Raises
    ------
    ValueError
        If the gain has no dim of learners.

    Examples
    --------
    >>> import labelvalue as lv
    >>> gain = lv.predict_gain(lv.testing.fake_fit(seed=1, learners=("line", "tree")), [500])
    >>> bool((gain_over_learners(gain)["best"] >= gain_over_learners(gain)["mean"]).all())
    True
    """
    _need(gain, names.LEARNER, "learners")
    mean, best = gain.mean(names.LEARNER), gain.max(names.LEARNER)
    hidden = ((best > MUCH_BETTER * mean) & (best > 0)).mean(names.SAMPLE)
    return xr.Dataset(
        {"mean": mean, "spread": gain.std(names.LEARNER), "best": best, "p_hidden": hidden, "hidden": hidden > SURE}
    )


MUCH_BETTER = 1.5
SURE = 0.8


def gain_over_suites(gain: xr.DataArray, baseline: str = "holdout") -> xr.Dataset:
    """Summarise a gain over suites, per draw: the worst suite, and how much of the baseline's gain persists on each.

    Parameters
    ----------
    gain : xarray.DataArray
        From ``predict_gain`` of a fit with several suites.
    baseline : str
        Suite that the others are measured by.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, slice (and learner), budget: ``worst``, the least gain over suites; and with dim suite
        ``persistence``, the gain on a suite over that on the baseline (NaN where the latter is 0).

    Raises
    ------
    ValueError
        If the gain has no dim of suites, or not that baseline.

    Examples
    --------
    >>> gain_over_suites(gain)["persistence"].median(("chain", "draw"))  # doctest: +SKIP
    """
    _need(gain, names.SUITE, "suites")
    found = [str(name) for name in gain[names.SUITE].values]
    if baseline not in found:
        raise ValueError(
            f"no suite {baseline!r} among {', '.join(found)}. Fix: gain_over_suites(gain, baseline={found[0]!r})"
        )
    base = gain.sel({names.SUITE: baseline}, drop=True)
    return xr.Dataset({"worst": gain.min(names.SUITE), "persistence": gain / base.where(np.abs(base) > 0)})


def step_value(error: xr.DataArray, step: str, without: str) -> xr.Dataset:
    """What a step of the recipe takes off the error (…, learner, labels), and whether that grows with labels."""
    value = error.sel({names.LEARNER: without}, drop=True) - error.sel({names.LEARNER: step}, drop=True)
    first, last = (value.isel({names.LABELS: i}, drop=True) for i in (0, -1))
    grows = (last > first).mean(names.SAMPLE)
    found = {names.VALUE: value, "interaction": last - first, "p_grows": grows}
    return xr.Dataset({name: part.reset_coords(drop=True) for name, part in found.items()})


def _need(values: xr.DataArray, dim: str, what: str) -> None:
    if dim not in values.dims:
        raise ValueError(f"the fit holds no several {what}: its forecasts have dims {', '.join(map(str, values.dims))}")


REALISED, FORECAST, PERSISTENCE = "realised", "forecast", "persistence"


def forecast_persistence(fit: Fit, runs: xr.Dataset, baseline: str = "holdout") -> xr.Dataset:
    """Set the gain forecast on one suite against the gains that came on every suite.

    Forecast is the gain from the largest training set of the fit to the largest of the runs.

    Parameters
    ----------
    fit : Fit
        Fit of runs on the baseline alone, up to some size.
    runs : xarray.Dataset
        Runs of that size and of larger ones, on the baseline and on other suites.
    baseline : str
        Suite of the fit.

    Returns
    -------
    xarray.Dataset
        ``forecast``, dims chain, draw, slice (and learner); ``realised`` and its standard error ``stderr``, dims suite,
        slice (and learner), NaN where nothing was measured; and ``persistence``, dims chain, draw, suite (and learner):
        the gain that came, averaged over slices, over the gain forecast; 1 where all of it came. Its draws carry the
        noise of both.

    Raises
    ------
    InputError
        If the runs reach no farther than the fit, or measured nothing at its size.
    ValueError
        If the fit holds several suites.

    Examples
    --------
    >>> small = fit(runs.isel(run=(total <= 2000) & (runs.suite == "holdout")))  # doctest: +SKIP
    >>> forecast_persistence(small, runs)["persistence"].quantile([0.05, 0.5, 0.95])  # doctest: +SKIP
    """
    curve = curve_dims(fit)
    if names.SUITE in curve:
        raise ValueError(f"the fit holds several suites. Fix: fit the runs on {baseline!r} alone")
    frame = frame_of(runs, SIZE)
    frame = frame[frame["plain"]].assign(total=frame[names.LABELS] + frame[names.OTHER_LABELS])
    start = int((fit.runs[names.LABELS] + fit.runs[names.OTHER_LABELS]).max())
    end = int(frame["total"].max())
    at = {place: frame[frame["total"] == size] for place, size in ((0, start), (1, end))}
    if end <= start or at[0].empty:
        why = f"runs reach {end} labels, the fit {start}" if end <= start else f"no runs at the fit's size {start}"
        raise input_error(why, "give runs of that size and of larger ones", column=names.LABELS)
    forecast = _forecast(fit, [part[part[names.SUITE] == baseline] for part in at.values()])
    realised, stderr = _realised(fit, at[0], at[1])
    rng = np.random.default_rng([fit.settings["random_seed"], 13])
    known = np.isfinite(realised) & np.isfinite(forecast.isel(chain=0, draw=0, drop=True))
    noise = xr.DataArray(
        rng.standard_normal((*forecast.shape[:2], *realised.shape)), dims=[*forecast.dims[:2], *realised.dims]
    )
    came = (realised + stderr.fillna(0.0) * noise).where(known).mean(names.SLICE)
    persistence = came / forecast.where(known).mean(names.SLICE)
    dims = [names.CHAIN, names.DRAW, names.SUITE, *(d for d in curve if d != names.SLICE)]
    return xr.Dataset(
        {FORECAST: forecast, REALISED: realised, names.STDERR: stderr, PERSISTENCE: persistence.transpose(*dims)}
    ).assign_attrs({names.UNIT: "error", "verdict": fit.diagnostics.verdict})


STEPS, LEAST_SIZES, DRAWS, TUNE = 1.0, 3, 500, 200


def held_back_persistence(fit: Fit, baseline: str = "holdout") -> xr.Dataset | None:
    """Do as :func:`forecast_persistence` with a quick fit of runs a doubling or more below the last; None if few."""
    from labelvalue.model.fitting import fitting

    runs = fit.runs
    total = (runs[names.LABELS] + runs[names.OTHER_LABELS]).values
    own = runs[names.SUITE].values.astype(str) == baseline
    smaller = np.unique(total[own & (total <= total.max() / 2.0**STEPS)])
    if names.SUITE not in curve_dims(fit) or smaller.size < LEAST_SIZES or fit.diagnostics.verdict == "refused":
        return None
    seen = runs.isel({names.RUN: np.flatnonzero(own & (total <= smaller[-1]))})
    known = {key: fit.settings[key] for key in ("random_seed", names.CLASSES)}
    small = fitting.fit(seen, fit.model, draws=DRAWS, tune=TUNE, progress=False, **known)
    if small.diagnostics.verdict == "refused":
        return None
    try:
        return forecast_persistence(small, runs, baseline)
    except InputError:  # nothing was measured at the size that the small fit ends with
        return None


def _forecast(fit: Fit, parts: list[pd.DataFrame]) -> xr.DataArray:
    """Gain from the one to the other at the mean labels that each slice had in each; NaN where it had no runs."""
    curve = curve_dims(fit)
    keys = [c for c in CURVE if c in curve]
    means = [part.groupby(keys)[[names.LABELS, names.OTHER_LABELS]].mean() for part in parts]
    like = fit.position[names.LABELS_NOW]

    def sizes(column: str) -> xr.DataArray:
        found = [xr.DataArray.from_series(m[column]).reindex_like(like) for m in means]
        return xr.concat(found, dim=SIZE).transpose(*curve, SIZE)

    labels, other = sizes(names.LABELS), sizes(names.OTHER_LABELS)
    drawn = fit.posterior.drop_vars(names.LUCK, errors="ignore")  # both are measured on the same items
    error = error_draws(drawn, fit, labels.fillna(1.0), other.fillna(0.0))
    gain = error.isel({SIZE: 0}) - error.isel({SIZE: 1})
    return gain.where((labels > 0).all(SIZE)).transpose(names.CHAIN, names.DRAW, *curve)


def _realised(fit: Fit, first: pd.DataFrame, last: pd.DataFrame) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over replicates of the drop that each of them shows, and its standard error."""
    keys = [c for c in CURVE if c in (*curve_dims(fit), names.SUITE)]
    both = [part.groupby([*keys, names.REPLICATE])[names.ERROR].mean() for part in (first, last)]
    drop = (both[0] - both[1]).dropna().groupby(level=keys)
    like = fit.position[names.LABELS_NOW]
    found = []
    for values in (drop.mean(), drop.std() / np.sqrt(drop.size())):
        array = xr.DataArray.from_series(values)
        found.append(array.reindex({d: like[d] for d in like.dims}).transpose(names.SUITE, *like.dims))
    return found[0], found[1]


def on_suite(fit: Fit, suite: str) -> Fit:
    """Return a fit of one of its suites alone: the same draws of these curves, and the runs behind them."""
    return only_curves(fit, {names.SUITE: suite}) if suite else fit


def only_curves(fit: Fit, where: Mapping[str, str], slices: Sequence[str] = ()) -> Fit:
    """Return a fit of some of its curves alone, with the runs of the learner or suite that they are of."""
    tree, runs = fit.tree.copy(), fit.runs
    wanted: dict[str, Any] = {**where} | ({names.SLICE: [*slices]} if slices else {})
    for group in [name for name in tree.children if name != names.BACKTEST]:
        inside = tree[group].to_dataset()
        tree[group] = xr.DataTree(inside.sel({d: one for d, one in wanted.items() if d in inside.dims}, drop=True))
    for dim, one in where.items():
        runs = runs.isel({names.RUN: np.flatnonzero(runs[dim].values.astype(str) == one)})
    tree[names.RUNS] = xr.DataTree(runs)
    return dataclasses.replace(fit, tree=tree)
