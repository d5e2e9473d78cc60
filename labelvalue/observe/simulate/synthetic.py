"""Synthetic examples on top of real labels: two generators for tables, and the place where one's own comes in."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from labelvalue.observe.simulate.learners import stack, take
from labelvalue.problems import did_you_mean, input_error, quote

NEIGHBOURS = 5  # neighbours among which ``smote`` chooses
BLUR = 0.1  # noise of ``bootstrap`` on a number, in standard deviations of its column

Synthesise = Callable[[Any, np.ndarray, int, int], tuple[Any, np.ndarray]]
"""``(X, y, n, seed) -> (X, y)``: n synthetic examples from the labelled rows of one slice."""


def add_synthetic(
    x: Any, y: np.ndarray, slices: np.ndarray, ratio: float, synthesise: Synthesise, seed: int
) -> tuple[Any, np.ndarray, dict[str, int]]:
    """Return the training set with ``round(ratio · labels)`` synthetic examples of each slice, and their numbers."""
    tables, targets, counts = [x], [y], {}
    for number, name in enumerate(np.unique(slices)):
        rows = np.flatnonzero(slices == name)
        count = round(ratio * rows.size)
        if not count:
            continue
        made_x, made_y = synthesise(take(x, rows), y[rows], count, seed + number)
        if len(made_y) != count or made_x.shape[0] != count:
            raise ValueError(f"the generator made {made_x.shape[0]} rows and {len(made_y)} targets, not {count}")
        tables.append(made_x)
        targets.append(np.asarray(made_y))
        counts[str(name)] = count
    return stack(tables), np.concatenate(targets), counts


def smote(x: Any, y: np.ndarray, n: int, seed: int, *, numeric_target: bool = False) -> tuple[Any, np.ndarray]:
    """Make examples between a row and one of its five nearest neighbours of the same class (Chawla et al. 2002)."""
    rng = np.random.default_rng(seed)
    first = rng.integers(y.size, size=n)
    second = _neighbours(_scaled(x), np.zeros(y.size) if numeric_target else y, first, rng)
    along = rng.random(n)
    made = _combine(x, first, second, along, rng)
    target = y[first] + along * (y[second] - y[first]) if numeric_target else y[first]
    return made, target


def noisy_bootstrap(
    x: Any, y: np.ndarray, n: int, seed: int, *, numeric_target: bool = False
) -> tuple[Any, np.ndarray]:
    """Make examples by drawing rows with replacement and adding a little noise to their numbers."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(y.size, size=n)

    def blur(values: np.ndarray) -> np.ndarray:
        return values[drawn] + BLUR * np.nanstd(values) * rng.normal(size=n)

    return _each_column(x, blur, lambda values: values[drawn]), y[drawn]


GENERATORS = {"smote": smote, "bootstrap": noisy_bootstrap}


def find_generator(generator: str | Synthesise, *, numeric_target: bool) -> Synthesise:
    """Return the generator of a name; one's own is returned as it is."""
    if not isinstance(generator, str):
        return generator
    if generator not in GENERATORS:
        why = f"unknown generator {quote(generator)}{did_you_mean(generator, GENERATORS)}"
        raise input_error(why, f"give one of {', '.join(GENERATORS)}, or a function", column="generator")
    return functools.partial(GENERATORS[generator], numeric_target=numeric_target)


def _neighbours(features: np.ndarray, groups: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for each of ``rows`` one of its nearest neighbours of the same group; itself where it is alone."""
    from sklearn.neighbors import NearestNeighbors

    out = rows.copy()
    for group in np.unique(groups[rows]):
        members = np.flatnonzero(groups == group)
        here = np.flatnonzero(groups[rows] == group)
        k = min(NEIGHBOURS, members.size - 1)
        if not k:
            continue
        near = NearestNeighbors(n_neighbors=k + 1).fit(features[members])
        asked = np.unique(rows[here])
        found = near.kneighbors(features[asked], return_distance=False)
        itself = np.searchsorted(members, asked)
        # Each row's own entry goes; where equal rows crowd it out, the farthest goes instead.
        place = np.where(found == itself[:, None], -1, np.arange(k + 1))
        others = np.take_along_axis(found, np.argsort(place, axis=1, kind="stable")[:, 1:], axis=1)
        mine = others[np.searchsorted(asked, rows[here])]
        out[here] = members[mine[np.arange(here.size), rng.integers(k, size=here.size)]]
    return out


def _scaled(x: Any) -> np.ndarray:
    """Return numbers in standard deviations, gaps at the mean; categories as one column per value."""
    frame = pd.DataFrame(x)
    numeric = frame.select_dtypes(["number", "bool"]).astype(float)
    scaled = (numeric - numeric.mean()) / numeric.std(ddof=0).replace(0.0, 1.0)
    rest = frame.drop(columns=numeric.columns)
    parts = [scaled.fillna(0.0).to_numpy()]
    if rest.shape[1]:
        parts.append(pd.get_dummies(rest.astype(str)).to_numpy(float) * np.sqrt(0.5))
    return np.concatenate(parts, axis=1)


def _combine(x: Any, first: np.ndarray, second: np.ndarray, along: np.ndarray, rng: np.random.Generator) -> Any:
    def between(values: np.ndarray) -> np.ndarray:
        return values[first] + along * (values[second] - values[first])

    def either(values: np.ndarray) -> np.ndarray:
        return np.where(rng.random(first.size) < 0.5, values[first], values[second])

    return _each_column(x, between, either)


def _each_column(
    x: Any, numbers: Callable[[np.ndarray], np.ndarray], others: Callable[[np.ndarray], np.ndarray]
) -> Any:
    """Return a table made column by column, of the kind and the column types of ``x``; whole numbers stay whole."""
    if hasattr(x, "tocsr"):
        raise ValueError("synthetic examples need dense features")
    frame = x if isinstance(x, pd.DataFrame) else pd.DataFrame(x)
    columns = []
    for place in range(frame.shape[1]):
        series = frame.iloc[:, place]
        values = series.to_numpy()
        if values.dtype.kind in "fiu":
            made = numbers(values.astype(float))
            made = np.round(made) if values.dtype.kind in "iu" else made
        else:
            made = others(values.astype(object))
        columns.append(pd.Series(made).astype(series.dtype))
    out = pd.concat(columns, axis=1)
    out.columns = frame.columns
    return out if isinstance(x, pd.DataFrame) else out.to_numpy()
