"""Peers that learn from the development half: least squares recalibrated, and a forest on the shape of curves.

    python -m benchmarks.learned    # learns the factors of the first; some minutes on one core

writes ``benchmarks/recalibration.json``. The forest is trained when it is first asked, in seconds, on a table that is
made once and kept in the cache folder. It forecasts no data set that it has seen: folds leave whole data sets out.
"""

import datetime
import hashlib
import json
import os
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestRegressor

from benchmarks import lcdb_data, peers, slice_data
from benchmarks.downloads import cache_folder
from benchmarks.problems import DOUBLINGS, Problem
from benchmarks.scores import add_truth_noise, crps

VERSION = 1  # raise it when features, outcomes or the forest change
FACTORS = Path(__file__).with_name("recalibration.json")
SEED = 20_261_128
LOWEST = 0.01  # share of the error now below which forecasts are not told apart: logarithms need some end
BACK = np.arange(0.5, 4.5, 0.5)  # doublings before now at which the forest sees the curve
SEEN = [
    *(f"back_{doublings:g}" for doublings in BACK),
    *("scatter", "scatter_of_mean", "trials", "error_now", "labels", "sizes", "total", "distance", "middle", "width"),
]  # what the forest sees: see `features`
FOLDS, TREES, LEAF, SAMPLES = 5, 250, 10, 1000
SHARE = 0.9  # of the log forecast of least squares, from which the forest starts
LEVELS = (np.arange(100) + 0.5) / 100  # quantiles of a forecast of least squares by which its factors are judged
SAME = {
    "adult": "1590",
    "letter": "6",
    "magic": "1120",
    "mnist": "554",
    "optdigits": "28",
    "penbased": "32",
    "satimage": "182",
    "texture": "40499",
}  # data cut into slices that LCDB holds too, by its OpenML id: in one fold with it


def regime(problem: Problem) -> str:
    """Which factors a problem gets, told by what it shows: slices or whole data sets, and how many labels."""
    total = problem.runs["labels"] + problem.runs.get("other_labels", 0)
    family = "slices" if "other_labels" in problem.runs else "curves"
    return f"{family}, first day" if total.max() <= slice_data.FIRST_DAY else family


def training_problems() -> list[Problem]:
    """The development half: LCDB and slices, later and on the first day; runs that are missing are computed."""
    found = []
    for first_day in (False, True):
        slice_data.make_all(first_day)
        found += lcdb_data.load_problems("development", first_day=first_day)
        found += slice_data.load_problems("development", first_day=first_day)
    return found


@cache
def least_squares(problem: Problem, seed: int) -> np.ndarray:
    """The peer ``floor_residual_2``, kept: both peers of this module start from it."""
    return peers.power_law(problem, seed, floor=True, residual=True, doublings=2)


def log_ratio(samples: np.ndarray, error_now: np.ndarray) -> np.ndarray:
    """Logarithm of forecast errors over the error now, shape (curve, distance, sample)."""
    return np.log(np.maximum(samples / error_now[:, None, None], LOWEST))


