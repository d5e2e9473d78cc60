"""A slice without runs: another one of the population, or an unknown one of those that were observed."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.effective_labels import LEAST_BESIDE, likeness_of_means, log_ratio, transfer_from
from labelvalue.model.curve.observations import CURVE_KEYS
from labelvalue.model.curve.posterior import STEP, at_now, doublings_below, log_error_at, steeper_below
from labelvalue.model.fitting.result import POSITION, Fit, altered, noted
from labelvalue.model.hierarchy.specification import Model
from labelvalue.model.prior.prior_curves import error_scale, population_curve
from labelvalue.settings import is_whole

ALIKE = 1e-2  # difference in log error up to which a curve seen from another size is the same curve
AHEAD = (np.log(2.0), np.log(8.0))  # logs of how far beyond that size they are compared

Normal = Callable[..., xr.DataArray]
"""``normal(what, *dims)``: standard normal draws of the new slice, with further dims."""


def new_slice(fit: Fit, name: str = "new", *, labels_now: int | None = None, like: str | None = None) -> Fit:
    """Add a slice without runs to a fit, so that every forecast can be asked about it.

    *Another slice like these* is drawn, in each posterior draw, from the population that the observed slices came from;
    *an unknown one of these* is one of them picked at random. Far below their sizes curves say little: for a slice that
    starts from nothing, ask for :func:`labelvalue.predict_error` at sizes like theirs, not for the gain from now.

    Parameters
    ----------
    fit : Fit
        Fit of the slices that were observed.
    name : str
        Name of the new slice; forecasts of it depend on the name and on the seed of the fit alone.
    labels_now : int, optional
        Its labels now, ≥ 0: none where not given, or with ``like`` the geometric mean of the observed slices' labels
        now.
    like : {"one of these"}, optional
        Whether to pick one of the observed slices instead of drawing another.

    Returns
    -------
    Fit
        The fit with one slice more, flagged ``borrowed``. Its curve is anchored at the geometric mean of the observed
        slices' reference sizes, or with ``like`` at its labels now; the labels of other slices are their mean.

    Raises
    ------
    ValueError
        If the name is taken or empty, ``labels_now`` is out of range, ``like`` is unknown, or the curves of the
        model are not of the same family when seen from another size.

    References
    ----------
    Gelman and Hill (2007), "Data analysis using regression and multilevel/hierarchical models", section 12.8, for the
    two kinds of prediction.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> wider = new_slice(fake_fit(seed=1), "west coast", labels_now=500)
    >>> wider.slices.size, wider.diagnostics.flags["west coast"]
    (5, ('borrowed',))
    """
    _check(fit, name, labels_now, like)
    position = _position(fit, labels_now, anchored_now=like is not None)
    drawn = _another(fit, position, _normal(fit, name)) if like is None else _one_of_these(fit, position, name, like)
    where = "the population of the others" if like is None else "the others, one picked in each draw"
    return _join(fit, name, drawn, position, f"slice {name!r} has no runs: it is drawn from {where}")


def _check(fit: Fit, name: str, labels_now: int | None, like: str | None) -> None:
    if not isinstance(name, str) or not name or name in {str(s) for s in fit.slices}:
        raise ValueError(f"name must be a text that no slice of the fit has, got {name!r}. Fix: give another name.")
    if labels_now is not None:
        least = 0 if like is None else 1
        if not is_whole(labels_now, least):
            raise ValueError(f"labels_now must be a whole number ≥ {least}, got {labels_now!r}")
    if like not in (None, names.ONE_OF_THESE):
        raise ValueError(f"like must be {names.ONE_OF_THESE!r} or not given, got {like!r}")


def _position(fit: Fit, labels_now: int | None, *, anchored_now: bool) -> xr.Dataset:
    """Where the new slice stands: as the others do on average, at its own labels."""
    others = fit.position
    mean = others.mean(names.SLICE)
    together = others[names.OTHER_LABELS_NOW] + (0.0 if anchored_now else others[names.LABELS_NOW])
    trained_together = bool((others[names.OTHER_LABELS_NOW] > 0).any())
    typical = _geometric_mean(others[names.LABELS_NOW].clip(min=1.0))
    now = typical if anchored_now and labels_now is None else xr.full_like(typical, float(labels_now or 0))
    beside = together.mean(names.SLICE) if trained_together else xr.zeros_like(typical)
    reference = now if anchored_now else _geometric_mean(others[names.REFERENCE_LABELS])
    return mean.assign(
        {
            names.LABELS_NOW: now,
            names.OTHER_LABELS_NOW: beside.round(),
            names.REFERENCE_LABELS: reference,
            names.REFERENCE_OTHER_LABELS: beside.round() if anchored_now else mean[names.REFERENCE_OTHER_LABELS],
            names.SIZES: xr.zeros_like(typical).astype(others[names.SIZES].dtype),
        }
    )


def _geometric_mean(values: xr.DataArray) -> xr.DataArray:
    logs = values.copy(data=np.log(values.values))
    mean = logs.mean(names.SLICE)
    return mean.copy(data=np.exp(mean.values)).round()


def _normal(fit: Fit, name: str) -> Normal:
    coords = fit.posterior.coords

    def normal(what: str, *dims: str) -> xr.DataArray:
        every = (*names.SAMPLE, *dims)
        values = _generator(fit, name, what).standard_normal([coords[d].size for d in every])
        return xr.DataArray(values, dims=every, coords={d: coords[d] for d in every})

    return normal


def _generator(fit: Fit, *texts: str) -> np.random.Generator:
    return np.random.default_rng([fit.settings["random_seed"], *(zlib.crc32(text.encode()) for text in texts)])


def _another(fit: Fit, position: xr.Dataset, normal: Normal) -> xr.Dataset:
    """Parameters of a slice drawn from the population, in each posterior draw."""
    group = fit.posterior
    rest = [d for d in fit.position[names.LABELS_NOW].dims if d != names.SLICE]
    whole, own = _whole(group, normal)
    curve = population_curve(fit.model, group, lambda stem: normal(stem, *rest), error_scale(fit.runs), whole=whole)
    drawn = {**curve, **own}
    if names.LUCK in group:  # what is drawn from the population is the population's
        drawn[names.LUCK] = xr.zeros_like(curve[names.ERROR_REFERENCE])
    if names.TRANSFER in group:
        beside = position[names.REFERENCE_OTHER_LABELS] / position[names.REFERENCE_LABELS].clip(min=1.0)
        spread = likeness_of_means(beside) * group["transfer_spread"]
        level = group["transfer_mean"] + spread * normal(names.TRANSFER, *rest)
        drawn[names.TRANSFER] = transfer_from(level, beside.clip(min=LEAST_BESIDE))
    if names.EFFICIENCY in group:
        deviation = normal(names.EFFICIENCY, *rest, names.STRATEGY)
        drawn[names.EFFICIENCY] = np.exp(group["efficiency_mean"] + group["efficiency_spread"] * deviation)
    if names.EVALUATION_NOISE in group:
        drawn[names.EVALUATION_NOISE] = group[names.EVALUATION_NOISE].mean(names.SLICE)
    return xr.Dataset(drawn)


def _whole(group: xr.Dataset, normal: Normal) -> tuple[xr.DataArray | float, dict[str, xr.DataArray]]:
    """What whole learners and suites, which are known, and the whole new slice add to the level of the elasticity."""
    total: xr.DataArray | float = 0.0
    own = {}
    for dim in CURVE_KEYS:
        name = f"{names.ELASTICITY}_of_{dim}"
        if name in group:
            deviation = group[name]
            if dim == names.SLICE:
                deviation = own[name] = normal(name)
            total = total + group[f"{names.ELASTICITY}_between_{dim}s"] * deviation
    return total, own


def _one_of_these(fit: Fit, position: xr.Dataset, name: str, like: str) -> xr.Dataset:
    """Parameters of an observed slice picked in each posterior draw, anchored anew at the new slice's labels now."""
    posterior, model = fit.posterior, fit.model
    ratio = log_ratio(posterior, fit.position, position[names.LABELS_NOW], position[names.OTHER_LABELS_NOW])
    walks, below = fit.walks, doublings_below(fit.position, position[names.LABELS_NOW])
    log_error = log_error_at(ratio, posterior, model, walks, below)
    before, after = (log_error_at(ratio + step, posterior, model, walks) for step in (-STEP, STEP))
    growth = np.log(position[names.LABELS_NOW] + position[names.OTHER_LABELS_NOW]) - np.log(
        fit.position[names.REFERENCE_LABELS] + fit.position[names.REFERENCE_OTHER_LABELS]
    )
    seen = posterior.assign(
        {
            names.ERROR_REFERENCE: np.exp(log_error),
            **({names.LUCK: xr.zeros_like(log_error)} if names.LUCK in posterior else {}),
            names.CURVE_ELASTICITY: (before - after) / (2.0 * STEP) + steeper_below(posterior, walks, below),
            names.FLOOR_SHARE: model.floor_share(posterior) / np.exp(model.curve(ratio, posterior)),
            names.TRAINING_SD: posterior[names.TRAINING_SD] * np.exp(-0.5 * posterior["training_decay"] * growth),
        }
    )
    if not _same_family(model, posterior, ratio):
        raise ValueError(
            f"curves of model {model.name!r} are of another kind when seen from another size, so that "
            "none can be picked at one size. Fix: fit model='power_law', or pick from forecasts of the observed slices"
        )
    pick = xr.DataArray(
        _generator(fit, name, like).integers(fit.slices.size, size=log_error.shape[:2]), dims=names.SAMPLE
    )
    at = {dim: xr.DataArray(np.arange(pick.sizes[dim]), dims=dim) for dim in names.SAMPLE}
    of_slices = [v for v in seen.data_vars if {*names.SAMPLE, names.SLICE} <= set(seen[v].dims)]
    return seen[of_slices].isel({**at, names.SLICE: pick}).drop_vars(names.SLICE)


