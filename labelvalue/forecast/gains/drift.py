"""Drift: how the error of a model moves with time while its training data stay as they are."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.backtesting.holdout import SIZE, frame_of
from labelvalue.forecast.gains.curves import ENTROPY, curve_dims, flag_texts
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.model.fitting.result import Fit
from labelvalue.model.prior.priors import Prior
from labelvalue.observe.table.schema import COLUMNS
from labelvalue.printing import as_lines
from labelvalue.settings import is_number

YEAR_DAYS = 365.25
PRIOR = Prior(
    "normal", 0.0, 0.2, meaning="typical rise of log error a year of unchanged models", source="assumed, not learned"
)  # nine times in ten the error of a model that is left as it is moves by less than a third a year, either way
BETWEEN = 0.1  # how much slices differ in that, as a standard deviation
TELLING = 0.9  # posterior over prior standard deviation of a rate above which it is an assumption still
TRAINED = [names.LEARNER, names.LABELS, names.OTHER_LABELS, names.REPLICATE]
"""What makes training data the same, of runs of one strategy without noisy labels or synthetic examples."""
MOST = 100.0  # rise of log error beyond which it is the metric's worst, whatever that is
ASSUMED = "an assumption"
ORIGIN = "origin_of_drift"


def drift_rate(fit: Fit, *, elapsed: Mapping[str, float] | None = None) -> xr.DataArray:
    """Draw the rate at which the error rises with time where the training data stay as they are.

    Told by runs that share all but the time and the items of their evaluation (``measured_at``), and by suites of later
    data, where it is said how much later. Each such group has a level of its own, so that the curve plays no part. The
    prior of the typical rate is normal about 0 with 0.2 a year; slices differ from it by 0.1.

    Parameters
    ----------
    fit : Fit
        Fit; its runs are looked at.
    elapsed : mapping of str to float, optional
        Days by which the data of a suite are later than those of the holdout, such as ``{"time day 0.2": 45}``.

    Returns
    -------
    xarray.DataArray
        ``drift_rate``, dims chain, draw, slice: rise of log error a year, 0.1 for about a tenth more. Attribute
        ``origin_of_drift``: ``from runs``, or ``an assumption`` where no runs tell it and the draws are the prior's;
        ``notes`` says so.

    Raises
    ------
    ValueError
        If a suite is not among those of the runs, or its days are no number.

    References
    ----------
    Vela et al. (2022), "Temporal quality degradation in AI models", Scientific Reports 12, for how common it is.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> rate = drift_rate(fake_fit(seed=1))
    >>> rate.dims, rate.attrs["origin_of_drift"]
    (('chain', 'draw', 'slice'), 'an assumption')
    """
    later = _checked(fit, elapsed or {})
    frame = _frame(fit.runs, later)
    told = [_slope(fit, frame[frame[names.SLICE] == str(name)]) for name in fit.slices]
    estimate, information = (np.array(column) for column in zip(*told, strict=True))
    values = _draws(fit, estimate, information)
    coords: dict[Any, Any] = {d: fit.posterior[d].values for d in names.SAMPLE} | {names.SLICE: fit.slices}
    rate = xr.DataArray(values, dims=(*names.SAMPLE, names.SLICE), coords=coords, name=names.DRIFT_RATE)
    narrowed = float(rate.std(names.SAMPLE).min()) < TELLING * np.hypot(PRIOR.spread, BETWEEN)
    origin = names.FROM_RUNS if narrowed and information.any() else ASSUMED
    rate = rate.assign_coords({names.FLAGS: (names.SLICE, flag_texts(fit))})
    attrs = {names.UNIT: "log error per year", names.METRIC: fit.settings[names.METRIC], ORIGIN: origin}
    return rate.assign_attrs(attrs | {names.NOTES: as_lines([_note(origin)]), "verdict": fit.diagnostics.verdict})


def may_tell(fit: Fit, elapsed: Mapping[str, float]) -> bool:
    """Whether the runs may tell a drift at all: evaluated at different times, or on suites of later data."""
    moments = fit.runs[names.MEASURED_AT].values
    told = moments[~np.isnat(moments)]
    return bool(elapsed) or (told.size > 1 and told.min() < told.max())


def _note(origin: str) -> str:
    if origin == names.FROM_RUNS:
        return "the drift rate is estimated from runs of unchanged training data on items of different times"
    return (
        "the drift rate is an assumption: no runs of unchanged training data on items of different times tell it. Fix: "
        "evaluate a trained model again on later items, with measured_at, or say how much later a suite's data are"
    )


def predict_idle_error(fit: Fit, days: Sequence[int], drift: xr.DataArray | None = None) -> xr.DataArray:
    """Draw the error of doing nothing: no labels bought and nothing trained again, some days from now.

    Parameters
    ----------
    fit : Fit
        Fit.
    days : sequence of int
        Days from now, ≥ 0.
    drift : xarray.DataArray, optional
        From :func:`drift_rate`; where not given, what the fit's runs tell, or else its prior.

    Returns
    -------
    xarray.DataArray
        ``idle_error``, dims chain, draw, slice (and learner, suite), days; unit of the error, draw by draw beside
        :func:`labelvalue.predict_error` of the same fit. At 0 days it is the error now.

    Raises
    ------
    ValueError
        If a number of days is not whole or negative.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> float(abs(predict_idle_error(fit, [0, 365]).sel(days=0) - fit.posterior["error_now"]).max())
    0.0
    """
    numbers, notes = whole_numbers(days, names.DAYS)
    rate = drift_rate(fit) if drift is None else drift
    at = xr.DataArray(numbers, dims=names.DAYS, coords={names.DAYS: numbers})
    moved = rate.reset_coords(drop=True) * (at / YEAR_DAYS)
    grown = moved.copy(data=np.exp(np.minimum(moved.values, MOST)))
    error = (fit.posterior[names.ERROR_NOW] * grown).clip(max=float(fit.settings[names.UPPER]))
    error = error.transpose(*names.SAMPLE, *curve_dims(fit), names.DAYS).rename(names.IDLE_ERROR)
    error = error.assign_coords({names.FLAGS: (names.SLICE, flag_texts(fit))})
    told = rate.attrs.get(names.NOTES, "").splitlines()
    attrs = {names.UNIT: "error", names.METRIC: fit.settings[names.METRIC], "verdict": fit.diagnostics.verdict}
    return error.assign_attrs(attrs | {names.NOTES: as_lines([*notes, *told])})


def _checked(fit: Fit, elapsed: Mapping[str, float]) -> dict[str, float]:
    known = fit.settings["suites"]
    for name, days in elapsed.items():
        if name not in known:
            raise ValueError(f"no suite {name!r} among {', '.join(map(repr, known))}")
        if not is_number(days):
            raise ValueError(f"elapsed days of suite {name!r} must be a number, got {days!r}")
    return {str(name): float(days) for name, days in elapsed.items()}


def _frame(runs: xr.Dataset, later: Mapping[str, float]) -> pd.DataFrame:
    """Runs with a time in years, a group of unchanged training data, an evaluation set and a variance of log error."""
    frame = frame_of(runs, SIZE)
    timed = frame[names.MEASURED_AT].notna()
    frame = frame[frame["plain"] & (timed if timed.any() else True)].copy()
    days = (frame[names.MEASURED_AT] - frame[names.MEASURED_AT].min()).dt.total_seconds() / 86_400.0
    frame["moment"] = days.fillna(0.0)
    frame["at"] = (frame["moment"] + frame[names.SUITE].map(later).fillna(0.0)) / YEAR_DAYS
    own = frame[names.EVALUATION_SET] == ""
    frame["set"] = (frame[names.SUITE] + "\n" + frame[names.EVALUATION_SET]).where(~own, frame.index.astype(str))
    frame[names.SUITE] = frame[names.SUITE].where(~frame[names.SUITE].isin([*later]), COLUMNS[names.SUITE].default)
    frame["group"] = frame.groupby([names.SLICE, names.SUITE, *TRAINED]).ngroup()
    frame = frame.drop_duplicates(["group", "set"])  # the same items again show no drift
    level = frame[names.ERROR].clip(lower=0.5 * frame[names.ERROR][frame[names.ERROR] > 0].min())
    frame["log_error"], frame["relative"] = np.log(level), frame["variance"] / level**2
    return frame[frame.groupby("group")["at"].transform("nunique") > 1]


def _slope(fit: Fit, frame: pd.DataFrame) -> tuple[float, float]:
    """Rise of log error a year within groups, and its precision; generalised least squares."""
    if frame.empty:
        return 0.0, 0.0
    posterior = fit.posterior.sel({names.SLICE: frame[names.SLICE].iloc[0]})
    churn, training = (float(posterior[name].mean()) for name in ("churn", names.TRAINING_SD))
    sd = np.sqrt(frame["relative"].to_numpy())
    same_set = frame["set"].to_numpy()[:, None] == frame["set"].to_numpy()[None, :]
    trained = frame.groupby(["group", "moment"]).ngroup().to_numpy()
    same_training = trained[:, None] == trained[None, :]
    noise = np.where(same_set, 1.0 - churn, 0.0) * np.outer(sd, sd) + np.diag(churn * sd**2)
    covariance = noise + training**2 * same_training
    groups = pd.get_dummies(frame["group"]).to_numpy(float)
    weighted = np.linalg.solve(covariance, np.column_stack([groups, frame["at"], frame["log_error"]]))
    count = groups.shape[1]
    within = np.linalg.solve(groups.T @ weighted[:, :count], groups.T @ weighted[:, count:])
    time = frame["at"].to_numpy() - groups @ within[:, 0]
    information = float(time @ weighted[:, count])
    return (float(time @ weighted[:, count + 1]) / information, information) if information > 1e-9 else (0.0, 0.0)


def _draws(fit: Fit, estimate: np.ndarray, information: np.ndarray) -> np.ndarray:
    """Typical rate given all slices, then each slice's given that; both normal, both exact."""
    sizes = (fit.posterior.sizes[names.CHAIN], fit.posterior.sizes[names.DRAW])
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY, zlib.crc32(names.DRIFT_RATE.encode())])
    known = information > 0
    weight = np.divide(1.0, BETWEEN**2 + np.divide(1.0, information, where=known, out=np.ones_like(information)))
    weight = np.where(known, weight, 0.0)
    precision = PRIOR.spread**-2 + weight.sum()
    typical = (PRIOR.center * PRIOR.spread**-2 + (weight * estimate).sum()) / precision
    typical = typical + rng.standard_normal(sizes) / np.sqrt(precision)
    own = BETWEEN**-2 + information
    mean = (typical[..., None] * BETWEEN**-2 + information * estimate) / own
    return mean + rng.standard_normal((*sizes, estimate.size)) / np.sqrt(own)
