"""Real data for the closed loop: features as numbers, a target, and the slice of every row."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import HashingVectorizer

from benchmarks.slice_data import HASHES
from benchmarks.slice_sources import SOURCES, TEXT

LEAST_ROWS = 400
MOST_ROWS = 6_000  # rows kept of a slice
DOMAINS = {
    "press": ("news", "editorial", "reviews"),
    "general": ("religion", "hobbies", "lore", "belles_lettres"),
    "learned": ("government", "learned"),
    "fiction": ("fiction", "mystery", "science_fiction", "adventure", "romance"),
    "humor": ("humor",),
}  # genres of the Brown corpus, roughly as its manual groups them


@dataclass(frozen=True, eq=False)
class LoopData:
    """Rows to train and evaluate on.

    Attributes
    ----------
    features : array of float or sparse matrix, shape (row, feature)
        Scaled; nothing in them was learned from the target.
    target : array of int, shape (row,)
        Class.
    slices : array of str, shape (row,)
        Slice.
    """

    features: np.ndarray | csr_matrix
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


def _texts() -> LoopData:
    """The Brown corpus: the class of a word from its hashed surroundings, slices are kinds of texts."""
    data = SOURCES["brown"].load()
    domain = {genre: name for name, genres in DOMAINS.items() for genre in genres}
    hashed = HashingVectorizer(analyzer=str.split, n_features=HASHES, norm=None, alternate_sign=False)
    features = hashed.transform(data.features[TEXT]).tocsr()
    return LoopData(features, pd.factorize(data.target)[0], data.slicings["genre"].map(domain).to_numpy(str))


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


def _flights() -> LoopData:
    """Flights from New York, whether one comes late; slices are carriers."""
    return _table("flights", "carrier")


def _diamonds() -> LoopData:
    """Diamonds, the quality of the cut; slices are clarities."""
    return _table("diamonds", "clarity")


LOOPS = {
    "flights": Loop(_flights, (20, 300), 150, 250, 1_000),
    "digits": Loop(_digits, (4, 30), 50, 45, 60),
    "adult": Loop(_adult, (20, 300), 150, 250, 1_000),
    "diamonds": Loop(_diamonds, (20, 300), 200, 250, 1_000),
    "texts": Loop(_texts, (20, 150), 100, 150, 1_000),
}
