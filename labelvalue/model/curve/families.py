"""What all curve families share, written once: the floor, elasticities, what a training set amounts to, and its noise.

What is arithmetic of curves runs on floats, NumPy arrays, DataArrays and PyTensor variables alike, so that the model
that is fitted and the forecast made from it cannot disagree. The noise is that of evaluation, of training, and the
shape discrepancy (docs/statistics/engine.md). Effective labels: those of other slices count for their transfer, those
that a strategy chose for its efficiency, diverse ones for more; wrong labels are of other classes at random.
"""

import dataclasses
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.observations import CURVE, HALF_LABEL
from labelvalue.model.prior.priors import Prior
from labelvalue.problems import did_you_mean


def namespace(*values: Any) -> ModuleType:
    """Return the module whose ``exp`` and ``log1p`` fit the values: PyTensor's or NumPy's."""
    pytensor = sys.modules.get("pytensor")
    if pytensor is not None and any(isinstance(v, pytensor.graph.basic.Variable) for v in values):
        import pytensor.tensor as pt

        return pt
    return np


def positive_part(x: Any) -> Any:
    """Return ``max(0, x)``: for PyTensor by way of ``abs``, whose gradient at 0 is that of neither side."""
    return np.maximum(x, 0.0) if namespace(x) is np else 0.5 * (x + abs(x))


SLIGHT_ELASTICITY = 0.004
"""Elasticity at which the link from an unbounded level bends from the logarithm through 0 to negative values."""


def signed_exp(level: Any) -> Any:
    """Turn an unbounded level into an elasticity: its exponential, mirrored below ``SLIGHT_ELASTICITY`` for rises."""
    xp = namespace(level)
    return xp.exp(level) - SLIGHT_ELASTICITY**2 * xp.exp(-level)


def signed_log(elasticity: Any) -> Any:
    """Turn an elasticity back into its level: the inverse of :func:`signed_exp`."""
    xp = namespace(elasticity)
    return xp.arcsinh(elasticity / (2.0 * SLIGHT_ELASTICITY)) + np.log(SLIGHT_ELASTICITY)


def log_steepness(level: Any) -> Any:
    """Log of how steep a curve is, whichever way it goes: smooth in the level and never minus infinity."""
    xp = namespace(level)
    above = abs(level - np.log(SLIGHT_ELASTICITY))
    return np.log(SLIGHT_ELASTICITY) + above + xp.log1p(xp.exp(-2.0 * above))


def exp(x: Any) -> Any:
    """Exponential of whatever kind of value."""
    return namespace(x).exp(x)


def softplus(x: Any) -> Any:
    """Smooth ``max(0, x)``: ``log(1 + exp(x))`` without overflow."""
    xp = namespace(x)
    return positive_part(x) + xp.log1p(xp.exp(-abs(x)))


def log_boost(x: Any) -> Any:
    """Log of what other slices' labels multiply a slice's own by: ``log1p(x)``, continued with slope 1 below 0."""
    positive = positive_part(x)
    return namespace(x).log1p(positive) + (x - positive)


def log_effective_labels(labels: Any, other_labels: Any, transfer: Any) -> Any:
    """Log of the labels of a slice that its training set amounts to.

    Effective labels are ``labels + transfer · other_labels`` while ``transfer`` is positive. A negative
    ``transfer`` (labels of other slices hurt, as where slices are classes) shrinks them exponentially,
    ``labels · exp(transfer · other_labels / labels)``, which agrees to first order and never turns negative.
    """
    own = 0.5 * (labels + HALF_LABEL + abs(labels - HALF_LABEL))
    return namespace(labels).log(own) + log_boost(transfer * other_labels / own)


def own_share(labels: Any, other_labels: Any, transfer: Any) -> Any:
    """Derivative of log effective labels with respect to log own labels."""
    own = 0.5 * (labels + HALF_LABEL + abs(labels - HALF_LABEL))
    x = transfer * other_labels / own
    positive = positive_part(x)
    return 1.0 - positive / (1.0 + positive) - (x - positive)


HIGHEST = 50.0  # log error ratio beyond which curves are cut off: e^50 times the error at the reference size


