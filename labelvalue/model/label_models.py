"""Models of annotators: what they are, and how they are found, apart from models of learning curves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from labelvalue.model.priors import Priors
from labelvalue.problems import did_you_mean

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

LABEL_GROUP = "labelvalue.label_models"
"""Entry points of models of annotators; a model of learning curves has a curve, which these have not."""


@dataclasses.dataclass(frozen=True)
class LabelModel:
    """A model of what annotators do: which label they give, how long they take.

    Parameters
    ----------
    name : str
        Name of its entry point in the group ``labelvalue.label_models``.
    description : str
        One sentence for people.
    priors : Priors
        Default priors.
    build : callable
        ``build(observations, priors) -> pymc.Model``. For ``dawid_skene``, what
        :func:`labelvalue.model.judgements.count_judgements` returns; its variables are those that
        :func:`labelvalue.model.confusion.levels_of` reads. For ``work_time``, what
        :func:`labelvalue.model.work.count_times` returns.

    Examples
    --------
    >>> get_label_model("dawid_skene").name
    'dawid_skene'
    """

    name: str
    description: str
    priors: Priors
    build: Callable[[xr.Dataset, Priors], pm.Model]


def get_label_model(name: str) -> LabelModel:
    """Return a model of annotators by the name of its entry point.

    Parameters
    ----------
    name : str
        Name.

    Returns
    -------
    LabelModel

    Raises
    ------
    ValueError
        If no installed package offers one of that name.
    TypeError
        If the entry point names something else.

    Examples
    --------
    >>> get_label_model("dawid_sken")
    Traceback (most recent call last):
    ...
    ValueError: unknown label model 'dawid_sken'; did you mean 'dawid_skene'?
    """
    points = {point.name: point for point in entry_points(group=LABEL_GROUP)}
    if name not in points:
        raise ValueError(f"unknown label model {name!r}{did_you_mean(name, points)}")
    found = points[name].load()
    if not isinstance(found, LabelModel):
        raise TypeError(f"entry point {name!r} of {LABEL_GROUP} names a {type(found).__name__}, not a LabelModel")
    return found
