"""The population that curves are drawn from: levels about the group's means, and whole curves before any data."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.discrepancy import BETWEEN_SLICES, level_sd, paths, walk_at
from labelvalue.model.curve.observations import HALF_LABEL, observe
from labelvalue.model.hierarchy.specification import Model, get_model, log_error_from
from labelvalue.model.prior.priors import Prior, draw_prior
from labelvalue.settings import is_whole

POWER = "discrepancy_power"  # the group's power of steepness with which the shape discrepancy grows


@dataclasses.dataclass(frozen=True)
class ErrorScale:
    """The scale of errors, which turns their level into one: an upper bound, or else the runs' typical error."""

    upper: float = 1.0
    typical: float = 1.0


def error_scale(runs: xr.Dataset) -> ErrorScale:
    """Read from runs the scale that their fit measures errors on."""
    seen = observe(runs)
    log_error = seen["log_error"].values[seen["used"].values > 0]
    return ErrorScale(float(seen.attrs[names.UPPER]), float(np.exp(log_error.mean())))


def population_curve(
    model: Model, group: Mapping[Any, Any], normal: Callable[[str], Any], scale: ErrorScale, *, whole: Any = 0.0
) -> dict[str, Any]:
    """Turn draws of the group level into the parameters of a curve drawn from that group."""

    def level(stem: str) -> Any:
        return group[f"{stem}_mean"] + group[f"{stem}_spread"] * normal(stem)

    levels = {stem: level(stem) for stem in model.stems}
    levels[names.ELASTICITY] = levels[names.ELASTICITY] + whole
    log_error = log_error_from(level("error"), scale.upper, scale.typical)
    return {names.ERROR_REFERENCE: np.exp(log_error), **model.parameters(levels, group[POWER])}


def draw_curves(
    model: str | Model = "power_law",
    priors: Mapping[str, Prior] | None = None,
    *,
    labels: Sequence[float],
    reference_labels: float,
    runs: xr.Dataset | None = None,
    samples: int = 1000,
    random_seed: int = 0,
) -> xr.DataArray:
    """Draw learning curves from the priors alone: what a fit would believe of a slice without any runs.

    Each draw has a group of its own, a slice of that group, and a shape discrepancy on either side of the reference
    size.

    Parameters
    ----------
    model : str or Model
        Name of an installed model, or the object.
    priors : mapping of str to Prior, optional
        Priors that replace the model's, by name, as for :func:`labelvalue.fit`.
    labels : sequence of float
        Labels of the slice, ≥ 0, at which the curves are read; there are no labels of other slices.
    reference_labels : float
        Labels, > 0, at which the priors are stated: the largest size of a fit.
    runs : xarray.Dataset, optional
        Runs table that says on what scale errors are; without it they lie between 0 and 1.
    samples : int
        Number of curves, ≥ 1.
    random_seed : int
        Seed.

    Returns
    -------
    xarray.DataArray
        ``error``, dims draw and labels; unit of the error.

    Raises
    ------
    ValueError
        If a name is unknown, there are no labels, or a number is out of range.

    References
    ----------
    Gabry, Simpson, Vehtari, Betancourt and Gelman (2019), "Visualization in Bayesian workflow", JRSS A 182.

    Examples
    --------
    >>> curves = draw_curves(labels=[500, 1000, 2000], reference_labels=1000, samples=200)
    >>> curves.dims
    ('draw', 'labels')
    """
    sizes = _sizes(labels, reference_labels, samples)
    chosen = get_model(model)
    chosen = dataclasses.replace(chosen, priors=chosen.priors.replace(priors or {}))
    scale = ErrorScale() if runs is None else error_scale(runs)
    rng = np.random.default_rng(random_seed)
    group = {name: draw_prior(prior, samples, rng)[:, None] for name, prior in chosen.priors.items()}
    curve = population_curve(chosen, group, lambda _: rng.standard_normal((samples, 1)), scale)
    log_ratio = np.log(np.maximum(sizes, HALF_LABEL) / reference_labels)[None, :]
    doublings = log_ratio / np.log(2.0)
    sides = (walk_at(*paths(samples, random_seed, side), way * doublings) for side, way in _SIDES)
    mean = BETWEEN_SLICES.mean(curve) * level_sd(doublings)
    astray = np.log(2.0) * curve[names.DISCREPANCY] * (sum(sides) + mean)
    error = curve[names.ERROR_REFERENCE] * np.exp(chosen.curve(log_ratio, curve) + astray)
    return xr.DataArray(
        np.minimum(error, scale.upper),
        dims=(names.DRAW, names.LABELS),
        coords={names.DRAW: np.arange(samples), names.LABELS: sizes},
        name=names.ERROR,
        attrs={
            names.UNIT: "error",
            "model": chosen.name,
            "changed_priors": sorted(priors or {}),
            names.REFERENCE_LABELS: float(reference_labels),
            "random_seed": random_seed,
        },
    )


_SIDES = (("beyond the reference", 1.0), ("before the reference", -1.0))


def _sizes(labels: Sequence[float], reference_labels: float, samples: int) -> np.ndarray:
    sizes = np.atleast_1d(np.asarray(labels, dtype=float))
    if sizes.size == 0 or not (np.isfinite(sizes).all() and (sizes >= 0).all()):
        raise ValueError(f"labels must be numbers ≥ 0, got {labels!r}. Fix: give sizes such as [500, 1000, 2000].")
    if not 0 < reference_labels < np.inf:
        raise ValueError(f"reference_labels must be a number > 0, got {reference_labels!r}")
    if not is_whole(samples, 1):
        raise ValueError(f"samples must be a whole number ≥ 1, got {samples!r}")
    return sizes
