"""Learning curves slice by slice: runs of simple learners on real data, computed here once and kept.

    python -m benchmarks.slice_data                # all problems, a quarter of an hour on one core
    python -m benchmarks.slice_data --first-day    # the same data up to 300 labels and eight times that

makes what is missing in the cache folder; interrupted, it goes on with the problem at which it stopped.
"""

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
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline

import labelvalue as lv
from benchmarks.downloads import cache_folder
from benchmarks.problems import DOUBLINGS, Half, Problem, half_of, hash_order, mean_errors
from benchmarks.slice_sources import SOURCES, TEXT, LabelledData
from labelvalue.observe.simulate.learners import tabular_classifier

VERSION = 1  # version of runs and selection; part of every cached file's and forecast's key
LEARNERS = {
    "logistic": LogisticRegression(max_iter=2_000, tol=1e-3),
    "boosting": HistGradientBoostingClassifier(early_stopping=False),
    "forest": RandomForestClassifier(n_estimators=100),
    "bayes": GaussianNB(),
}
HASHES = 2**12
WORD_LEARNERS = {
    "words_logistic": LogisticRegression(C=10, max_iter=300, tol=3e-4),
    "words_bayes": MultinomialNB(alpha=0.1),
}  # on counts of hashed words
REPLICATES = 5
TEST_SHARE = 0.3
LARGEST_SHARE = 0.8
"""Share of the rows left to train on that the largest training sets hold: at 1 replicates would be one and the same."""
APART_SHARE = 0.2  # share of them up to which training sets overlap little
STEPS_PER_DOUBLING = 2
SMALLEST = 16  # labels of a slice from which on its runs count
FIRST_DAY, FIRST_DAY_SMALLEST, FIRST_DAY_TOTAL = 300, 4, 16
"""On the first day: labels observed at most, and from how many on of a slice, and of all slices, runs count."""
MIN_ROWS = 400  # rows of a slice; rows of smaller ones are left out
MIN_SIZES = 3
MIN_LAST_ERROR = 0.005
COLUMNS = ["slice", "learner", "labels", "other_labels", "replicate", "evaluation_set", "errors", "trials"]


@dataclass(frozen=True)
class Key:
    """What a problem is made of: a data set, a way to slice it, a learner."""

    data: str
    slicing: str
    learner: str
    first_day: bool = False

    @property
    def name(self) -> str:
        return f"{self.data}.{self.slicing}.{self.learner}"

    @property
    def path(self) -> Path:
        family = "slices-first-day" if self.first_day else "slices"
        return cache_folder() / f"{family}-v{VERSION}" / f"{self.name}.parquet"

    @property
    def half(self) -> Half:
        return SOURCES[self.data].half or half_of(self.data)


def all_keys(first_day: bool = False) -> list[Key]:
    """All problems there are."""
    return [
        Key(data, slicing, learner, first_day)
        for data, source in SOURCES.items()
        for slicing in source.slicings
        for learner in source.learners
    ]


def training_sizes(slices: pd.Series, first_day: bool = False) -> list[int]:
    """Training-set sizes, all slices together, on a grid of half doublings that ends at the largest.

    The last three are a doubling apart and are forecast; what is observed ends an eighth below the last and
    begins where the largest slice has 16 labels. On the first day it ends at 300 and begins where that has 4.
    """
    counts = slices.value_counts()
    pool = len(slices) - int(sum(max(1, round(TEST_SHARE * n)) for n in counts))
    largest, smallest = LARGEST_SHARE * pool, max(2.0, SMALLEST * len(slices) / counts.max())
    if first_day:
        largest = min(largest, FIRST_DAY * 2 ** DOUBLINGS[-1])
        smallest = max(FIRST_DAY_TOTAL, FIRST_DAY_SMALLEST * len(slices) / counts.max())
    steps = int(STEPS_PER_DOUBLING * np.log2(largest / 2 ** DOUBLINGS[-1] / smallest))
    observed = [largest / 2 ** (DOUBLINGS[-1] + step / STEPS_PER_DOUBLING) for step in range(steps + 1)]
    return sorted(int(size) for size in [*observed, *(largest / 2 ** (DOUBLINGS[-1] - d) for d in DOUBLINGS)])


