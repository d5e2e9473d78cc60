"""What real learning curves of a shape did next: a small network, learned from curves of learners.

The law of a family says how a curve goes on if it is the right law. For half of the draws of several learners, or of a
single curve, what comes is what such curves did, whatever their law. Learned by ``python -m benchmarks.learn_shapes``.
"""

import dataclasses
import functools
from importlib.resources import files
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.model.curve.observations import CURVE_KEYS, KNOTS_PER_DOUBLING, without_synthetic
from labelvalue.reading import parse_toml

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
