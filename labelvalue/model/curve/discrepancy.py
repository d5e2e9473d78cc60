"""The shape discrepancy, carried forward: how far a real curve strays from its family beyond the data.

The slope walks at random in doublings of labels, from 0 at the reference size; log error strays by the integral.
Below that size it is drawn given the runs. For half of the draws of several learners, or of a single curve, what comes
is what real curves of that shape did, whatever their law, by a small network (``python -m benchmarks.learn_shapes``).
"""

import dataclasses
import functools
import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.families import above_log, integrated_walk, observed_ratio, run_variance, true_labels
from labelvalue.model.curve.observations import (
    CURVE,
    CURVE_KEYS,
    HALF_LABEL,
    KNOT,
    KNOTS_PER_DOUBLING,
    SLOT,
    observe,
    without_synthetic,
)
from labelvalue.model.hierarchy.specification import Model
from labelvalue.reading import parse_toml

NEAR = 1e-3
"""Doublings within which a walk has strayed by less than a hundred-thousandth of its scale: taken for nothing."""
REMEMBERED = 128_000_000  # bytes of walks that a fit keeps: a page asks for the same of all slices dozens of times
REACH = 4.0  # doublings that walks are kept for at least
TYPICAL_SCATTER = 0.05  # standard deviation of log error between trainings at which flattening is stated
MOST_SCATTER = 2.0  # logs that scatter counts off it, at most
HORIZON = 24  # doublings beyond which the slope no longer walks; nobody buys that many labels


@dataclasses.dataclass(frozen=True)
class Beyond:
    """What walks are like beyond the data: their mean in standard deviations, and how many go by shape.

    The mean is ``typical`` at a typical scatter; one log more adds ``by_scatter``, and ``wider`` to how far they stray.
    ``shared`` and ``by_shape`` are shares, of a learner's variance and of draws.
    """

    typical: float = 0.0
    by_scatter: float = 0.0
    wider: float = 0.0
    by_shape: float = 0.0
    shared: float = 0.0

    def mean(self, parameters: Mapping[Any, Any]) -> Any:
        """Say by how much curves flatten beyond their family."""
        return self.typical + self.by_scatter * _log_scatter(parameters)

    def spread(self, parameters: Mapping[Any, Any]) -> Any:
        """Say how many times as far as at a typical scatter curves stray about that."""
        return np.exp(self.wider * _log_scatter(parameters))


def _log_scatter(parameters: Mapping[Any, Any]) -> Any:
    """Log of the scatter between trainings over what is typical."""
    return np.clip(np.log(parameters[names.TRAINING_SD] / TYPICAL_SCATTER), -MOST_SCATTER, MOST_SCATTER)


BETWEEN_SLICES = Beyond(0.24, by_scatter=-0.5, wider=0.4, shared=0.5)
"""Of slices of one learner. Learned on 38 sliced development problems, later and on the first day (``python -m
benchmarks.learn_flattening``)."""
BETWEEN_LEARNERS = Beyond(by_shape=0.5, shared=BETWEEN_SLICES.shared)
"""Of several learners, or of a single curve. Learned on 54 data sets of LCDB, whose curves do not flatten."""


Drawn = dict[tuple[Any, ...], tuple[np.ndarray, np.ndarray]]
"""Walks by what they depend on: level and slope, each (samples, knots)."""


@dataclasses.dataclass(frozen=True)
class Walks:
    """Whose walks are drawn, by seed and learner; those ``below`` given the runs, ``futures``, the last ``kept``."""

    random_seed: int
    learner: str = ""
    below: Callable[[xr.DataArray], xr.DataArray] | None = None
    upper: float = np.inf
    beyond: Beyond = BETWEEN_SLICES
    futures: xr.Dataset | None = None
    kept: Drawn = dataclasses.field(default_factory=dict, repr=False, compare=False)
    most: float = REMEMBERED


