"""What a batch would change, from the published draws re-weighted: quick, and judged by its own weights."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import norm

from labelvalue import names
from labelvalue.forecast import predict_gain
from labelvalue.forecast.baselines import SAMPLES
from labelvalue.forecast.curves import curve_dims
from labelvalue.forecast.forecasters import model_samples
from labelvalue.forecast.holdout import Origin
from labelvalue.forecast.measured import measure
from labelvalue.forecast.reweighting import importance_weights
from labelvalue.model import Fit
from labelvalue.observe import read_runs
from labelvalue.operate.scorecard import origin_of
from labelvalue.problems import InputError, Problem

if TYPE_CHECKING:
    from labelvalue.operate.questions import Questions

BEFORE, AFTER = "before", "after"
SD_BEFORE, SD_AFTER = "sd_before", "sd_after"


def preview(project: Questions, runs: str | os.PathLike[str] | pd.DataFrame | xr.Dataset) -> pd.DataFrame:
    """Re-weight the published draws by how well they forecast a batch.

    Parameters
    ----------
    project : Questions
        The project.
    runs : path, DataFrame or Dataset
        The batch.

    Returns
    -------
    pandas.DataFrame
        As :meth:`Questions.preview` says.

    Raises
    ------
    InputError
        If nothing is published, or the batch tells nothing new.
    """
    fit = project.published
    if fit is None:
        raise InputError([Problem(why="no fit is published to start from", fix="run 'labelvalue refit DIR'")])
    configuration = project.configuration
    table = runs if isinstance(runs, xr.Dataset) else read_runs(runs, metric=configuration.metric)
    origin = origin_of(fit, table)
    if origin.future.empty:
        why = "no curve of the published fit got more labels"
        raise InputError([Problem(why=why, fix="add the batch and run 'labelvalue refit DIR'")])
    weights = importance_weights(_log_likelihood(fit, origin))
    labels = configuration.guardrails.batch_labels
    rows = _compared(fit, np.exp(weights.values.ravel()), labels)
    made = pd.DataFrame(rows)
    made.attrs = {names.BUDGET: labels} | {k: weights.attrs[k] for k in (names.PARETO_K, "effective_draws", "reliable")}
    return made


def _log_likelihood(fit: Fit, origin: Origin) -> xr.DataArray:
    """Log density of what the batch measured under each of the thinned draws; one chain."""
    cells = measure(origin)
    samples = model_samples(fit, origin, cells).clip(1e-12, float(fit.settings["upper"]))
    sd = np.maximum(cells[names.TRUTH_STDERR].to_numpy(), 1e-6)[:, None]
    logs = norm.logpdf(cells[names.TRUTH].to_numpy()[:, None], samples, sd).sum(axis=0)
    return xr.DataArray(logs[None], dims=names.SAMPLE)


def _compared(fit: Fit, weight: np.ndarray, labels: int) -> list[dict[str, object]]:
    """Means and standard deviations of gain and elasticity before and after."""
    dims = curve_dims(fit)
    gain = predict_gain(fit, [labels]).isel({names.BUDGET: 0}, drop=True)
    rows = []
    for quantity, draws in ((names.GAIN, gain), (names.ELASTICITY, fit.posterior[names.ELASTICITY])):
        ordered = draws.transpose(names.CHAIN, names.DRAW, *dims)
        cells = list(itertools.product(*(ordered[d].values.astype(str).tolist() for d in dims)))
        values = ordered.values.reshape(-1, len(cells))
        count = values.shape[0]
        kept = values[np.linspace(0, count - 1, min(SAMPLES, count)).astype(int)]
        for place, cell in enumerate(cells):
            where = dict(zip(dims, cell, strict=True))
            all_draws, some = values[:, place], kept[:, place]
            after = float(some @ weight / weight.sum())
            spread = float(np.sqrt((some - after) ** 2 @ weight / weight.sum()))
            means = {BEFORE: float(all_draws.mean()), AFTER: after}
            rows.append({"quantity": quantity, **where, **means, SD_BEFORE: float(all_draws.std()), SD_AFTER: spread})
    return rows
