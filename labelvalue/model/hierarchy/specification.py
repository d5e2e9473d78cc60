"""What a model is, the parameters of its curves from unbounded levels, and models by name, through entry points.

The shipped models and a user's own come in through this one door; nothing is registered by side effect.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import log_steepness, namespace, signed_exp, softplus
from labelvalue.model.curve.observations import TYPICAL_ELASTICITY
from labelvalue.model.prior.priors import Priors
from labelvalue.problems import did_you_mean, input_error

if TYPE_CHECKING:
    import pymc as pm


@dataclasses.dataclass(frozen=True)
class Model:
    """A learning-curve model: what ``models/`` holds, and what a user's own package may add.

    Parameters
    ----------
    name : str
        The name of its file, or of its entry point in the group ``labelvalue.models``.
    description : str
        One sentence for people.
    priors : Priors
        Default priors.
    build : callable
        ``build(observations, priors) -> pymc.Model``; knows nothing of chains, files or plots.
        ``observations`` is what :func:`labelvalue.model.curve.observations.observe` returns.
    curve : callable
        ``curve(log_ratio, parameters) -> log error relative to the reference``: plain arithmetic on floats, tensors
        and DataArrays; ``parameters`` maps names of the posterior's variables to values.
    floor_share : callable
        ``floor_share(parameters) -> share of the error at the reference size that stays for ever``.
    parameters : callable
        ``parameters(levels, power) -> mapping`` of curve parameters by name, from levels that the group's
        ``{stem}_mean`` and ``{stem}_spread`` describe: how a curve is drawn from the population.
    stems : tuple of str
        The levels that it takes.

    Examples
    --------
    >>> from labelvalue.model.hierarchy.specification import get_model
    >>> get_model("power_law").name
    'power_law'
    """

    name: str
    description: str
    priors: Priors
    build: Callable[[xr.Dataset, Priors], pm.Model]
    curve: Callable[[Any, Any], Any]
    floor_share: Callable[[Any], Any]
    parameters: Callable[..., dict[str, Any]]
    stems: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class LabelModel:
    """A model of annotators; ``build`` takes what ``count_judgements`` or ``count_times`` returns."""

    name: str
    description: str
    priors: Priors
    build: Callable[[xr.Dataset, Priors], pm.Model]


@dataclasses.dataclass(frozen=True)
class ShapeParameter:
    """A pooled parameter of a curve's shape, with priors ``{stem}_mean`` and ``{stem}_spread``.

    ``link`` leads from the unbounded level to ``variable``; ``from_above`` samples the mean by what lies above it.
    """

    stem: str
    variable: str
    link: Callable[[Any], Any]
    from_above: bool = False


def _share_of_bending(level: Any) -> Any:
    """Elasticity above the floor over that of the whole, less 1, of a level; linear for large values."""
    bending = softplus(level)
    return bending / (1.0 + bending)


FLOOR = ShapeParameter("floor", names.FLOOR_SHARE, _share_of_bending, from_above=True)
"""Share of the error at the reference size that labels never remove; every family has one."""
STEEPNESS = "steepness"
"""Log of the steepness that scales a curve's shape discrepancy, where it is not that of its elasticity."""


def log_error_from(level: Any, upper: float, typical: Any = 1.0) -> Any:
    """Turn an unbounded level into a log error, below the metric's upper bound where it has one."""
    return np.log(upper) - softplus(-level) if np.isfinite(upper) else namespace(typical).log(typical) + level


def level_from(error: Any, upper: float, typical: Any = 1.0) -> Any:
    """Turn an error back into its level: the inverse of :func:`log_error_from`."""
    return np.log(error / (upper - error)) if np.isfinite(upper) else np.log(error / typical)


def curve_parameters(levels: Mapping[str, Any], power: Any, shape: tuple[ShapeParameter, ...]) -> dict[str, Any]:
    """Turn unbounded levels into the parameters of curves."""
    xp = namespace(*levels.values())
    steepness = levels[STEEPNESS] if STEEPNESS in levels else log_steepness(levels[names.ELASTICITY])
    steeper = steepness - np.log(TYPICAL_ELASTICITY)
    return {
        names.CURVE_ELASTICITY: signed_exp(levels[names.ELASTICITY]),
        **{one.variable: one.link(levels[one.stem]) for one in shape},
        names.TRAINING_SD: xp.exp(levels["training"]),
        names.DISCREPANCY: xp.exp(levels["discrepancy"] + power * steeper),
    }


def stems_of(shape: tuple[ShapeParameter, ...]) -> list[str]:
    """Name the levels that are pooled over curves beside the elasticity."""
    return [*(one.stem for one in shape), "training", "discrepancy"]


GROUP = "labelvalue.models"
LABEL_GROUP = "labelvalue.label_models"
"""Entry points of models of annotators; a model of learning curves has a curve, which these have not."""


