"""Seconds a label takes: log-normal, with slices and annotators pooled.

Durations come summed by slice and annotator (count, mean and squared deviations of their logarithm), which loses
nothing for a log-normal; work that is recorded by job enters through the mean of its units.
"""

from importlib.resources import files
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from labelvalue import names
from labelvalue.model.hierarchy.building import variable
from labelvalue.model.hierarchy.specification import LabelModel
from labelvalue.model.prior.priors import Priors, read_priors


def _deviations(dim: str, observations: xr.Dataset, priors: Priors) -> Any:
    """Deviations of slices or annotators that sum to nothing; none where there is one."""
    size = observations.sizes[dim]
    if size == 1:
        return pt.zeros(1)
    spread = variable(f"{dim}_spread", priors[f"{dim}_spread"])
    return pm.Deterministic(f"of_{dim}", spread * pm.ZeroSumNormal(f"of_{dim}_deviation", 1.0, shape=size), dims=dim)


def _build(observations: xr.Dataset, priors: Priors) -> pm.Model:
    coords = {d: observations[d].values for d in (names.SLICE, names.ANNOTATOR)}
    with pm.Model(coords=coords) as model:
        level = variable("pace", priors["pace"])
        scatter = variable("scatter", priors["scatter"])
        place, who = observations["group_slice"].values, observations["group_annotator"].values
        mean = level + _deviations(names.SLICE, observations, priors)[place]
        mean = mean + _deviations(names.ANNOTATOR, observations, priors)[who]
        count, average = observations["count"].values, observations["mean_log"].values
        squares = observations["squares"].values + count * (average - mean) ** 2
        pm.Potential("durations", pt.sum(-count * pt.log(scatter) - 0.5 * squares / scatter**2))
        units = observations["units"].values
        jobs = np.flatnonzero(units > 0)
        if jobs.size:  # the mean of many log-normal durations
            variance = pt.expm1(scatter**2) / units[jobs]
            expected = mean[jobs] + 0.5 * scatter**2
            pm.Normal("jobs", expected, pt.sqrt(variance), observed=observations["job_log"].values[jobs])
    return model


MODEL = LabelModel(
    name="work_time",
    description="Seconds a label takes: log-normal, pooled over slices and annotators.",
    priors=read_priors(files("labelvalue_models.annotators") / "priors" / "work_time.toml"),
    build=_build,
)