def recalibrate(samples: np.ndarray, error_now: np.ndarray, location: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Scale the median of each log forecast, and the samples about it.

    ``samples`` (curve, distance, sample); ``error_now`` (curve,); ``location``, ``width`` (distance,).
    Returns: (curve, distance, sample) forecasts, in [0, 1].
    """
    logs = log_ratio(samples, error_now)
    middle = np.median(logs, axis=-1, keepdims=True)
    logs = location[:, None] * middle + width[:, None] * (logs - middle)
    return np.clip(error_now[:, None, None] * np.exp(logs), 0.0, 1.0)


def recalibrated(problem: Problem, seed: int) -> np.ndarray:
    """Least squares on two doublings with the factors of ``recalibration.json``."""
    factors = json.loads(FACTORS.read_text())["factors"][regime(problem)]
    location, width = (np.array(factors[name]) for name in ("location", "width"))
    return recalibrate(least_squares(problem, seed), problem.error_now, location, width)


def learn_factors(table: pd.DataFrame) -> dict[str, list[float]]:
    """The factors with the lowest CRPS, averaged within problems and then over them.

    Returns: ``location`` and ``width``, by distance.
    """
    factors = [_factors_at(table[table["distance"] == distance]) for distance in DOUBLINGS]
    location, width = np.round(np.array(factors).T, 3)
    return {"location": location.tolist(), "width": width.tolist()}


def _factors_at(rows: pd.DataFrame) -> np.ndarray:
    """Factors on the location and width of one distance."""
    now, truth, noise = (rows[[name]].to_numpy() for name in ("now", "truth", "truth_se"))
    logs = rows[[f"quantile_{level}" for level in range(len(LEVELS))]].to_numpy()
    samples = now[..., None] * np.exp(logs[:, None])

    def loss(pair: np.ndarray) -> float:
        made = add_truth_noise(recalibrate(samples, now[:, 0], pair[:1], pair[1:]), noise, SEED)
        return float(np.average(crps(made, truth)[:, 0], weights=rows["weight"]))

    return minimize(loss, np.ones(2), method="Nelder-Mead", options={"xatol": 0.01, "fatol": 1e-7}).x


def features(problem: Problem, samples: np.ndarray) -> pd.DataFrame:
    """What the forest sees: one row per curve and distance, none of what other curves do.

    ``samples`` (curve, distance, sample).
    Returns: errors as logarithms over the error now; missing where a curve does not reach back so far.
    """
    total = int((problem.runs["labels"] + problem.runs.get("other_labels", 0)).max())
    curves = [_shape(runs) | {"total": np.log(total)} for runs in problem.curve_runs()]
    table = pd.DataFrame(curves).loc[np.repeat(np.arange(len(curves)), len(DOUBLINGS))].reset_index(drop=True)
    low, middle, high = np.quantile(log_ratio(samples, problem.error_now), (0.16, 0.5, 0.84), axis=-1)
    distance = np.tile(DOUBLINGS, len(curves))
    return table.assign(distance=distance, middle=middle.ravel(), width=(high - low).ravel())


def _shape(runs: pd.DataFrame) -> dict[str, float]:
    """Shape and noise of one observed curve."""
    error = runs["errors"] / runs["trials"]
    sizes = error.groupby(runs["labels"]).agg(["mean", "std", "size"])
    trials = float(runs["trials"].mean())
    level = np.log(np.maximum(sizes["mean"], 0.5 / trials)).to_numpy()
    doublings = np.log2(sizes.index.to_numpy(dtype=float))
    back = np.interp(doublings[-1] - BACK, doublings, level - level[-1])
    back[doublings[-1] - BACK < doublings[0] - 0.1] = np.nan
    scatter = float(sizes["std"].iloc[-1] / np.exp(level[-1]))
    return {f"back_{doubling:g}": value for doubling, value in zip(BACK, back, strict=True)} | {
        "scatter": scatter,
        "scatter_of_mean": scatter / np.sqrt(sizes["size"].iloc[-1]),
        "trials": np.log(trials),
        "error_now": level[-1],
        "labels": doublings[-1],
        "sizes": len(sizes),
    }


def data_set(name: str) -> str:
    """The data set of a problem's name; one name for what two collections hold."""
    data = name.partition(".")[0]
    return SAME.get(data, data)


def fold_of(data: str) -> int:
    """The fold of a data set, by hash."""
    return int(hashlib.sha256(f"fold {data}".encode()).hexdigest(), 16) % FOLDS


def version() -> str:
    """Hash of what the table depends on; part of its name and of the forest's forecasts."""
    known = [key.name for key in slice_data.all_keys() if key.half == "development"]
    found = repr((VERSION, lcdb_data.VERSION, slice_data.VERSION, peers.VERSION, known))
    return hashlib.sha256(found.encode()).hexdigest()[:12]


def factors_version() -> str:
    """Hash of the factors."""
    return hashlib.sha256(FACTORS.read_bytes()).hexdigest()[:12] if FACTORS.exists() else "none"


@cache
def training_table() -> pd.DataFrame:
    """One row per curve and distance of the development half: what was seen, what least squares said, what came.

    Made once, in minutes, and kept.
    """
    path = cache_folder() / f"learned-{version()}.parquet"
    if not path.exists():
        scratch = path.with_suffix(f".{os.getpid()}.tmp")
        pd.concat([training_rows(problem) for problem in training_problems()]).to_parquet(scratch, index=False)
        scratch.replace(path)
    return pd.read_parquet(path)


def training_rows(problem: Problem) -> pd.DataFrame:
    """The rows of one problem, each weighted so that problems count alike."""
    samples = least_squares(problem, SEED)
    logs = np.quantile(log_ratio(samples, problem.error_now), LEVELS, axis=-1).reshape(len(LEVELS), -1)
    came = np.log(np.maximum(problem.truth / problem.error_now[:, None], LOWEST))
    told = pd.DataFrame({f"quantile_{level}": values for level, values in enumerate(logs.astype(np.float32))})
    return pd.concat([features(problem, samples), told], axis=1).assign(
        came=came.ravel(),
        now=np.repeat(problem.error_now, len(DOUBLINGS)),
        truth=problem.truth.ravel(),
        truth_se=problem.truth_se.ravel(),
        problem=problem.name,
        data=data_set(problem.name),
        regime=regime(problem),
        weight=1 / len(problem.curves),
    )


class Forest:
    """A quantile regression forest (Meinshausen 2006) of what least squares leaves of the log error.

    A forecast draws from what came in the leaves that it falls into, and adds it to `SHARE` of least squares' own.

    Parameters
    ----------
    table : pandas.DataFrame
        From `training_table`.
    """

    def __init__(self, table: pd.DataFrame):
        self.left = (table["came"] - SHARE * table["middle"]).to_numpy()
        self.trees = RandomForestRegressor(TREES, min_samples_leaf=LEAF, max_features=0.5, random_state=SEED)
        self.trees.fit(table[SEEN], self.left, sample_weight=table["weight"])
        self.leaves = self.trees.apply(table[SEEN])
        self.order = self.leaves.argsort(axis=0)

    def draw(self, seen: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Samples of the log error over the error now, as many of each tree, shape (row, sample)."""
        drawn = []
        for tree, leaf in enumerate(self.trees.apply(seen[SEEN]).T):
            order = self.order[:, tree]
            known = self.leaves[order, tree]
            first, last = (np.searchsorted(known, leaf, side) for side in ("left", "right"))
            at = rng.integers(first[:, None], last[:, None], (len(leaf), SAMPLES // TREES))
            drawn.append(self.left[order[at]])
        return np.concatenate(drawn, axis=1) + SHARE * seen[["middle"]].to_numpy()


@cache
def forest(fold: int | None) -> Forest:
    """The forest that has not seen the data sets of a fold."""
    table = training_table()
    return Forest(table if fold is None else table[table["data"].map(fold_of) != fold])


def learned(problem: Problem, seed: int) -> np.ndarray:
    """Forecast by a forest that has not seen the problem's data set, in other runs, slices or learners either."""
    data = data_set(problem.name)
    seen = features(problem, least_squares(problem, seed))
    known = data in set(training_table()["data"])
    drawn = forest(fold_of(data) if known else None).draw(seen, np.random.default_rng(seed))
    samples = problem.error_now[:, None, None] * np.exp(drawn).reshape(*problem.truth.shape, -1)
    return np.clip(samples, 0.0, 1.0)


def main() -> int:
    """Learn the factors and write them down with what they were learned from."""
    by_regime = dict(list(training_table().groupby("regime")))
    result = {
        "command": "python -m benchmarks.learned",
        "date": datetime.date.today().isoformat(),
        "rule": "floor_residual_2",
        "table": version(),
        "learned_from": {
            name: {"half": "development", "problems": rows["problem"].nunique(), "curves": len(rows) // len(DOUBLINGS)}
            for name, rows in by_regime.items()
        },
        "factors": {name: learn_factors(rows) for name, rows in by_regime.items()},
    }
    FACTORS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
