"""What a model is: a name, priors, and functions of observations and parameters. Nothing about sampling."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labelvalue.model.prior.priors import Priors

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr


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
    >>> from labelvalue.model.hierarchy.catalogue import get_model
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
    """A model of what annotators do: which label they give, how long they take.

    Parameters
    ----------
    name : str
        The name of its file, or of its entry point in the group ``labelvalue.label_models``.
    description : str
        One sentence for people.
    priors : Priors
        Default priors.
    build : callable
        ``build(observations, priors) -> pymc.Model``. For ``dawid_skene``, what
        :func:`labelvalue.model.annotators.judgements.count_judgements` returns; its variables are those that
        :func:`labelvalue.model.annotators.judgements.levels_of` reads. For ``work_time``, what
        :func:`labelvalue.model.annotators.work.count_times` returns.
    """

    name: str
    description: str
    priors: Priors
    build: Callable[[xr.Dataset, Priors], pm.Model]
