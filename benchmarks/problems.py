"""A forecast problem: some runs observed, some mean errors to be forecast."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

Half = Literal["development", "test"]

DOUBLINGS = (1, 2, 3)  # distances forecast, in doublings of the largest observed number of labels: 2x, 4x and 8x
CURVE = ["slice", "learner"]  # columns that identify a curve
SPARSE_SHARE, SPARSE_SIZES = 1 / 3, 2  # share of the curves that `make_sparse` thins out, and the sizes it leaves them


def half_of(data_set: str) -> Half:
    """The half a data set belongs to, by the SHA-256 of its name (in LCDB its OpenML id)."""
    digest = int(hashlib.sha256(data_set.encode()).hexdigest(), 16)
    return "development" if digest % 2 == 0 else "test"


def hash_order(names: list[str]) -> list[str]:
    """The names in an order that has nothing to do with them, so that the first few are a fair sample."""
    return sorted(names, key=lambda name: hashlib.sha256(f"order {name}".encode()).hexdigest())


@dataclass(frozen=True, eq=False)
class Problem:
    """What a method may see, and what it is judged by.

    Attributes
    ----------
    name : str
        Identifies the problem in caches and tables.
    runs : pandas.DataFrame
        Observed runs in labelvalue's format: ``slice``, ``learner``, ``labels``, ``replicate``,
        ``evaluation_set``, ``errors``, ``trials``, and ``other_labels`` where it varies; one row per run.
    curves : tuple of (str, str)
        The (slice, learner) pairs to forecast; they name the first axis of all arrays below.
    now : numpy.ndarray
        Largest observed labels, shape (curve,).
    targets : numpy.ndarray
        Labels to forecast at, shape (curve, distance).
    error_now : numpy.ndarray
        Mean observed error at ``now``, shape (curve,): the reference from which gains are counted.
    truth : numpy.ndarray
        Mean error over all replicates at the targets, shape (curve, distance).
    truth_se : numpy.ndarray
        Standard error of ``truth`` given its evaluation sets, same shape; see `mean_errors`.
    target_other : numpy.ndarray or None
        Labels of the other slices that go with ``targets``, same shape; None where there are no other slices.
    nominal : numpy.ndarray or None
        Labels that each run stands for, shape (row of ``runs``,), where replicates of one training-set size hold
        slightly different numbers: their mean. None where ``labels`` is the same for all.
    sparse : numpy.ndarray or None
        Whether `make_sparse` thinned the curve out, shape (curve,): these alone are judged. None where it was not used.
    """

    name: str
    runs: pd.DataFrame
    curves: tuple[tuple[str, str], ...]
    now: np.ndarray
    targets: np.ndarray
    error_now: np.ndarray
    truth: np.ndarray
    truth_se: np.ndarray
    target_other: np.ndarray | None = None
    nominal: np.ndarray | None = None
    sparse: np.ndarray | None = None

    @property
    def judged(self) -> np.ndarray:
        """Positions of the curves whose forecasts are scored: the sparse ones where there are some, else all."""
        return np.arange(len(self.curves)) if self.sparse is None else np.flatnonzero(self.sparse)

    def curve_runs(self) -> list[pd.DataFrame]:
        """Observed runs of each curve at their nominal labels, in the order of ``curves``.

        This is what methods get that want a table of sizes; labelvalue reads ``runs`` as they are.
        """
        runs = self.runs if self.nominal is None else self.runs.assign(labels=self.nominal)
        groups = dict(list(runs.groupby(CURVE, observed=True, sort=False)))
        return [groups[curve] for curve in self.curves]

    def only(self, index: int) -> Problem:
        """The same problem with one curve alone."""
        part = slice(index, index + 1)
        arrays = {name: getattr(self, name)[part] for name in ("now", "targets", "error_now", "truth", "truth_se")}
        optional = {"target_other": self.target_other, "sparse": self.sparse}
        arrays |= {name: None if value is None else value[part] for name, value in optional.items()}
        kept = (self.runs[CURVE] == np.array(self.curves[index], object)).all(axis=1)
        return replace(self._keep_runs(kept), curves=(self.curves[index],), **arrays)

    def _keep_runs(self, kept: pd.Series) -> Problem:
        nominal = None if self.nominal is None else self.nominal[kept.to_numpy()]
        return replace(self, runs=self.runs[kept].reset_index(drop=True), nominal=nominal)


def make_sparse(problem: Problem) -> Problem:
    """Withhold all but the two largest observed sizes from a third of the curves, and judge these.

    Which ones depends on the names of problem and curve alone. Truth and targets stay as they are.

    Returns: ``sparse`` says which curves were thinned out, at least one.
    """
    ordered = sorted(problem.curves, key=lambda curve: hashlib.sha256(repr((problem.name, curve)).encode()).digest())
    chosen = set(ordered[: max(1, round(SPARSE_SHARE * len(ordered)))])
    labels = problem.runs["labels"] if problem.nominal is None else pd.Series(problem.nominal, problem.runs.index)
    rank = labels.groupby([problem.runs[key] for key in CURVE]).rank(method="dense", ascending=False)
    thinned = pd.Series([pair in chosen for pair in zip(*(problem.runs[key] for key in CURVE), strict=True)])
    kept = ~thinned.set_axis(problem.runs.index) | (rank <= SPARSE_SIZES)
    return replace(problem._keep_runs(kept), sparse=np.array([curve in chosen for curve in problem.curves]))


def mean_errors(error: pd.Series, evaluation_set: pd.Series, keys: list[pd.Series]) -> pd.DataFrame:
    """Mean error of the runs within each key, with the standard error due to training.

    Truth and observed runs share their evaluation sets, so the sampling noise of those sets is common to
    both and is no part of what a forecast can miss. What remains is variation between training runs on one
    evaluation set: its pooled variance within sets, divided by the number of runs; where no set has two
    runs, the variance between sets divided by their number stands in.

    Returns: columns ``mean``, ``se`` (NaN for a single run), ``n_runs`` and ``n_sets``, indexed by the keys.
    """
    table = error.groupby(keys, observed=True).agg(mean="mean", n_runs="size")
    per_set = error.groupby([*keys, evaluation_set], observed=True).agg(["size", "mean", "var"])
    per_set["squares"] = per_set["var"] * (per_set["size"] - 1)
    sets = per_set.groupby(level=list(range(len(keys))), observed=True)
    table["n_sets"] = sets.size()
    within = sets["squares"].sum(min_count=1) / (table["n_runs"] - table["n_sets"]) / table["n_runs"]
    between = sets["mean"].var() / table["n_sets"]
    table["se"] = np.sqrt(within.fillna(between))
    return table
