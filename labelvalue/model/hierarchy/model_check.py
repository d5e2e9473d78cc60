"""Whether a model keeps the promises that forecasts and sampler rest on: one public check for every model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.observations import observe
from labelvalue.model.hierarchy.specification import Model, get_model
from labelvalue.model.prior.prior_curves import ErrorScale, population_curve
from labelvalue.model.prior.priors import draw_prior
from labelvalue.observe.table.runs import read_runs

if TYPE_CHECKING:
    import pymc as pm

SAMPLES = 200
SPAN = np.log(2.0) * np.linspace(-4.0, 6.0, 41)
"""Logs of labels over those at the reference at which curves are looked at: 4 doublings back, 6 ahead."""
STEP = 1e-5
NEEDED = (names.ERROR_REFERENCE, names.CURVE_ELASTICITY, names.TRAINING_SD, names.DISCREPANCY)
NEEDED_OF_GROUP = ("churn", "training_decay", "discrepancy_power")
"""What forecasts read from a posterior, by curve and of the group."""


def check_model(model: str | Model) -> Model:
    """Check a learning-curve model: one's own or a shipped one, all by the same rules.

    Its words, its priors, the arithmetic of its curve, and whether what it builds can be sampled. Nothing is sampled.

    Parameters
    ----------
    model : str or Model
        Name of an installed model, or the object.

    Returns
    -------
    Model
        The model, as :func:`labelvalue.get_model` returns it.

    Raises
    ------
    ValueError
        If anything is wrong, all of it named; or if there is no model of that name.
    TypeError
        If it is no :class:`Model`.

    Examples
    --------
    >>> import dataclasses
    >>> power_law = get_model("power_law")
    >>> check_model(dataclasses.replace(power_law, curve=lambda log_ratio, parameters: 1.0 + log_ratio))
    Traceback (most recent call last):
    ...
    ValueError: model 'power_law': the curve is not 0 at the reference size; its slope there is not minus ...
    """
    chosen = get_model(model)
    faults: list[str] = []
    for what, look in (("words", _words), ("arithmetic", _arithmetic), ("build", _built)):
        try:
            faults += look(chosen)
        except Exception as error:  # a model's own code may fail in any way; what it did is what has to be said
            faults.append(f"its {what} ended with {type(error).__name__}: {error}")
        if faults:  # what comes next would stumble over them
            break
    if faults:
        raise ValueError(f"model {chosen.name!r}: {'; '.join(faults)}")
    return chosen


def _words(model: Model) -> Iterator[str]:
    if not model.name or not model.description.endswith("."):
        yield "its name must not be empty and its description must be a sentence"
    wanted = [f"{stem}_{part}" for stem in ("error", *model.stems) for part in ("mean", "spread")]
    missing = [name for name in (*wanted, *NEEDED_OF_GROUP) if name not in model.priors]
    if missing:
        yield f"no prior {', '.join(missing)}"
    silent = [name for name, prior in model.priors.items() if not prior.meaning or not prior.source]
    if silent:
        yield f"priors without a meaning or a source: {', '.join(silent)}"


def _arithmetic(model: Model) -> Iterator[str]:
    """Curves drawn from the priors, on arrays; a few of them once more on numbers and DataArrays."""
    rng = np.random.default_rng(7)
    group = {name: draw_prior(prior, SAMPLES, rng)[:, None] for name, prior in model.priors.items()}
    curve = population_curve(model, group, lambda _: rng.standard_normal((SAMPLES, 1)), ErrorScale())
    missing = [name for name in NEEDED if name not in curve]
    if missing:
        yield f"its parameters lack {', '.join(missing)}"
        return
    elasticity, floor = curve[names.CURVE_ELASTICITY], model.floor_share(curve)
    values = np.broadcast_to(model.curve(SPAN[None, :], curve), (SAMPLES, SPAN.size))
    if np.abs(model.curve(np.zeros((1, 1)), curve)).max() > 1e-9:
        yield "the curve is not 0 at the reference size"
    slope = (model.curve(np.full((1, 1), STEP), curve) - model.curve(np.full((1, 1), -STEP), curve)) / (2.0 * STEP)
    if np.abs(slope + elasticity).max() > 1e-3 * max(1.0, float(np.abs(elasticity).max())):
        yield "its slope there is not minus the elasticity"
    if not np.isfinite(values).all():
        yield "it is not finite from a sixteenth to 64 times the reference size"
    elif (np.diff(values, axis=1) > 1e-9)[elasticity[:, 0] > 0].any():
        yield "it rises with labels although its elasticity is positive"
    if not ((floor >= 0) & (floor < 1)).all() or (values < np.log(np.maximum(floor, 1e-300)) - 1e-6).any():
        yield "it falls below the floor, or the floor is no share of the error at the reference"
    yield from _kinds(model, curve, values)


def _kinds(model: Model, curve: dict[str, Any], values: np.ndarray) -> Iterator[str]:
    first = {name: float(value[0, 0]) for name, value in curve.items()}
    arrays = {name: xr.DataArray(value[:, 0], dims=names.DRAW) for name, value in curve.items()}
    alone = [float(model.curve(float(x), first)) for x in SPAN]
    of_arrays = model.curve(xr.DataArray(SPAN, dims=names.LABELS), arrays)
    if not np.allclose(alone, values[0], atol=1e-9):
        yield "it is another on plain numbers than on arrays"
    if not np.allclose(of_arrays.transpose(names.DRAW, names.LABELS), values, atol=1e-9):
        yield "it is another on DataArrays than on arrays"


def _built(model: Model) -> Iterator[str]:
    observations = observe(_few_runs())
    built = model.build(observations, model.priors)
    there = {variable.name for variable in (*built.free_RVs, *built.deterministics)}
    missing = [name for name in (*NEEDED, *NEEDED_OF_GROUP) if name not in there]
    if missing:
        yield f"what it builds has no variable {', '.join(missing)}"
    value, slopes = density_and_gradient(built)(built.initial_point(random_seed=1))
    if not np.isfinite(value):
        yield "its log density is not finite where chains start"
    elif not np.isfinite(slopes).all():
        yield "the gradient of its log density is not finite where chains start"


def density_and_gradient(built: pm.Model) -> Callable[[Mapping[str, Any]], tuple[float, np.ndarray]]:
    """Make the log density of a model and its gradient a function that needs no compiler."""
    import pytensor.tensor as pt
    from pymc.pytensorf import gradient
    from pytensor.compile.mode import Mode

    density = pt.zeros(())  # summed one by one: PyTensor's own sum of many terms needs a compiler
    for term in built.logp(sum=False):
        density = density + pt.sum(term)
    outputs = [density, gradient(density, built.value_vars)]
    both = built.compile_fn(outputs, inputs=built.value_vars, mode=Mode(linker="py", optimizer=None))

    def call(point: Mapping[str, Any]) -> tuple[float, np.ndarray]:
        value, slopes = both(point)
        return float(value), np.asarray(slopes)

    return call


def _few_runs() -> xr.Dataset:
    """Two slices that fall, one under more labels of the other than of its own."""
    rows = [
        (name, labels, share * labels, round(1000 * level * (labels / 4000) ** -0.2), 1000, replicate)
        for name, level, share in (("a", 0.1, 1), ("b", 0.2, 3))
        for labels in (500, 1000, 2000, 4000)
        for replicate in range(2)
    ]
    columns = [names.SLICE, names.LABELS, names.OTHER_LABELS, names.ERRORS, names.TRIALS, names.REPLICATE]
    return read_runs(pd.DataFrame(rows, columns=columns))