def above_floor(log_reducible: Any, floor_share: Any) -> Any:
    """Log of the error relative to the reference, given that of the part above the floor: log(φ + (1 − φ)·exp(x))."""
    xp = namespace(log_reducible, floor_share)
    # Far above the reference error nothing is told apart any more; the exponential must not overflow there.
    if xp is np:
        bounded = np.minimum(log_reducible, HIGHEST)
    else:
        bounded = 0.5 * (log_reducible + HIGHEST - abs(log_reducible - HIGHEST))
    return xp.log1p((1.0 - floor_share) * xp.expm1(bounded))


def scatter_loglikelihood(data: Mapping[Any, Any], variance: Any) -> Any:
    """Log-likelihood of the scatter between the runs of a cell (a Gaussian sum of squares)."""
    one_run = variance * data["runs"]
    term = data["scatter_df"] * namespace(one_run).log(one_run) + data["scatter"] / one_run
    return -0.5 * term * data.get(names.WEIGHT, 1.0)


def discount_loglikelihood(data: Mapping[Any, Any], variance: Any) -> Any:
    """What makes N(r; v / w), with variance over weight, the power N(r; v)ʷ that was meant (Ibrahim and Chen 2000)."""
    return 0.5 * (1.0 - data[names.WEIGHT]) * namespace(variance).log(variance)


def run_variance(data: Mapping[Any, Any], churn: Any, training_sd: Any, training_decay: Any) -> Any:
    """Variance of a cell's mean log error that is not the curve's own, (curve, knot, slot)."""
    sampling = data["sampling_variance"] * _sampled_anew(data, churn)
    decay = training_decay * data["log_total_ratio"]
    training = training_sd**2 * namespace(decay).exp(-decay) / data["runs"]
    return sampling + training + data["rounding"]


def above_log(data: Mapping[Any, Any], churn: Any) -> Any:
    """How far a cell's log error lies above the log of its mean, on average (curve, knot, slot): half its variance."""
    return 0.5 * data["sampling_variance"] * (1.0 - _sampled_anew(data, churn))


def _sampled_anew(data: Mapping[Any, Any], churn: Any) -> Any:
    """Variance of a cell's mean from evaluation sampling, over what it is where every run has a set of its own."""
    return churn + data["set_weight"] * (1.0 - churn)


