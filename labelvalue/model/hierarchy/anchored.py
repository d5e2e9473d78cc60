"""The hierarchical model that every curve family shares, anchored at each curve's largest observed size.

A family adds only the shape of its curves: how the part above the floor falls. Levels on an unbounded scale are pooled
over slices, learners and suites; :func:`curve_parameters` turns them into parameters, in the model that is fitted
and in curves drawn from the population alike.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import above_floor
from labelvalue.model.hierarchy.specification import FLOOR, Model, ShapeParameter, curve_parameters, stems_of
from labelvalue.model.prior.priors import Priors

if TYPE_CHECKING:
    import pymc as pm


def _curve(reducible: Callable[..., Any], shape: tuple[str, ...], log_ratio: Any, parameters: Any) -> Any:
    floor_share = parameters[names.FLOOR_SHARE]
    rate = parameters[names.CURVE_ELASTICITY] / (1.0 - floor_share)
    return above_floor(reducible(log_ratio, rate, *(parameters[name] for name in shape)), floor_share)


def _build(
    shape: tuple[ShapeParameter, ...], curve: Callable[[Any, Any], Any], observations: xr.Dataset, priors: Priors
) -> pm.Model:
    from labelvalue.model.hierarchy.building import build  # PyMC takes a second to import, and only a fit builds

    return build(shape, curve, observations, priors)


def _floor_share(parameters: Any) -> Any:
    return parameters[names.FLOOR_SHARE]


def anchored_model(
    name: str, description: str, priors: Priors, reducible: Callable[..., Any], shape: tuple[ShapeParameter, ...] = ()
) -> Model:
    """Make a model of a curve family from the shape of its part above the floor."""
    curve = partial(_curve, reducible, tuple(one.variable for one in shape))
    every = (FLOOR, *shape)
    return Model(
        name=name,
        description=description,
        priors=priors,
        build=partial(_build, every, curve),
        curve=curve,
        floor_share=_floor_share,
        parameters=partial(curve_parameters, shape=every),
        stems=(names.ELASTICITY, *stems_of(every)),
    )
