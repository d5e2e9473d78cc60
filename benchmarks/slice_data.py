"""Learning curves slice by slice: runs of simple learners on real data, computed here once and kept.

    python -m benchmarks.slice_data            # all problems, a quarter of an hour on one core

makes what is missing in the cache folder; interrupted, it goes on with the problem at which it stopped.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline

import labelvalue as lv
from benchmarks.downloads import cache_folder
from benchmarks.problems import DOUBLINGS, Half, Problem, half_of, hash_order, mean_errors
from benchmarks.slice_sources import SOURCES, LabelledData
from labelvalue.observe.tabular import tabular_classifier

VERSION = 1
"""Version of runs and selection; part of every cached file's and forecast's key."""
LEARNERS = {
    "logistic": LogisticRegression(max_iter=2_000, tol=1e-3),
    "boosting": HistGradientBoostingClassifier(early_stopping=False),
    "forest": RandomForestClassifier(n_estimators=100),
    "bayes": GaussianNB(),
}
REPLICATES = 5
TEST_SHARE = 0.3
LARGEST_SHARE = 0.8
"""Share of the rows left to train on that the largest training sets hold: at 1 replicates would be one and the same."""
APART_SHARE = 0.2
"""Share of them up to which training sets overlap little."""
STEPS_PER_DOUBLING = 2
SMALLEST = 16
"""Labels of a slice from which on its runs count."""
MIN_ROWS = 400
"""Rows of a slice; rows of smaller ones are left out."""
MIN_SIZES = 3
MIN_LAST_ERROR = 0.005
COLUMNS = ["slice", "learner", "labels", "other_labels", "replicate", "evaluation_set", "errors", "trials"]


@dataclass(frozen=True)
class Key:
    """What a problem is made of: a data set, a way to slice it, a learner."""

    data: str
    slicing: str
    learner: str

    @property
    def name(self) -> str:
        return f"{self.data}.{self.slicing}.{self.learner}"

    @property
    def path(self) -> Path:
        return cache_folder() / f"slices-v{VERSION}" / f"{self.name}.parquet"


def all_keys() -> list[Key]:
    """All problems there are."""
    return [
        Key(data, slicing, learner)
        for data, source in SOURCES.items()
        for slicing in source.slicings
        for learner in source.learners
    ]


def training_sizes(slices: pd.Series) -> list[int]:
    """Training-set sizes, all slices together, on a grid of half doublings that ends at the largest.

    The last three are a doubling apart and are forecast; what is observed ends an eighth below the last and
    begins where the largest slice has 16 labels.
    """
    counts = slices.value_counts()
    pool = len(slices) - int(sum(max(1, round(TEST_SHARE * n)) for n in counts))
    largest = LARGEST_SHARE * pool
    smallest = max(2.0, SMALLEST * len(slices) / counts.max())
    steps = int(STEPS_PER_DOUBLING * np.log2(largest / 2 ** DOUBLINGS[-1] / smallest))
    observed = [largest / 2 ** (DOUBLINGS[-1] + step / STEPS_PER_DOUBLING) for step in range(steps + 1)]
    return sorted(int(size) for size in [*observed, *(largest / 2 ** (DOUBLINGS[-1] - d) for d in DOUBLINGS)])


def pipeline(features: pd.DataFrame, learner: str) -> Pipeline:
    """An untrained learner behind labelvalue's preparation of tables."""
    return make_pipeline(clone(tabular_classifier(features)[0]), clone(LEARNERS[learner]))


def compute_runs(data: LabelledData, key: Key) -> pd.DataFrame:
    """The runs of one problem, by `labelvalue.simulate_runs`, training sets drawn evenly from all slices.

    Learners of one slicing are trained on the same rows.
    """
    slices = data.slicings[key.slicing]
    kept = slices.groupby(slices).transform("size") >= MIN_ROWS  # False for rows in no slice
    features, target, slices = (part[kept].reset_index(drop=True) for part in (data.features, data.target, slices))
    runs = lv.simulate_runs(
        {key.learner: pipeline(features, key.learner)},
        features,
        target,
        slices,
        sizes=training_sizes(slices),
        replicates=REPLICATES,
        test_size=TEST_SHARE,
        jitter=0,
        random_state=zlib.crc32(f"{key.data}.{key.slicing}".encode()),
        progress=False,
    )
    return runs.to_dataframe()[COLUMNS].reset_index(drop=True)


