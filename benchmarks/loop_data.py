"""Real data for the closed loop: features as numbers, a target, and the slice of every row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from benchmarks.slice_sources import SOURCES

LEAST_ROWS = 400
MOST_ROWS = 6_000
"""Rows kept of a slice."""
COMPONENTS = 40


@dataclass(frozen=True, eq=False)
class LoopData:
    """Rows to train and evaluate on.

    Attributes
    ----------
    features : array of float, shape (row, feature)
        Scaled; nothing in them was learned from the target.
    target : array of int, shape (row,)
        Class.
    slices : array of str, shape (row,)
        Slice.
    """

    features: np.ndarray
    target: np.ndarray
    slices: np.ndarray


@dataclass(frozen=True)
class Loop:
    """A data set, and how its closed loop starts and buys.

    Attributes
    ----------
    load : callable
        Reads the data.
    start : tuple of int
        Least and most labels of a slice at the start, drawn log-uniformly: starts are unequal.
    batch : int
        Labels bought a round, all slices together.
    validation, test : int
        Rows of each slice that runs and results are evaluated on, at most.
    """

    load: Callable[[], LoopData]
    start: tuple[int, int]
    batch: int
    validation: int
    test: int


def _digits() -> LoopData:
    """Handwritten digits of scikit-learn, 8 × 8, each digit a slice."""
    digits = load_digits()
    return LoopData(digits.data / 16.0, digits.target, digits.target.astype(str))


def _mnist() -> LoopData:
    """5,000 digits of MNIST as their first principal components, each digit a slice."""
    data = SOURCES["mnist"].load()
    pixels = data.features.to_numpy(float) / 255.0
    components = PCA(COMPONENTS, random_state=0).fit_transform(pixels)
    return LoopData(components, pd.factorize(data.target)[0], data.target.to_numpy(str))


def _table(name: str, slicing: str) -> LoopData:
    """A table with its categories as indicators and its numbers scaled."""
    data = SOURCES[name].load()
    slices = data.slicings[slicing]
    kept = slices.groupby(slices).transform("size") >= LEAST_ROWS
    features, target, slices = data.features[kept], data.target[kept], slices[kept]
    numbers = features.select_dtypes("number")
    text = features.select_dtypes(exclude="number").astype(str)
    scaled = (numbers - numbers.mean()) / numbers.std().replace(0.0, 1.0)
    wide = pd.concat([scaled.fillna(0.0).clip(-5, 5), pd.get_dummies(text, dtype=float)], axis=1)
    rows = slices.reset_index(drop=True).groupby(slices.to_numpy()).head(MOST_ROWS).index
    return LoopData(wide.to_numpy()[rows], pd.factorize(target)[0][rows], slices.to_numpy(str)[rows])


def _adult() -> LoopData:
    """UCI Adult, income over 50,000 dollars; slices are race × sex."""
    return _table("adult", "race_sex")


def _diamonds() -> LoopData:
    """Diamonds, the quality of the cut; slices are clarities."""
    return _table("diamonds", "clarity")


LOOPS = {
    "digits": Loop(_digits, (4, 30), 50, 45, 60),
    "mnist": Loop(_mnist, (5, 40), 60, 100, 150),
    "adult": Loop(_adult, (20, 300), 150, 250, 1_000),
    "diamonds": Loop(_diamonds, (20, 300), 200, 250, 1_000),
}