def strays(walks: Walks, doublings: np.ndarray, whose: Sequence[np.ndarray]) -> np.ndarray:
    """Each curve's own standard walk about its mean at ``doublings`` (chain, draw, a dim each of ``whose``)."""
    out = np.zeros(doublings.shape)
    samples = doublings.shape[0] * doublings.shape[1]
    for index in np.ndindex(*(found.size for found in whose)):
        place = (slice(None), slice(None), *index)
        distance = doublings[place].reshape(samples, -1)
        if (farthest := float(distance.max(initial=0.0))) > NEAR:
            who = [str(found.flat[i]) for found, i in zip(whose, index, strict=True)]
            whole = [*who, *([walks.learner] if len(who) == 1 else [])]
            seed, shared = walks.random_seed, walks.beyond.shared
            level, slope = paths(samples, seed, *whole, shared=shared, doublings=farthest, kept=walks.kept)
            out[place] = walk_at(level, slope, distance).reshape(out[place].shape)
            while len(walks.kept) > 1 and sum(2 * one.nbytes for one, _ in walks.kept.values()) > walks.most:
                walks.kept.pop(next(iter(walks.kept)))
    return out


def level_sd(doublings: Any) -> Any:
    """Return the standard deviation of what a standard walk adds beyond the reference size."""
    far = doublings * (doublings > NEAR)
    return far * np.sqrt(far / 3.0)


def goes_by_shape(walks: Walks, chains: int, draws: int) -> np.ndarray:
    """Draw in which draws curves do what those of their shape did, (chain, draw): all of a fit together."""
    drawn = np.random.default_rng(entropy_of(walks.random_seed, "by shape")).random((chains, draws))
    return drawn < walks.beyond.by_shape