def _same_family(model: Model, posterior: xr.Dataset, ratio: xr.DataArray) -> bool:
    """Whether elasticity and floor at another size say all there is to say about the curve from there on."""

    def beyond(log_ratio: float) -> xr.DataArray:
        return model.curve(ratio + log_ratio, posterior) - model.curve(ratio, posterior)

    there = {
        names.CURVE_ELASTICITY: (beyond(-STEP) - beyond(STEP)) / (2.0 * STEP),
        names.FLOOR_SHARE: model.floor_share(posterior) / np.exp(model.curve(ratio, posterior)),
    }
    anew = posterior.assign(there)
    return all(float(abs(model.curve(x, anew) - beyond(x)).max()) < ALIKE for x in AHEAD)


def _join(fit: Fit, name: str, drawn: xr.Dataset, position: xr.Dataset, note: str) -> Fit:
    """Put the new slice beside the others, derive what a fit promises, and flag it."""
    label = {names.SLICE: np.array([name], dtype=object)}
    here = position.expand_dims(label)
    order = fit.posterior[names.ERROR_REFERENCE].dims
    parameters = drawn.expand_dims(label).transpose(*order, ...)
    of_draws = {n: fit.posterior[n] for n in (names.FAMILY,) if n in fit.posterior}
    parameters = parameters.assign(at_now(parameters.assign(of_draws), here, fit.model, fit.walks).data_vars)
    groups = {names.POSTERIOR: _beside(fit.posterior, parameters), POSITION: _beside(fit.position, here)}
    flags = {**fit.diagnostics.flags, name: (names.BORROWED,)}
    wider = noted(altered(fit, groups), note)
    return dataclasses.replace(wider, diagnostics=dataclasses.replace(fit.diagnostics, flags=flags))


def _beside(old: xr.Dataset, new: xr.Dataset) -> xr.Dataset:
    """Both along ``slice``; a variable that the new one lacks is not known for it."""

    def both(variable: xr.DataArray) -> xr.DataArray:
        unknown = xr.full_like(variable.isel({names.SLICE: [0]}), np.nan, dtype=float)
        known = new.get(variable.name, unknown.assign_coords({names.SLICE: new[names.SLICE]}))
        return xr.concat([variable, known.transpose(*variable.dims)], dim=names.SLICE)

    joined = {n: both(v) if names.SLICE in v.dims else v for n, v in old.data_vars.items()}
    return xr.Dataset(joined, attrs=old.attrs).sortby(names.SLICE)