def integrated_walk(step: np.ndarray, turn: np.ndarray, bend: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn standard normals (..., knots) into a slope that walks at random, and its integral: ``level, slope``."""
    increments = np.sqrt(step) * turn
    slope = np.cumsum(increments, axis=-1)
    # Given its ends, the walk inside a step adds a bridge whose integral has variance step³/12.
    inside = np.sqrt(step**3 / 12.0) * bend
    return np.cumsum(step * (slope - 0.5 * increments) + inside, axis=-1), slope


CLEAN = -40.0  # logit of the noise of labels without any: a share of 4e-18
SHARES_OF_WRONG = ("error_rate", "accuracy")
"""Metrics whose error is the share of wrong answers, for which alone the formulas of wrong evaluation labels hold."""
LEAST_EXCESS = 0.05  # share of a measured error below which what noise leaves of it is bent smoothly to stay above 0


def useless_share(classes: int) -> float:
    """Share of wrong labels from which on labels tell nothing: what guessing among the classes gives."""
    return (classes - 1.0) / classes


def information_left(noise: Any, classes: int) -> Any:
    """Share of information left in labels of which a share is wrong: 1 for none, 0 for labels at random."""
    return 1.0 - noise * classes / (classes - 1.0)


def measured_error(error: Any, noise: Any, classes: int) -> Any:
    """Error that an evaluation set with wrong labels shows on average."""
    return noise + error * information_left(noise, classes)


def set_evaluation_noise(
    observations: xr.Dataset, noise: float | Prior | Mapping[str, float | Prior] | None
) -> xr.Dataset:
    """Put the share of wrong evaluation labels beside the observations, as a logit-normal by curve."""
    if noise is None:
        return observations
    metric = observations.attrs[names.METRIC]
    if metric not in SHARES_OF_WRONG:
        raise ValueError(
            f"evaluation_noise needs runs whose error is a share of wrong answers ({', '.join(SHARES_OF_WRONG)}), and "
            f"these measure {metric!r}, which wrong evaluation labels change in another way. "
            "Fix: give errors and trials, or leave evaluation_noise out."
        )
    slices = observations[names.SLICE].values.astype(str)
    by_slice = noise if isinstance(noise, Mapping) else dict.fromkeys(slices.tolist(), noise)
    center, spread = np.full(slices.size, CLEAN), np.zeros(slices.size)
    for name, share in by_slice.items():
        if name not in slices:
            raise ValueError(f"evaluation_noise: unknown slice {name!r}{did_you_mean(str(name), set(slices.tolist()))}")
        center[slices == name], spread[slices == name] = _logit(share, name, observations.attrs[names.CLASSES])
    noisy = observations.assign(noise_center=(CURVE, center), noise_spread=(CURVE, spread))
    return noisy.assign({names.ITEMS_VARIANCE: _of_true_level(noisy)})


def _of_true_level(observations: xr.Dataset) -> xr.DataArray:
    """Variance of the level of the error against true labels, from that of the measured one."""
    used = observations["used"].isel(knot=0) > 0
    measured = np.exp(observations["log_error"].isel(knot=0).where(used).mean("slot").fillna(0.5))
    noise = 1.0 / (1.0 + np.exp(-observations["noise_center"]))
    left = information_left(noise, observations.attrs[names.CLASSES])
    true = ((measured - noise) / left).clip(LEAST_EXCESS * measured, 1.0 - 1e-3)
    slope = measured * (1.0 - measured) / (left * true * (1.0 - true))
    return observations[names.ITEMS_VARIANCE] * slope**2


def _logit(share: float | Prior, name: str, classes: int) -> tuple[float, float]:
    if isinstance(share, Prior):
        if share.distribution != "logitnormal":
            raise ValueError(
                f"evaluation_noise of slice {name!r} is a share: its prior must be 'logitnormal', "
                f"got {share.distribution!r}"
            )
        return share.center, share.spread
    if not 0.0 <= share < useless_share(classes):
        raise ValueError(
            f"evaluation_noise of slice {name!r} must be a share, 0 ≤ x < {useless_share(classes):g} "
            f"with {classes} classes, got {share!r}"
        )
    return (float(np.log(share / (1.0 - share))) if share > 0 else CLEAN), 0.0


def true_labels(data: Mapping[Any, Any], noise: Any, classes: int) -> tuple[dict[Any, Any], Any]:
    """Turn measured errors m into (m − η) / (1 − η·K/(K−1)), against true labels, and their noise with them."""
    xp = namespace(noise)
    kept = LEAST_EXCESS * softplus((1.0 - noise * xp.exp(-data["log_error"])) / LEAST_EXCESS)
    changed = {
        "log_error": data["log_error"] + xp.log(kept) - xp.log(information_left(noise, classes)),
        "sampling_variance": data["sampling_variance"] / kept**2,
        "rounding": data["rounding"] / kept**2,
        "scatter": data["scatter"] / kept**2,
    }
    return {**data, **changed}, xp.log(kept)


LEAST_BESIDE = 1e-6  # labels of other slices for each of the slice's own that stand for none

TYPICAL_WORTH = 0.05
"""Worth of another slice's label at which the two parts of its level meet. It is no prior: whatever is assumed of the
worth, a level means the same, so that a fit can be re-weighted to other priors, and these may be negative."""

FEW_BESIDE = 5.0
"""Labels of other slices for each of the slice's own up to which the spread of their worth is the group's."""


def likeness_of_means(beside: Any) -> Any:
    """How much less the worth of many slices' labels differs between slices than that of few slices' labels.

    Less than the square root of their number, or a slice could seem to learn nothing from hundreds of others, where no
    sampler comes back.
    """
    ratio = beside / FEW_BESIDE
    return 1.0 / (0.5 * (ratio + 1.0 + abs(ratio - 1.0)))


def transfer_from(level: Any, beside: Any) -> Any:
    """Turn an unbounded level into the worth of another slice's label: itself from ``TYPICAL_WORTH`` upwards."""
    xp = namespace(level, beside)
    above = level - TYPICAL_WORTH
    higher = 0.5 * (above + abs(above))
    boost = xp.log1p(TYPICAL_WORTH * beside) + beside / (1.0 + TYPICAL_WORTH * beside) * (above - higher)
    positive = 0.5 * (boost + abs(boost))
    return (xp.expm1(positive) + (boost - positive)) / beside + higher


BLOCK = 65_536  # cells of an array that are computed at a time: sums of so many stay within the processor's own memory


def without_coordinates(compute: Callable[..., Any], *given: Any) -> xr.DataArray:
    """Compute on NumPy arrays of all dims, those of a sample first; the result has the coordinates of what went in."""
    labelled = [one for one in given if isinstance(one, xr.DataArray | xr.Dataset)]
    coords: dict[Any, Any] = {}
    for one in labelled:
        for name, index in one.indexes.items():
            if not coords.setdefault(name, index).equals(index):
                aligned = iter(xr.align(*labelled, join="inner", copy=False))
                every = (next(aligned) if isinstance(one, xr.DataArray | xr.Dataset) else one for one in given)
                return without_coordinates(compute, *every)
    sizes: dict[Any, int] = {}
    for one in labelled:
        sizes |= one.sizes if isinstance(one, xr.DataArray) else {}
        coords |= {name: found for name, found in one.coords.variables.items() if name not in coords}
    dims = (*(d for d in names.SAMPLE if d in sizes), *(d for d in sizes if d not in names.SAMPLE))
    shape = [sizes[d] for d in dims]
    axis = min(len(names.SAMPLE), len(dims) - 1)
    step = max(1, BLOCK * shape[axis] // max(math.prod(shape), 1))
    made, whole = np.empty(shape), [laid_out(one, dims) for one in given]
    for start in range(0, shape[axis], step):
        part = (slice(None),) * axis + (slice(start, start + step),)
        made[part] = compute(*(part_of(one, part) for one in whole))
    kept = {
        name: c for name, c in coords.items() if (name in sizes if isinstance(c, pd.Index) else {*dims} >= {*c.dims})
    }
    return xr.DataArray(made, dims=dims, coords=kept)


@dataclasses.dataclass(frozen=True, eq=False)
class LaidOut(Mapping[Any, Any]):
    """Variables of a dataset, or a part of each, as NumPy arrays with given dims, laid out when they are first read."""

    given: Mapping[Any, xr.Variable]
    dims: tuple[Any, ...]
    part: tuple[slice, ...] = ()
    made: dict[Any, np.ndarray] = dataclasses.field(default_factory=dict)

    def __getitem__(self, name: Any) -> Any:
        if name not in self.made:
            self.made[name] = laid_out(self.given[name], self.dims)
        return part_of(self.made[name], self.part)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)

    def __contains__(self, name: object) -> bool:
        return name in self.given


def laid_out(given: Any, dims: tuple[Any, ...]) -> Any:
    """Return an array as NumPy's with these dims, of length 1 where it has none of them; of a dataset, a mapping."""
    if isinstance(given, xr.Dataset):
        return LaidOut({name: given.variables[name] for name in given.data_vars}, dims)
    if not isinstance(given, xr.DataArray | xr.Variable):
        return given
    own = bare(given).transpose(*(d for d in dims if d in given.dims)).values
    return own[tuple(slice(None) if d in given.dims else None for d in dims)]


def part_of(given: Any, part: tuple[slice, ...]) -> Any:
    """Read a part of what was laid out; axes of length 1 stay as they are."""
    if isinstance(given, LaidOut):
        return dataclasses.replace(given, part=part)
    if not isinstance(given, np.ndarray) or not given.ndim:
        return given
    return given[tuple(at if size > 1 else slice(None) for at, size in zip(part, given.shape, strict=False))]


def bare(given: Any) -> Any:
    """Take their coordinates off arrays and datasets: what is left knows its dims alone, and is added uncompared."""
    if isinstance(given, xr.Dataset):
        return {name: values.variable for name, values in given.data_vars.items()}
    return given.variable if isinstance(given, xr.DataArray) else given


def log_ratio(parameters: xr.Dataset, position: xr.Dataset, labels: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Log effective labels at a size over those at the reference, of posterior draws; random and clean labels."""
    worth = parameters.get(names.TRANSFER, 0.0)
    reference = position[names.REFERENCE_LABELS], position[names.REFERENCE_OTHER_LABELS]
    return without_coordinates(log_ratio_of, labels, other, worth, *reference)


def log_ratio_of(labels: Any, other: Any, worth: Any, own_reference: Any, other_reference: Any) -> Any:
    """Compute :func:`log_ratio` of whatever kind of values."""
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
    """Log effective labels over the reference's; noise leaves 1 − η·K/(K−1) of a label, squared (Natarajan 2013)."""
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
