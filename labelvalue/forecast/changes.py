"""What interventions change of a forecast, per draw, and the error after those changes: one kernel for all."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.curves import error_draws
from labelvalue.forecast.draws import draws
from labelvalue.forecast.known_noise import noise_cost
from labelvalue.model import Fit
from labelvalue.model.curves import HALF_LABEL
from labelvalue.model.label_noise import information_left
from labelvalue.problems import InputError, Problem


@dataclasses.dataclass(frozen=True)
class Changes:
    """What is changed about a forecast; every field is a number or draws, and the defaults change nothing.

    Parameters
    ----------
    worth : float or DataArray
        Plain labels that one newly bought label counts for.
    added : float or DataArray
        Effective labels added at once.
    old_noise, new_noise : float or DataArray
        Share of wrong labels among those there now, and among those bought.
    excess : float or DataArray
        Factor on the part of the error above the floor, at the reference size.
    elasticity : float or DataArray
        Factor on how fast that part falls.
    floor : float or DataArray
        Factor on the floor.
    learner : str
        Learner whose curve holds from then on; empty for the same.

    Examples
    --------
    >>> Changes().worth
    1.0
    """

    worth: Any = 1.0
    added: Any = 0.0
    old_noise: Any = 0.0
    new_noise: Any = 0.0
    excess: Any = 1.0
    elasticity: Any = 1.0
    floor: Any = 1.0
    learner: str = ""


@dataclasses.dataclass(frozen=True)
class Standing:
    """Where a forecast stands before anything is changed.

    Parameters
    ----------
    fit : Fit
        Fit.
    posterior, position : xarray.Dataset
        Of the slices in question.
    bought : xarray.DataArray
        Labels bought, dim ``size`` (and slice, chain, draw).
    noise : xarray.DataArray or None
        Share of wrong plain labels, dims of slice, chain and draw; ``None`` where it is not known.
    noise_origin : str
        Where that share comes from.

    Examples
    --------
    See :func:`labelvalue.predict_gain_with`.
    """

    fit: Fit
    posterior: xr.Dataset
    position: xr.Dataset
    bought: xr.DataArray
    noise: xr.DataArray | None
    noise_origin: str

    @property
    def classes(self) -> int:
        """Number of classes that labels tell apart."""
        return int(self.fit.settings[names.CLASSES])

    def need_noise(self, name: str) -> xr.DataArray:
        """Return the share of wrong plain labels.

        Parameters
        ----------
        name : str
            Who needs it.

        Returns
        -------
        xarray.DataArray

        Raises
        ------
        InputError
            If it is not known.
        """
        if self.noise is None:
            why = f"what {name!r} brings depends on the share of wrong labels, which is not known"
            fix = "give noise=0.1 or an interval, or the posterior of label_noise from annotations"
            raise InputError([Problem(column="noise", why=why, fix=fix)])
        return self.noise

    def draw(self, key: str, value: Any) -> xr.DataArray:
        """Draw a quantity once a posterior draw.

        Parameters
        ----------
        key : str
            Names of intervention and quantity; all forecasts see the same draws under the same key.
        value : quantity
            Number, interval or branches.

        Returns
        -------
        xarray.DataArray
            Dims chain, draw; none for a number.
        """
        return draws(self.fit, key, value)


def changed_error(standing: Standing, changes: Changes) -> xr.DataArray:
    """Draw the expected error after labels were bought under changes.

    Own labels are those there now and those bought, each for its worth, and those added; all count for the share of
    information that their noise leaves, relative to plain labels. Labels of other slices stay as they are.

    Parameters
    ----------
    standing : Standing
        Where the forecast stands.
    changes : Changes
        What is changed.

    Returns
    -------
    xarray.DataArray
        Dims chain, draw, slice (and learner, suite), ``size``; unit of the error.

    Examples
    --------
    See :func:`labelvalue.predict_gain_with`.
    """
    position = standing.position
    now, other = position[names.LABELS_NOW], position[names.OTHER_LABELS_NOW]
    count = now + changes.worth * standing.bought + changes.added
    if standing.noise is not None:
        count = count * _cleaner(standing, changes)
    other = other + 0.0 * standing.bought
    if changes.learner:
        return _by_another_learner(standing, changes, count, other)
    return error_draws(_changed_curves(standing, standing.posterior, changes), standing.fit, count, other)


def _cleaner(standing: Standing, changes: Changes) -> Any:
    """Factor on effective labels: information left in the mixture of old and new labels over that in plain ones."""
    now, bought = np.maximum(standing.position[names.LABELS_NOW], HALF_LABEL), standing.bought
    mixed = (now * changes.old_noise + bought * changes.new_noise) / (now + bought)
    left = information_left(mixed, standing.classes) / information_left(standing.noise, standing.classes)
    return left ** noise_cost(standing.fit)[0]


def _changed_curves(standing: Standing, posterior: xr.Dataset, changes: Changes) -> xr.Dataset:
    """The posterior's curves with another level, steepness and floor."""
    if all(isinstance(f, float) and f == 1.0 for f in (changes.excess, changes.elasticity, changes.floor)):
        return posterior
    share = standing.fit.model.floor_share(posterior)
    level = posterior[names.ERROR_REFERENCE]
    floor, excess = level * share * changes.floor, level * (1.0 - share) * changes.excess
    rate = posterior[names.CURVE_ELASTICITY] / (1.0 - share) * changes.elasticity
    after = floor / (floor + excess)
    changed = {
        names.ERROR_REFERENCE: floor + excess,
        names.FLOOR_SHARE: after,
        names.CURVE_ELASTICITY: rate * (1.0 - after),
    }
    return posterior.assign({name: value.transpose(*level.dims) for name, value in changed.items()})


def _by_another_learner(standing: Standing, changes: Changes, count: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Error on the curve of one learner, from where each learner stands now."""
    one = {names.LEARNER: [changes.learner]}
    curves = _changed_curves(standing, standing.posterior.sel(one), changes)
    found = []
    for name in standing.posterior[names.LEARNER].values:
        at = {names.LEARNER: [name]}
        labels, others = (v.sel(at).assign_coords(one) if names.LEARNER in v.dims else v for v in (count, other))
        error = error_draws(curves, standing.fit, labels, others)
        found.append(error.assign_coords(at))
    return xr.concat(found, dim=names.LEARNER).transpose(*found[0].dims)