def paths(
    samples: int,
    random_seed: int,
    *labels: str,
    shared: float = 0.0,
    doublings: float = HORIZON,
    kept: Drawn | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw standard walks of the slope, one a posterior draw, and their integrals: level and slope (samples, knots).

    They depend on seed and names alone, so that every forecast of a fit sees the same futures; slices of a learner, the
    last name, have a ``shared`` walk in common.
    """
    key, reach = (samples, random_seed, shared, labels), min(max(2.0 * -(-doublings // 2), REACH), HORIZON)
    knots = 1 + int(KNOTS_PER_DOUBLING * reach)
    known = {} if kept is None else kept
    found = known.pop(key, None)
    if found is None or found[0].shape[1] < knots:
        found = standard_walks(np.random.default_rng(entropy_of(random_seed, *labels)), samples, reach=reach)
        if shared > 0.0:
            own, common = np.sqrt(1.0 - shared), np.sqrt(shared)
            both = zip(found, paths(samples, random_seed, labels[-1], doublings=doublings, kept=known), strict=True)
            level, slope = (own * alone + common * together[:, :knots] for alone, together in both)
            found = level, slope
        for part in found:
            part.flags.writeable = False
    known[key] = found
    return found


def entropy_of(random_seed: int, *labels: str) -> list[int]:
    """Say what the random numbers of a curve start from: the fit's seed and the curve's names."""
    return [random_seed, *(zlib.crc32(text.encode()) for text in labels)]


def standard_walks(
    rng: np.random.Generator, samples: int, doublings: float = HORIZON, reach: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Draw walks of a slope that gains a standard deviation a doubling, and their integrals: (samples, knots) each."""
    drawn, knots = (int(np.ceil(KNOTS_PER_DOUBLING * far)) for far in (doublings, min(reach, doublings)))
    turns, bends = rng.standard_normal((2, samples, drawn))[..., :knots]
    level, slope = np.zeros((2, samples, knots + 1))
    level[:, 1:], slope[:, 1:] = integrated_walk(np.array(1.0 / KNOTS_PER_DOUBLING), turns, bends)
    return level, slope


def level_covariance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Covariance of what a standard walk adds at some distances with what it adds at others, (n, m)."""
    near, far = np.minimum.outer(one, other), np.maximum.outer(one, other)
    return near**2 * (3.0 * far - near) / 6.0


def walk_at(level: np.ndarray, slope: np.ndarray, doublings: np.ndarray) -> np.ndarray:
    """Read integrated walks (samples, knots) at ``doublings`` (samples, sizes): cubic between knots."""
    position = doublings * KNOTS_PER_DOUBLING
    np.clip(position, 0.0, level.shape[1] - 1, out=position)
    at = np.minimum(position.astype(int), level.shape[1] - 2)
    position -= at
    pieces = int(at.max(initial=0)) + 1  # those farther out are not read
    # Hermite's cubic: it meets level and slope at both knots, so small budgets see no kink at the reference size.
    start, first = level[:, :pieces], slope[:, :pieces] / KNOTS_PER_DOUBLING
    rise, last = level[:, 1 : pieces + 1] - start, slope[:, 1 : pieces + 1] / KNOTS_PER_DOUBLING
    twist = first + last - 2.0 * rise
    at = at + np.arange(level.shape[0])[:, None] * pieces
    found = twist.ravel().take(at)
    for coefficient in (rise - first - twist, first, start):
        found *= position
        found += coefficient.ravel().take(at)
    return found


class Residuals(NamedTuple):
    """Of every cell and draw, on the scale of errors against true labels."""

    residual: xr.DataArray  # observed log error minus that of the family's law; the shape discrepancy is in it
    variance: xr.DataArray  # variance of its noise, before any discount
    log_kept: xr.DataArray | float
    """Log of the share of the measured error that is true; 0 where evaluation labels are right."""


def residuals(model: Model, draws: xr.Dataset, observations: xr.Dataset) -> Residuals:
    """Compare what was measured with what the law of each draw expects."""
    data = {str(name): values for name, values in observations.data_vars.items()}
    log_kept: xr.DataArray | float = 0.0
    if names.EVALUATION_NOISE in draws:
        data, log_kept = true_labels(data, draws[names.EVALUATION_NOISE], observations.attrs[names.CLASSES])
    expected = np.log(draws[names.ERROR_REFERENCE]) + model.curve(observed_ratio(draws, observations), draws)
    expected = expected + above_log(data, draws["churn"])
    variance = run_variance(data, draws["churn"], draws[names.TRAINING_SD], draws["training_decay"])
    return Residuals(data["log_error"] - expected, variance, log_kept)


def by_curve(posterior: xr.Dataset, observations: xr.Dataset) -> xr.Dataset:
    """Give variables of curves the dim ``curve`` again, in the order of the observations; draws have no names there."""
    dims = set(posterior[names.ERROR_REFERENCE].dims) & set(CURVE_KEYS)
    bare = posterior.drop_vars(names.SAMPLE, errors="ignore")
    shared = [name for name, v in bare.data_vars.items() if not set(v.dims) & set(CURVE_KEYS)]
    own = [name for name, v in bare.data_vars.items() if dims and dims <= set(v.dims)]
    at = {dim: xr.DataArray(observations[dim].values, dims=CURVE) for dim in dims}
    return bare[own].sel(at).drop_vars([CURVE, *CURVE_KEYS], errors="ignore").assign(bare[shared].data_vars)


WALKS_REMEMBERED = 16
"""Curves whose walks are kept, a few megabytes each: a plot asks for so many at a time, and more than once."""
SIDE = "below the reference"  # keeps these random numbers apart from those of the walks beyond


@dataclasses.dataclass(frozen=True, eq=False)
class Below:
    """Walks of a fit's curves below their reference sizes, given its runs; ``stretch`` as in ``recalibrated``."""

    model: Model
    posterior: xr.Dataset
    runs: xr.Dataset
    classes: int
    random_seed: int
    stretch: float = 1.0
    _drawn: Drawn = dataclasses.field(default_factory=dict, repr=False)

    @functools.cached_property
    def observations(self) -> xr.Dataset:
        """The runs as the fit saw them."""
        return observe(self.runs, self.classes)

    def strays(self, distance: xr.DataArray) -> xr.DataArray:
        """Read each curve's standard walk below its reference size."""
        sample = names.SAMPLE
        owners = [d for d in CURVE_KEYS if d in distance.dims]
        alone = {d: str(distance[d].item()) for d in CURVE_KEYS if d in distance.coords and d not in owners}
        rest = [d for d in distance.dims if d not in (*sample, *owners)]
        coords = {d: self.posterior[d] for d in sample if d in self.posterior.coords}
        if sample[0] not in distance.dims:
            distance = distance.expand_dims(dict.fromkeys(sample, 1))
        distance = distance.transpose(*sample, *owners, *rest)
        out = np.zeros((*(self.posterior.sizes[d] for d in sample), *distance.shape[2:]))
        asked = {
            index: alone | {d: str(distance[d].values[i]) for d, i in zip(owners, index, strict=True)}
            for index in np.ndindex(*(distance.sizes[d] for d in owners))
            if (distance.values[:, :, *index] > NEAR).any()
        }
        for some in itertools.batched(asked.items(), WALKS_REMEMBERED):
            self._draw([whose for _, whose in some])
            for index, whose in some:
                at = distance.values[:, :, *index]
                walk = walk_at(*self.paths(**whose), at.reshape(at.shape[0] * at.shape[1], -1))
                out[:, :, *index] = walk.reshape(out[:, :, *index].shape)
        kept = {name: c for name, c in distance.coords.items() if not set(c.dims) & set(sample)}
        return xr.DataArray(out, dims=distance.dims, coords=kept | coords)

    def paths(self, **whose: str) -> tuple[np.ndarray, np.ndarray]:
        """Draw a curve's standard walks, one a posterior draw: level and slope (samples, knots)."""
        self._draw([whose])
        return self._drawn[_key(whose)]

    def _draw(self, asked: Sequence[Mapping[str, str]]) -> None:
        """Draw the walks of a few curves, their cells looked at together, and remember them."""
        seen, missing = self.observations, [whose for whose in asked if _key(whose) not in self._drawn]
        places = {}
        for whose in missing:
            same = [seen[part].values.astype(str) == name for part, name in whose.items()]
            found = np.flatnonzero(np.logical_and.reduce(same))
            if found.size == 1:
                places[_key(whose)] = int(found[0])
        cells = dict(zip(places, self._cells(seen.isel({CURVE: [*places.values()]})) if places else [], strict=True))
        for whose in missing:
            key = _key(whose)
            self._drawn[key] = (
                self._given(seen.isel({CURVE: places[key]}), *cells[key])
                if key in cells
                else standard_walks(*self._generator(whose))  # a curve without runs walks at random
            )
        for whose in asked:  # those asked for last are the last to be forgotten
            self._drawn[_key(whose)] = self._drawn.pop(_key(whose))
        while len(self._drawn) > WALKS_REMEMBERED:
            self._drawn.pop(next(iter(self._drawn)))

    def _generator(self, whose: Mapping[str, str]) -> tuple[np.random.Generator, int]:
        """What the walks of a curve are drawn with, and how many there are."""
        samples = int(np.prod([self.posterior.sizes[d] for d in names.SAMPLE]))
        return np.random.default_rng(entropy_of(self.random_seed, SIDE, *whose.values())), samples

    def _given(
        self, own: xr.Dataset, residual: np.ndarray, variance: np.ndarray, slope_sd: np.ndarray, distance: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Walks of a curve given its cells."""
        rng, samples = self._generator({part: str(own[part].values) for part in CURVE_KEYS})
        to_half_a_label = np.log2(own[names.REFERENCE_LABELS].item() / HALF_LABEL)
        level, slope = standard_walks(rng, samples, min(max(to_half_a_label, 1.0), HORIZON))
        noise = rng.standard_normal(residual.shape)
        return walks_given(level, slope, residual, variance, slope_sd, distance, noise)

    def _cells(self, observations: xr.Dataset) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """Residuals, variances, deviation of the slope and distances of each curve; cells at a knot count as one."""
        filled = observations["used"] > 0
        every = {KNOT: filled.any((CURVE, SLOT)), SLOT: filled.any((CURVE, KNOT))}
        observations = observations.isel({dim: np.flatnonzero(some.values) for dim, some in every.items()})
        draws = by_curve(self.posterior, observations)
        found = residuals(self.model, draws, observations)
        variance = found.variance * self.stretch**2
        if names.WEIGHT in observations:
            variance = variance / observations[names.WEIGHT]
        used, like = observations["used"], draws[names.DISCREPANCY]
        precision = used / variance
        order = (*names.SAMPLE, CURVE, KNOT)
        total, weighted = (
            part.where(used > 0, 0.0).sum(SLOT).broadcast_like(like).transpose(*order).values
            for part in (precision, precision * found.residual)
        )
        distance = observations["distance"].transpose(CURVE, KNOT).values
        there = (used > 0).any(SLOT).transpose(CURVE, KNOT).values & (distance > 0.0)
        slope_sd = np.log(2.0) * like.transpose(*order[:3]).values
        samples = like.sizes[names.CHAIN] * like.sizes[names.DRAW]
        for place, some in enumerate(there):
            own, own_weighted = (
                each[:, :, place][..., some].reshape(samples, some.sum()) for each in (total, weighted)
            )
            at = np.minimum(distance[place, some], HORIZON)
            yield own_weighted / own, 1.0 / own, slope_sd[:, :, place].ravel(), at


def _key(whose: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(whose.get(part, "") for part in CURVE_KEYS)


def walks_given(
    level: np.ndarray,
    slope: np.ndarray,
    residual: np.ndarray,
    variance: np.ndarray,
    slope_sd: np.ndarray,
    distance: np.ndarray,
    noise: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Condition walks (samples, knots) on measurements, by Matheron's rule (Wilson and others 2021, JMLR 22).

    Shapes: ``residual``, ``variance``, ``noise`` (samples, cells), ``slope_sd`` (samples,), ``distance`` (cells,).
    """
    knots = np.arange(level.shape[1]) / KNOTS_PER_DOUBLING
    to_level = level_covariance(knots, distance)
    near = np.minimum.outer(knots, distance)
    to_slope = near * (distance - 0.5 * near)
    at = np.round(distance * KNOTS_PER_DOUBLING).astype(int)
    sd = slope_sd[:, None]
    joint = (sd**2)[..., None] * to_level[at] + variance[..., None] * np.eye(distance.size)
    miss = residual - sd * level[:, at] - np.sqrt(variance) * noise
    moved = sd * np.linalg.solve(joint, miss[..., None])[..., 0]
    return level + moved @ to_level.T, slope + moved @ to_slope.T


BACK = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)  # doublings before the largest size at which a curve is looked at
USUAL = (0.1, 0.2, 0.3, 0.35, 0.5, 0.6)  # by how much log error is usually higher there
INPUT, INPUTS = "input", len(BACK) + 2  # beside these, scatter between runs and their number
NUMBERS = ("slope", "bend", "width", "power")
"""What a network says of a curve: slope and bend ahead, log spread at a doubling, and by how much its power differs."""
LEAST_BACK = 2.0  # doublings that a curve has to reach back
LEAST_SCATTER, USUAL_SCATTER, USUAL_RUNS = 0.002, 0.05, 10.0
"""Standard deviation of error between runs at the largest size, in units of that error: least, and usual; usual number
of these runs."""
MOST = 4.0  # how far off the usual an input counts
FARTHEST = 3.0  # doublings ahead that were learned; beyond, curves go on as they did there
WIDENS = 0.8  # power of distance by which the spread of what curves do grows, about which the network learns


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """One hidden layer from shapes to four numbers: (input, hidden), (hidden,), (hidden, 4), (4,)."""

    inner: np.ndarray
    inner_at: np.ndarray
    outer: np.ndarray
    outer_at: np.ndarray

    def __call__(self, seen: np.ndarray) -> np.ndarray:
        """Give the four numbers of shapes, (curve, input); NaN where a shape is."""
        return np.tanh(seen @ self.inner + self.inner_at) @ self.outer + self.outer_at


def futures(runs: xr.Dataset, stretch: float = 1.0) -> xr.Dataset:
    """Say what curves of each curve's shape did, spread by a factor more: four numbers, dims slice and learner."""
    seen = shapes(runs)
    four = np.moveaxis(network()(seen.values), -1, 0)
    four[NUMBERS.index("width")] += np.log(stretch)
    return xr.Dataset({name: (seen.dims[:-1], one) for name, one in zip(NUMBERS, four, strict=True)}, seen.coords)


@functools.cache
def network() -> Network:
    """Read the network that ships."""
    file = files("labelvalue_models") / "priors" / "shapes.toml"
    content = parse_toml(file.read_text(encoding="utf-8"), file=file.name)
    return Network(*(np.array(content[field.name]) for field in dataclasses.fields(Network)))


def ahead(numbers: Any, doublings: Any) -> tuple[Any, Any]:
    """Say by how much log error moves over doublings of labels, and how far curves spread, by the four ``numbers``."""
    slope, bend, width, power = numbers
    near = np.minimum(doublings, FARTHEST)
    location = slope * doublings + bend * near * (2.0 * doublings - near) / FARTHEST
    return location, np.exp(width) * doublings ** np.maximum(WIDENS + power, 0.0)


def shapes(runs: xr.Dataset) -> xr.DataArray:
    """The shape of each curve (slice, learner, input); NaN where a curve is short, or makes no errors."""
    wanted = [*CURVE_KEYS, names.LABELS, names.STRATEGY, names.ERROR]
    frame = without_synthetic(runs)[wanted].to_dataframe().reset_index(drop=True)
    for key in (names.STRATEGY, names.SUITE):  # where there are several, curves of one are looked at
        frame = frame[frame[key] == frame[key].mode()[0]]
    frame = frame[frame[names.LABELS] > 0]
    keys = CURVE_KEYS[:2]
    largest = frame.groupby(keys)[names.LABELS].transform("max")
    frame["log_labels"] = np.log2(frame[names.LABELS])
    frame["knot"] = np.round(KNOTS_PER_DOUBLING * np.log2(largest / frame[names.LABELS]))
    cells = frame.groupby([*keys, "knot"]).agg(
        error=(names.ERROR, "mean"), scatter=(names.ERROR, "std"), runs=(names.ERROR, "size"), at=("log_labels", "mean")
    )
    found = {curve: _shape(*of_curve.to_numpy().T) for curve, of_curve in cells.groupby(level=keys)}
    every = [list(dict.fromkeys(runs[key].values)) for key in keys]
    values = np.array([[found.get((one, other), np.full(INPUTS, np.nan)) for other in every[1]] for one in every[0]])
    coords = {key: np.array(called, object) for key, called in zip(keys, every, strict=True)}
    return xr.DataArray(values, dims=(*keys, INPUT), coords=coords)


def _shape(error: np.ndarray, scatter: np.ndarray, runs: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Shape of one curve from its sizes, the largest first."""
    seen = error > 0.0
    back, level = at[0] - at[seen], np.log(error[seen])
    if not seen[0] or back[-1] < LEAST_BACK - 0.5 / KNOTS_PER_DOUBLING:
        return np.full(INPUTS, np.nan)
    shape = np.interp(BACK, back, level - level[0])
    for place in np.flatnonzero(np.array(BACK) > back[-1] + 0.1):  # as it went so far
        shape[place] = shape[place - 1] * BACK[place] / BACK[place - 1]
    wide = np.log(max(np.nan_to_num(scatter[0] / error[0], nan=USUAL_SCATTER), LEAST_SCATTER) / USUAL_SCATTER)
    return np.clip([*(shape / USUAL), wide, np.log(runs[0] / USUAL_RUNS)], -MOST, MOST)