@functools.cache
def _points(group: str) -> list[tuple[EntryPoint, str]]:
    """Entry points of models, a package's files one by one, with the distribution that each comes from."""
    found = []
    for point in entry_points(group=group):
        package = f"{point.dist.name} {point.dist.version}" if point.dist else ""
        spec = None if ":" in point.value else find_spec(point.value)
        files = pkgutil.iter_modules(spec.submodule_search_locations) if spec else ()
        inside = [EntryPoint(f.name, f"{point.value}.{f.name}:MODEL", group) for f in files if not f.ispkg]
        found += [(one, package) for one in (inside if spec else [point])]
    return found


def _load[Kind: (Model, LabelModel)](name: str, group: str, kind: type[Kind]) -> Kind | None:
    for point, _ in _points(group):
        if point.name == name:
            found = point.load()
            if not isinstance(found, kind):
                kinds = f"a {type(found).__name__}, not a {kind.__name__}"
                raise TypeError(f"entry point {name!r} of {group} names {kinds}")
            return found
    return None


def model_names() -> tuple[str, ...]:
    """Return the names that ``fit(model=...)`` accepts, sorted."""
    return tuple(sorted({point.name for point, _ in _points(GROUP)}))


JOIN = "+"  # between the names of models that are blended


def blended_model(parts: Sequence[Model]) -> Model:
    """Make the model of a blend: each draw's curve is that of its family; its priors are those that all parts share."""
    first, *others = (part.priors for part in parts)
    alike = [n for n in first if all(n in o and o[n] == first[n] for o in others)]
    level = {n: p for n, p in first.between_learners.items() if all(o.between_learners.get(n) == p for o in others)}
    shared = Priors({n: first[n] for n in alike}, {n: p for n, p in level.items() if n in alike})
    told = ", ".join(part.name for part in parts)
    return Model(
        name=JOIN.join(part.name for part in parts),
        description=f"A blend: each draw is of one of the families {told}, in proportion to their stacking weights.",
        priors=shared,
        build=_not_built,
        curve=functools.partial(_by_family, tuple(part.curve for part in parts)),
        floor_share=functools.partial(_by_family, tuple(part.floor_share for part in parts)),
        parameters=functools.partial(_of_all, tuple(part.parameters for part in parts)),
        stems=tuple(dict.fromkeys(stem for part in parts for stem in part.stems)),
    )


def _by_family(parts: tuple[Callable[..., Any], ...], *given: Any) -> Any:
    """What the family of each draw says; the parameters come last."""
    family, found = given[-1][names.FAMILY], parts[0](*given)
    where: Any = np.where if isinstance(family, np.ndarray) else xr.where
    for number, part in enumerate(parts[1:], start=1):
        found = where(family == number, part(*given), found)
    return found


def _of_all(parts: tuple[Callable[..., dict[str, Any]], ...], levels: Any, power: Any) -> dict[str, Any]:
    """Parameters of all families, of which each draw's own are read."""
    return {name: value for part in reversed(parts) for name, value in part(levels, power).items()}


def _not_built(*_: Any) -> Any:
    raise input_error("a blend is not sampled itself", "fit its models, and blend the fits", column="model")


def get_model(model: str | Model) -> Model:
    """Return the model of a name; a :class:`Model` is returned as it is.

    Parameters
    ----------
    model : str or Model
        Name of an entry point, or several joined by ``+``, which are blended; or the object itself.

    Returns
    -------
    Model
        The specification.

    Raises
    ------
    ValueError
        If no installed package offers a model of that name.
    TypeError
        If ``model``, or what the entry point names, is not a :class:`Model`.

    Examples
    --------
    >>> get_model("power_law").name
    'power_law'
    """
    if isinstance(model, Model):
        return model
    if not isinstance(model, str):
        raise TypeError(f"model must be a name or a labelvalue.Model, got {type(model).__name__}")
    if (found := _load(model, GROUP, Model)) is not None:
        return found
    if JOIN in model:
        return blended_model([get_model(part) for part in model.split(JOIN)])
    known = model_names()
    raise ValueError(f"unknown model {model!r}{did_you_mean(model, known)} Installed models: {', '.join(known)}")


def get_label_model(name: str) -> LabelModel:
    """Return a model of annotators by name."""
    found = _load(name, LABEL_GROUP, LabelModel)
    if found is None:
        known = [point.name for point, _ in _points(LABEL_GROUP)]
        raise ValueError(f"unknown label model {name!r}{did_you_mean(name, known)}")
    return found


def model_source(model: Model) -> dict[str, str]:
    """Say where the code of a model comes from, for whoever audits a fit; of a blend, that of each of its models."""
    if JOIN in model.name:
        parts = [model_source(get_model(part)) for part in model.name.split(JOIN)]
        return {key: JOIN.join(part[key] for part in parts) for key in parts[0]}
    module, entry, package = model.build.__module__, "", ""
    for point, of in _points(GROUP):
        if point.name == model.name and getattr(point.load(), "build", None) is model.build:
            module, entry, package = point.module, point.value, of
    file = getattr(sys.modules.get(module), "__file__", None)
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""
    return {"entry_point": entry, "package": package, "file_sha256": digest}
