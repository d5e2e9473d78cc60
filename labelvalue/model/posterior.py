"""From sampled curve parameters to what a fit promises: error, elasticity, impact and floor at now."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curves import log_effective_labels, own_share
from labelvalue.model.observations import CURVE
from labelvalue.model.specification import Model


def by_slice(values: xr.Dataset, observations: xr.Dataset) -> xr.Dataset:
    """Turn dim ``curve`` into ``slice`` and, where there are several learners, ``learner``.

    Parameters
    ----------
    values : xarray.Dataset
        Variables with or without dim ``curve``.
    observations : xarray.Dataset
        From :func:`labelvalue.model.observations.observe`; names the curves.

    Returns
    -------
    xarray.Dataset
        The same numbers under names.

    Examples
    --------
    >>> from labelvalue.model.observations import observe
    >>> from labelvalue.testing import fake_runs
    >>> seen = observe(fake_runs(seed=1))
    >>> by_slice(seen[["reference_labels"]], seen).sizes["slice"]
    4
    """
    if CURVE not in values.dims:
        return values
    slices = observations[names.SLICE].values
    learners = observations[names.LEARNER].values
    plain = values.drop_vars([CURVE, names.SLICE, names.LEARNER], errors="ignore")
    if len(set(learners)) == 1:
        return plain.rename({CURVE: names.SLICE}).assign_coords({names.SLICE: slices})
    shape = {names.SLICE: list(dict.fromkeys(slices)), names.LEARNER: list(dict.fromkeys(learners))}
    count = (len(shape[names.SLICE]), len(shape[names.LEARNER]))

    def unstack(variable: xr.DataArray) -> xr.DataArray:
        if CURVE not in variable.dims:
            return variable
        axis = variable.dims.index(CURVE)
        parts = variable.shape[:axis] + count + variable.shape[axis + 1 :]
        dims = (*variable.dims[:axis], names.SLICE, names.LEARNER, *variable.dims[axis + 1 :])
        coords = {name: c for name, c in variable.coords.items() if CURVE not in c.dims}
        return xr.DataArray(variable.values.reshape(parts), dims=dims, coords=coords)

    unstacked = xr.Dataset({name: unstack(v) for name, v in plain.data_vars.items()}, attrs=values.attrs)
    return unstacked.assign_coords({name: np.array(v, dtype=object) for name, v in shape.items()})


def log_ratio(parameters: xr.Dataset, position: xr.Dataset, labels: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Log effective labels at a size over those at the reference.

    Parameters
    ----------
    parameters : xarray.Dataset
        Posterior; ``transfer`` is read where it exists.
    position : xarray.Dataset
        ``reference_labels`` and ``reference_other_labels`` by slice (and learner).
    labels, other : xarray.DataArray
        Labels of the slice and of all other slices.

    Returns
    -------
    xarray.DataArray
        Broadcast over draws and sizes.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> at = fit.position["reference_labels"], fit.position["reference_other_labels"]
    >>> float(abs(log_ratio(fit.posterior, fit.position, *at)).max())
    0.0
    """
    worth = parameters.get(names.TRANSFER, 0.0)
    reference = position[names.REFERENCE_LABELS], position[names.REFERENCE_OTHER_LABELS]
    return log_effective_labels(labels, other, worth) - log_effective_labels(*reference, worth)


def at_now(parameters: xr.Dataset, position: xr.Dataset, model: Model) -> xr.Dataset:
    """Derive the promised posterior variables at each slice's current labels.

    Parameters
    ----------
    parameters : xarray.Dataset
        Sampled curve parameters by slice (and learner).
    position : xarray.Dataset
        ``labels_now``, ``other_labels_now`` and the reference labels by slice (and learner).
    model : Model
        Gives curve and slope.

    Returns
    -------
    xarray.Dataset
        ``error_now``, ``elasticity``, ``impact`` (error per label) and ``floor``.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> sorted(at_now(fit.posterior, fit.position, fit.model).data_vars)
    ['elasticity', 'error_now', 'floor', 'impact']
    """
    now, other = position[names.LABELS_NOW], position[names.OTHER_LABELS_NOW]
    ratio = log_ratio(parameters, position, now, other)
    error = parameters[names.ERROR_REFERENCE] * np.exp(model.curve(ratio, parameters))
    worth = parameters.get(names.TRANSFER, 0.0)
    elasticity = model.slope(ratio, parameters) * own_share(now, other, worth)
    derived = {
        names.ERROR_NOW: error,
        names.ELASTICITY: elasticity,
        names.IMPACT: elasticity * error / np.maximum(now, 1.0),
        names.FLOOR: parameters[names.ERROR_REFERENCE] * model.floor_share(parameters),
    }
    order = parameters[names.ERROR_REFERENCE].dims
    return xr.Dataset({name: value.transpose(*order) for name, value in derived.items()})
