"""Effective labels: what a training set amounts to in labels of the slice, chosen at random and rightly labelled.

Labels of other slices count for their transfer, labels that a strategy chose for its efficiency, diverse labels for
more than labels that are alike; and wrong labels take away from all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import log_boost, log_effective_labels, namespace
from labelvalue.model.curve.label_noise import information_left

LEAST_BESIDE = 1e-6  # labels of other slices for each of the slice's own that stand for none

TYPICAL_WORTH = 0.05
"""Worth of another slice's label at which the two parts of its level meet. It is no prior: whatever is assumed of the
worth, a level means the same, so that a fit can be re-weighted to other priors, and these may be negative."""

FEW_BESIDE = 5.0
"""Labels of other slices for each of the slice's own up to which the spread of their worth is the group's."""


def likeness_of_means(beside: Any) -> Any:
    """How much less the worth of many slices' labels differs from slice to slice than that of a few slices' labels.

    The worth of another slice's label is a mean over all the others, and means of many are alike. Beyond
    ``FEW_BESIDE`` it is what the others' labels are worth together, for each own, whose spread stays as it is. As the
    square root of their number, as means of independent draws are, the spread leaves so much room among
    hundreds of slices that one of them, by the luck of its runs alone, seems to learn nothing from all the others,
    and no sampler crosses to there and back.
    """
    ratio = beside / FEW_BESIDE
    return 1.0 / (0.5 * (ratio + 1.0 + abs(ratio - 1.0)))


def transfer_from(level: Any, beside: Any) -> Any:
    """Turn an unbounded level into the worth of another slice's label.

    The level is the worth itself from ``TYPICAL_WORTH`` upwards. Below that it is straight in the log of the
    effective labels at the reference size: where other slices hold fifty labels for each of the slice's own, that
    log bends sharply as the worth nears 0, and no sampler likes it.
    """
    xp = namespace(level, beside)
    above = level - TYPICAL_WORTH
    higher = 0.5 * (above + abs(above))
    boost = xp.log1p(TYPICAL_WORTH * beside) + beside / (1.0 + TYPICAL_WORTH * beside) * (above - higher)
    positive = 0.5 * (boost + abs(boost))
    return (xp.expm1(positive) + (boost - positive)) / beside + higher


def without_coordinates(compute: Callable[..., Any], *given: Any) -> xr.DataArray:
    """Compute on variables that know their dims alone, and give the result the coordinates of what went in.

    A forecast is some fifty sums of small arrays, and comparing their coordinates takes longer than adding them: they
    are compared once here. What is given are arrays, datasets, of which ``compute`` gets a mapping, or anything else.
    """
    labelled = [one for one in given if isinstance(one, xr.DataArray | xr.Dataset)]
    coords: dict[Any, Any] = {}
    for one in labelled:
        for name, index in one.indexes.items():
            if not coords.setdefault(name, index).equals(index):
                aligned = iter(xr.align(*labelled, join="inner", copy=False))
                every = (next(aligned) if isinstance(one, xr.DataArray | xr.Dataset) else one for one in given)
                return without_coordinates(compute, *every)
    for one in labelled:
        coords |= {name: found for name, found in one.coords.items() if name not in coords}
    made = compute(*(bare(one) for one in given))
    dims = set(made.dims)
    kept = {name: c for name, c in coords.items() if (name in dims if isinstance(c, pd.Index) else dims >= set(c.dims))}
    return xr.DataArray(made, coords=kept)


def bare(given: Any) -> Any:
    """Take their coordinates off arrays and datasets: what is left knows its dims alone, and is added uncompared."""
    if isinstance(given, xr.Dataset):
        return {name: values.variable for name, values in given.data_vars.items()}
    return given.variable if isinstance(given, xr.DataArray) else given


def log_ratio(parameters: xr.Dataset, position: xr.Dataset, labels: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Log effective labels at a size over those at the reference, of posterior draws; random and clean labels."""
    worth = parameters.get(names.TRANSFER, 0.0)
    reference = position[names.REFERENCE_LABELS], position[names.REFERENCE_OTHER_LABELS]
    return without_coordinates(_log_ratio, labels, other, worth, *reference)


def _log_ratio(labels: Any, other: Any, worth: Any, own_reference: Any, other_reference: Any) -> Any:
    return log_effective_labels(labels, other, worth) - log_effective_labels(own_reference, other_reference, worth)


def beside_reference(data: Mapping[Any, Any]) -> Any:
    """Labels of other slices for each of the slice's own at the reference size, never none."""
    own, other = data[names.REFERENCE_LABELS], data[names.REFERENCE_OTHER_LABELS]
    xp = namespace(own, other)
    return xp.maximum(other / xp.maximum(own, 1.0), LEAST_BESIDE)


def of_strategy(name: str, place: int) -> str:
    """Name what is known of one strategy."""
    return f"{name} of strategy {place}"


def effective_ratio(worths: Mapping[str, Any], data: Mapping[Any, Any], classes: int) -> Any:
    """Log effective labels of a cell over those at the reference, where labels are random and as clean as they come.

    References
    ----------
    Natarajan, Dhillon, Ravikumar and Tewari (2013), "Learning with noisy labels", NeurIPS 26, for the loss of
    information, 1 − η·K/(K−1) of each label, squared in the number of labels.
    """
    reference = data[names.REFERENCE_LABELS]
    ratio = data["log_own"]
    if names.TRANSFER in worths:
        worth = worths[names.TRANSFER]
        now = log_effective_labels(reference, data[names.REFERENCE_OTHER_LABELS], worth)
        ratio = ratio + log_boost(worth * data["beside"]) - now
    else:
        ratio = ratio - namespace(reference).log(reference)
    place = 1
    while (key := of_strategy(names.EFFICIENCY, place)) in worths:
        off = 1.0 - abs(data["strategy_code"] - place)
        farther = data["log_own"] - namespace(reference).log(reference)
        worth = worths[key] + worths[of_strategy(names.EFFICIENCY_TREND, place)] * farther
        ratio = ratio + 0.5 * (off + abs(off)) * worth
        place += 1
    if names.NOISE_COST in worths:
        left = information_left(data[names.LABEL_NOISE], classes)
        ratio = ratio + worths[names.NOISE_COST] * namespace(left).log(left)
    if names.DIVERSITY_POWER in worths:
        ratio = ratio + worths[names.DIVERSITY_POWER] * data[names.LOG_DIVERSITY]
    return ratio


def observed_ratio(parameters: xr.Dataset, observations: xr.Dataset) -> xr.DataArray:
    """Log effective labels of every cell over those at the reference, strategy and noise included."""
    parts = (names.TRANSFER, names.NOISE_COST, names.DIVERSITY_POWER)
    worths: dict[str, Any] = {name: parameters[name] for name in parts if name in parameters}
    for place, name in enumerate(observations.attrs[names.STRATEGIES][1:], start=1):
        at = {names.STRATEGY: name}
        worths[of_strategy(names.EFFICIENCY, place)] = np.log(parameters[names.EFFICIENCY].sel(at, drop=True))
        trend = parameters[names.EFFICIENCY_TREND].sel(at, drop=True)
        worths[of_strategy(names.EFFICIENCY_TREND, place)] = trend
    return effective_ratio(worths, observations, observations.attrs[names.CLASSES])
