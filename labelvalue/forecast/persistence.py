"""Whether a gain that was forecast on one suite came on the others too: forecasts against what was then measured."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.curves import SIZE, curve_dims, error_draws
from labelvalue.forecast.holdout import CURVE, frame_of
from labelvalue.model import Fit
from labelvalue.problems import InputError, Problem

REALISED, FORECAST, PERSISTENCE = "realised", "forecast", "persistence"


def forecast_persistence(fit: Fit, runs: xr.Dataset, baseline: str = "holdout") -> xr.Dataset:
    """Set the gain forecast on one suite against the gains that came on every suite.

    The fit is of small training sets on the baseline; the runs go on to larger ones, on several suites. Forecast is the
    gain from the largest training set of the fit to the largest of the runs, at the labels that slices had there.

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
        raise InputError([Problem(column=names.LABELS, why=why, fix="give runs of that size and of larger ones")])
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