def make_all() -> float:
    """Compute the runs of every problem that the cache lacks; returns the seconds it took."""
    started = time.perf_counter()
    loaded: dict[str, LabelledData] = {}
    for key in all_keys():
        if key.path.exists():
            continue
        begun = time.perf_counter()
        if key.data not in loaded:
            loaded = {key.data: SOURCES[key.data].load()}
        runs = compute_runs(loaded[key.data], key)
        key.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = key.path.with_suffix(".tmp")
        runs.to_parquet(scratch, index=False)
        scratch.replace(key.path)
        print(f"{key.name}: {len(runs)} runs, {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    return time.perf_counter() - started


def load_problems(half: Half | None = None, replicates: int | None = None) -> list[Problem]:
    """The problems of one half, or of both, in the order of a hash.

    Parameters
    ----------
    half : {"development", "test"}, optional
        By `benchmarks.problems.half_of` of the data set; all where none is given.
    replicates : int, optional
        Show at most this many runs per size; the truth keeps all five.

    Returns
    -------
    list of Problem
        Named data set, slicing, learner.

    Raises
    ------
    FileNotFoundError
        If the runs of a problem were not computed yet.
    """
    chosen = {key.name: key for key in all_keys() if half is None or half_of(key.data) == half}
    missing = [name for name, key in chosen.items() if not key.path.exists()]
    if missing:
        raise FileNotFoundError(
            f"no runs of {', '.join(missing)} in {cache_folder()}. Fix: python -m benchmarks.slice_data"
        )
    names = hash_order(list(chosen))
    problems = [make_problem(name, pd.read_parquet(chosen[name].path), replicates) for name in names]
    return [problem for problem in problems if problem is not None]


def make_problem(name: str, runs: pd.DataFrame, replicates: int | None = None) -> Problem | None:
    """Observed runs and truth of one problem; None where no slice has enough.

    A run stands for the mean labels that its slice had in training sets of that size. Slices count with at least
    three sizes of 16 labels or more and a last observed error of at least 0.005.

    Parameters
    ----------
    name : str
        Of the problem.
    runs : pandas.DataFrame
        As `compute_runs` returns them.
    replicates : int, optional
        Observed runs per size at most.

    Returns
    -------
    Problem or None
    """
    runs = runs.assign(total=runs["labels"] + runs["other_labels"], error=runs["errors"] / runs["trials"])
    by_size = [runs["slice"], runs["total"]]
    runs["nominal"] = runs.groupby(["slice", "total"])["labels"].transform("mean").round().astype(int)
    *_, now, first, second, largest = sorted(runs["total"].unique())
    targets = [first, second, largest]
    share = runs[runs["total"] == largest].groupby("slice")["labels"].mean() / largest
    means = mean_errors(runs["error"], runs["evaluation_set"], by_size)
    means["nominal"] = runs.groupby(["slice", "total"])["nominal"].first()

    seen = runs[(runs["total"] <= now) & (runs["slice"].map(share) * runs["total"] >= SMALLEST)]
    if replicates is not None:
        seen = seen[seen["replicate"] < replicates]
    error_now = seen[seen["total"] == now].groupby("slice")["error"].mean()
    sizes = seen.groupby("slice")["total"].nunique()
    slices = [s for s in error_now.index if sizes[s] >= MIN_SIZES and error_now[s] >= MIN_LAST_ERROR]
    if not slices:
        return None
    seen = seen[seen["slice"].isin(slices)].reset_index(drop=True)
    kept = means.loc[slices].assign(variance=means["se"] ** 2 * means["n_runs"])
    variance = kept.groupby("total")["variance"].mean()
    factor = fresh_factor(variance.to_numpy(), LARGEST_SHARE * variance.index.to_numpy() / largest)
    means["se"] *= means.index.get_level_values("total").map(dict(zip(variance.index, factor, strict=True)))
    wide = means.reset_index().pivot_table(index="slice", columns="total", values=["mean", "se", "nominal"])
    labels = wide["nominal"].loc[slices, targets].to_numpy().astype(int)
    return Problem(
        name=name,
        runs=seen[COLUMNS],
        curves=tuple((s, str(runs["learner"].iloc[0])) for s in slices),
        now=wide["nominal"].loc[slices, now].to_numpy().astype(int),
        targets=labels,
        error_now=error_now[slices].to_numpy(),
        truth=wide["mean"].loc[slices, targets].to_numpy(),
        truth_se=wide["se"].loc[slices, targets].to_numpy(),
        target_other=np.array(targets) - labels,
        nominal=seen["nominal"].to_numpy(),
    )


def fresh_factor(variance: np.ndarray, share: np.ndarray) -> np.ndarray:
    """By how much the scatter between replicates understates the standard error of their mean.

    Training sets that are a large share of one pool overlap: what they have in common does not show in their scatter
    and does not average out. How much fresh training sets would scatter is read off the sizes that hold little of
    the pool (there the scatter is all but a share of it) and extrapolated as a power law of the size.

    Parameters
    ----------
    variance : numpy.ndarray
        Variance between replicates at each size, mean over slices.
    share : numpy.ndarray
        Share of the pool that training sets of that size hold, in (0, 1).

    Returns
    -------
    numpy.ndarray
        Factor ≥ 1 on the standard error at each size.

    References
    ----------
    Cochran (1977). Sampling techniques, section 2.6: the finite population correction.

    Examples
    --------
    An error that is linear in the rows trained on:

    >>> share = np.array([0.05, 0.1, 0.2, 0.8])
    >>> fresh_factor((1 - share) / share, share).round(2).tolist()
    [1.12, 1.25, 1.5, 4.58]
    """
    apart = (share <= APART_SHARE) & (variance > 0)
    if apart.sum() < 2:
        return np.ones_like(share)
    line = np.polyfit(np.log(share[apart]), np.log(variance[apart] / (1 - share[apart])), 1)
    fresh = np.exp(np.polyval(line, np.log(share)))
    excess = np.divide(fresh, variance, out=np.ones_like(share), where=variance > 0) - 1
    return np.sqrt(1 + REPLICATES * np.maximum(excess, 0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute what is missing and say what there is."""
    argparse.ArgumentParser(prog="python -m benchmarks.slice_data", description=__doc__.splitlines()[0]).parse_args(
        arguments
    )
    seconds = make_all()
    for half in ("development", "test"):
        problems = load_problems(half)
        data = {problem.name.partition(".")[0] for problem in problems}
        curves = sum(len(problem.curves) for problem in problems)
        print(f"{half}: {len(problems)} problems, {curves} curves, from {', '.join(sorted(data))}")
    print(f"{seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