def pipeline(features: pd.DataFrame, learner: str) -> Pipeline:
    """An untrained learner behind labelvalue's preparation of tables, or behind counts of words."""
    if learner in WORD_LEARNERS:
        words = HashingVectorizer(analyzer=str.split, n_features=HASHES, norm="l2", alternate_sign=False)
        return make_pipeline(ColumnTransformer([(TEXT, words, TEXT)]), clone(WORD_LEARNERS[learner]))
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
        sizes=training_sizes(slices, key.first_day),
        replicates=REPLICATES,
        random_state=zlib.crc32(f"{key.data}.{key.slicing}".encode()),
        protocol=lv.Protocol(test_size=TEST_SHARE, jitter=0),
        execution=lv.Execution(progress=False),
    )
    return runs.to_dataframe()[COLUMNS].reset_index(drop=True)


def make_all(first_day: bool = False) -> float:
    """Compute the runs of every problem that the cache lacks; returns the seconds it took."""
    started = time.perf_counter()
    loaded: dict[str, LabelledData] = {}
    for key in all_keys(first_day):
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


def load_problems(half: Half | None = None, replicates: int | None = None, first_day: bool = False) -> list[Problem]:
    """The problems of one half, or of both, in the order of a hash.

    Returns: named data set, slicing, learner.
    """
    chosen = {key.name: key for key in all_keys(first_day) if half is None or key.half == half}
    missing = [name for name, key in chosen.items() if not key.path.exists()]
    if missing:
        command = f"python -m benchmarks.slice_data{' --first-day' if first_day else ''}"
        raise FileNotFoundError(f"no runs of {', '.join(missing)} in {cache_folder()}. Fix: {command}")
    names = hash_order(list(chosen))
    problems = [make_problem(name, pd.read_parquet(chosen[name].path), replicates, first_day) for name in names]
    return [problem for problem in problems if problem is not None]


def make_problem(
    name: str, runs: pd.DataFrame, replicates: int | None = None, first_day: bool = False
) -> Problem | None:
    """Observed runs and truth of one problem; None where no slice has enough.

    A run stands for the mean labels that its slice had in training sets of that size. Slices count with at least
    three sizes of 16 labels or more (on the first day 4) and a last observed error of at least 0.005.
    """
    runs = runs.assign(total=runs["labels"] + runs["other_labels"], error=runs["errors"] / runs["trials"])
    by_size = [runs["slice"], runs["total"]]
    runs["nominal"] = runs.groupby(["slice", "total"])["labels"].transform("mean").round().astype(int)
    *_, now, first, second, largest = sorted(runs["total"].unique())
    targets = [first, second, largest]
    share = runs[runs["total"] == largest].groupby("slice")["labels"].mean() / largest
    means = mean_errors(runs["error"], runs["evaluation_set"], by_size)
    means["nominal"] = runs.groupby(["slice", "total"])["nominal"].first()

    least = FIRST_DAY_SMALLEST if first_day else SMALLEST
    seen = runs[(runs["total"] <= now) & (runs["slice"].map(share) * runs["total"] >= least)]
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
    pool = _pool(runs) if first_day else largest / LARGEST_SHARE
    factor = fresh_factor(variance.to_numpy(), variance.index.to_numpy() / pool)
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


def _pool(runs: pd.DataFrame) -> float:
    """Rows left to train on, told by the rows that were evaluated on."""
    return float(runs.groupby("slice")["trials"].first().sum() * (1 - TEST_SHARE) / TEST_SHARE)


def fresh_factor(variance: np.ndarray, share: np.ndarray) -> np.ndarray:
    """By how much the scatter between replicates understates the standard error of their mean.

    Training sets that are a large share of one pool overlap: what they have in common does not show in their scatter
    and does not average out. How much fresh training sets would scatter is read off the sizes that hold little of
    the pool (there the scatter is all but a share of it) and extrapolated as a power law of the size.

    Returns: factor ≥ 1 on the standard error at each size.
    Cochran (1977). Sampling techniques, section 2.6: the finite population correction.
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slice_data", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--first-day", action="store_true", help="runs of at most 300 labels, and 2, 4 and 8 times that"
    )
    first_day = parser.parse_args(arguments).first_day
    seconds = make_all(first_day)
    for half in ("development", "test"):
        problems = load_problems(half, first_day=first_day)
        data = {problem.name.partition(".")[0] for problem in problems}
        curves = sum(len(problem.curves) for problem in problems)
        print(f"{half}: {len(problems)} problems, {curves} curves, from {', '.join(sorted(data))}")
    print(f"{seconds:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
