"""What a synthetic example is worth in labels, from runs that were trained on some."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import ENTROPY
from labelvalue.model.curve.effective_labels import log_ratio
from labelvalue.model.curve.observations import CELL_KEYS
from labelvalue.model.curve.posterior import doublings_below, log_error_at
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import input_error

WORTHS = np.exp(np.linspace(np.log(1e-4), np.log(4.0), 61))  # worths that are weighed against each other
CENTER, SPREAD = np.log(0.1), 1.5  # prior of the log worth: nine times in ten between 0.008 and 1.2 labels
KEPT = [names.SYNTHETIC_LABELS, names.OTHER_SYNTHETIC_LABELS]


def synthetic_worth(fit: Fit) -> xr.DataArray:
    """Draw the worth of one synthetic example in labels of its slice, the same for all slices.

    The curves are those that the runs without synthetic examples tell; for each of their draws, the runs with some
    weigh worths on a grid by how well they explain the errors measured. Nothing flows back into the curves.

    Parameters
    ----------
    fit : Fit
        Fit of runs some of which hold synthetic examples.

    Returns
    -------
    xarray.DataArray
        ``synthetic_worth``, dims chain, draw; 0.0001 to 4 labels.

    Raises
    ------
    InputError
        If no run holds synthetic examples of its own slice.

    Examples
    --------
    >>> synthetic_worth(fit).quantile([0.05, 0.95])  # doctest: +SKIP
    """
    cells = _cells(fit)
    posterior, position = fit.posterior, fit.position
    score = np.zeros((WORTHS.size, posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]))
    for row in cells.to_dict("records"):
        at = {d: [row[str(d)]] for d in position[names.LABELS_NOW].dims}
        curve, place = posterior.sel(at), position.sel(at)
        labels = xr.DataArray(row[names.LABELS] + WORTHS * row[names.SYNTHETIC_LABELS], dims="worth")
        other = row[names.OTHER_LABELS] + WORTHS * row[names.OTHER_SYNTHETIC_LABELS]
        ratio = log_ratio(curve, place, labels, xr.DataArray(other, dims="worth"))
        expected = log_error_at(ratio, curve, fit.model, fit.walks, doublings_below(place, labels))
        total = float(labels[0] + other[0])
        reference = float((place[names.REFERENCE_LABELS] + place[names.REFERENCE_OTHER_LABELS]).squeeze())
        training = curve[names.TRAINING_SD] ** 2 * (total / reference) ** (-curve["training_decay"]) / row["runs"]
        residual = row["log_error"] - expected
        loglikelihood = -0.5 * residual**2 / (training + row["variance"])
        score += loglikelihood.squeeze(list(at)).transpose("worth", names.CHAIN, names.DRAW).values
    score += (-0.5 * ((np.log(WORTHS) - CENTER) / SPREAD) ** 2)[:, None, None]
    return _drawn(fit, score)


def _cells(fit: Fit) -> pd.DataFrame:
    """Runs with synthetic examples, those that are alike summed: mean log error and its sampling variance."""
    runs = fit.runs
    wanted = [*CELL_KEYS, *KEPT, names.ERROR]
    counted = names.ERRORS in runs
    frame = runs[[*wanted, *([names.ERRORS, names.TRIALS] if counted else [names.ERROR_STDERR])]].to_dataframe()
    frame = frame[(frame[KEPT[0]] > 0) & (frame[names.STRATEGY] == fit.settings[names.STRATEGIES][0])]
    frame = frame[~(frame[names.LABEL_NOISE] > 0)]
    if frame.empty:
        fix = "simulate_runs(..., protocol=Protocol(synthetic=...)), or state its worth: SyntheticData(5000, worth=0.1)"
        why = "no run holds synthetic examples, so what one is worth is not known"
        raise input_error(why, fix, column=names.SYNTHETIC_LABELS)
    if counted:
        wrong = frame[names.ERRORS] + 0.5
        frame["log_error"] = np.log(wrong / (frame[names.TRIALS] + 0.5))
        frame["variance"] = 1.0 / wrong - 1.0 / (frame[names.TRIALS] + 1.0)
    else:
        level = frame[names.ERROR].clip(lower=frame[names.ERROR][frame[names.ERROR] > 0].min())
        frame["log_error"], frame["variance"] = np.log(level), (frame[names.ERROR_STDERR] / level) ** 2
    keys = [k for k in [*CELL_KEYS, *KEPT] if k != names.LABEL_NOISE]
    cells = frame.groupby(keys).agg(runs=("log_error", "size"), log_error=("log_error", "mean"), v=("variance", "mean"))
    return cells.assign(variance=cells["v"] / cells["runs"]).reset_index()


def _drawn(fit: Fit, score: np.ndarray) -> xr.DataArray:
    """Draw one worth a posterior draw, smoothly between the points of the grid."""
    weight = np.exp(score - score.max(axis=0))
    cumulative = np.cumsum(weight, axis=0) / weight.sum(axis=0)
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY, 3])
    which = (cumulative < rng.uniform(size=score.shape[1:])).sum(axis=0)
    step = np.log(WORTHS[1] / WORTHS[0])
    worth = WORTHS[which] * np.exp(step * (rng.uniform(size=which.shape) - 0.5))
    coords = {d: fit.posterior[d] for d in names.SAMPLE}
    made = xr.DataArray(worth, dims=names.SAMPLE, coords=coords, name=names.SYNTHETIC_WORTH)
    return made.assign_attrs({names.UNIT: "labels per example"})
