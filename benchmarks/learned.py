"""Peers that learn from the development half: least squares recalibrated, and a forest on the shape of curves.

    python -m benchmarks.learned    # learns the factors of the first; a few minutes on one core

writes ``benchmarks/recalibration.json``. The forest is trained when it is first asked, in seconds, on a table of
features that is made once and kept in the cache folder. It forecasts no data set that it has seen: folds leave whole
data sets out.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestRegressor

from benchmarks import lcdb_data, peers, slice_data
from benchmarks.problems import DOUBLINGS, Problem
from benchmarks.scores import add_truth_noise, crps

FACTORS = Path(__file__).with_name("recalibration.json")
SEED = 20_261_128
LOWEST = 0.01
"""Share of the error now below which forecasts are not told apart: logarithms need some end."""
BACK = np.arange(0.5, 4.5, 0.5)
"""Doublings before now at which the forest sees the curve."""
FOLDS, TREES, LEAF, SAMPLES = 5, 250, 10, 1000
TUNED_SAMPLES = 200
"""Samples of a forecast by which factors are judged."""
SAME = {
    "adult": "1590",
    "letter": "6",
    "magic": "1120",
    "mnist": "554",
    "optdigits": "28",
    "penbased": "32",
    "satimage": "182",
    "texture": "40499",
}
"""Data cut into slices that LCDB holds too, by its OpenML id: in one fold with it."""


def regime(problem: Problem) -> str:
    """Whether a problem is of the first day, told by the labels that it shows."""
    total = problem.runs["labels"] + problem.runs.get("other_labels", 0)
    return "first_day" if total.max() <= slice_data.FIRST_DAY else "later"


def training_problems() -> list[Problem]:
    """The development half: LCDB and slices, the first day and later."""
    sources = (lcdb_data, slice_data)
    return [p for first_day in (False, True) for s in sources for p in s.load_problems("development", None, first_day)]


def least_squares(problem: Problem, seed: int) -> np.ndarray:
    """The peer ``floor_residual_2``."""
    return peers.power_law(problem, seed, floor=True, residual=True, doublings=2)


def log_ratio(samples: np.ndarray, error_now: np.ndarray) -> np.ndarray:
    """Logarithm of forecast errors over the error now, shape (curve, distance, sample)."""
    return np.log(np.maximum(samples / error_now[:, None, None], LOWEST))


def recalibrate(samples: np.ndarray, error_now: np.ndarray, location: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Scale the median of each log forecast, and the samples about it.

    Parameters
    ----------
    samples : array, shape (curve, distance, sample)
        Forecasts.
    error_now : array, shape (curve,)
        From which logarithms count.
    location, width : array, shape (distance,)
        Factors; with ones only what lies below `LOWEST` changes.

    Returns
    -------
    array, shape (curve, distance, sample)
        Forecasts, in [0, 1].

    Examples
    --------
    >>> samples = np.array([[[0.05, 0.1, 0.2]]])
    >>> recalibrate(samples, np.array([0.1]), np.ones(1), np.array([2.0])).round(3).tolist()
    [[[0.025, 0.1, 0.4]]]
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


def learn_factors(problems: list[Problem]) -> dict[str, list[float]]:
    """The factors with the lowest CRPS, averaged within problems and then over them.

    Parameters
    ----------
    problems : list of Problem
        Of one regime.

    Returns
    -------
    dict of str to list of float
        ``location`` and ``width``, by distance.
    """
    samples = np.concatenate([least_squares(p, SEED)[..., :TUNED_SAMPLES] for p in problems])
    now, truth, noise = (np.concatenate([getattr(p, n) for p in problems]) for n in ("error_now", "truth", "truth_se"))
    weight = np.concatenate([np.full(len(p.curves), 1 / len(p.curves)) for p in problems]) / len(problems)
    factors = []
    for at in range(len(DOUBLINGS)):
        here = slice(at, at + 1)

        def loss(pair: np.ndarray, here: slice = here) -> float:
            made = recalibrate(samples[:, here], now, pair[:1], pair[1:])
            return float(weight @ crps(add_truth_noise(made, noise[:, here], SEED), truth[:, here])[:, 0])

        factors.append(minimize(loss, np.ones(2), method="Nelder-Mead", options={"xatol": 0.01, "fatol": 1e-7}).x)
    location, width = np.round(np.array(factors).T, 3)
    return {"location": location.tolist(), "width": width.tolist()}


def features(problem: Problem, samples: np.ndarray) -> pd.DataFrame:
    """What the forest sees: one row per curve and distance, none of what other curves do.

    Parameters
    ----------
    problem : Problem
        Whose observed runs are described.
    samples : array, shape (curve, distance, sample)
        Forecast by `least_squares`.

    Returns
    -------
    pandas.DataFrame
        Errors as logarithms over the error now; missing where a curve does not reach back so far.
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


@cache
def version() -> str:
    """Hash of what the peers of this module depend on."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + (FACTORS.read_bytes() if FACTORS.exists() else b""))
    known = [key.name for key in slice_data.all_keys() if key.half == "development"]
    digest.update(repr((lcdb_data.VERSION, slice_data.VERSION, peers.VERSION, known)).encode())
    return digest.hexdigest()[:12]


@cache
def training_table() -> pd.DataFrame:
    """Features, outcome (``y``, log error over the error now), data set and weight; made once and kept."""
    path = slice_data.cache_folder() / f"learned-{version()}.parquet"
    if not path.exists():
        scratch = path.with_suffix(f".{os.getpid()}.tmp")
        pd.concat(_rows(), ignore_index=True).to_parquet(scratch, index=False)
        scratch.replace(path)
    return pd.read_parquet(path)


def _rows() -> Iterator[pd.DataFrame]:
    for problem in training_problems():
        seen = features(problem, least_squares(problem, SEED))
        came = np.log(np.maximum(problem.truth / problem.error_now[:, None], LOWEST)).ravel()
        yield seen.assign(y=came, data=data_set(problem.name), weight=1 / len(problem.curves))


class Forest:
    """A quantile regression forest (Meinshausen 2006): what came in the leaves that a forecast falls into.

    Parameters
    ----------
    table : pandas.DataFrame
        From `training_table`.
    """

    def __init__(self, table: pd.DataFrame):
        seen, self.came = table.drop(columns=["y", "data", "weight"]), table["y"].to_numpy()
        self.trees = RandomForestRegressor(TREES, min_samples_leaf=LEAF, max_features=0.5, random_state=SEED)
        self.trees.fit(seen, self.came, sample_weight=table["weight"])
        self.leaves = self.trees.apply(seen)
        self.order = self.leaves.argsort(axis=0)

    def draw(self, seen: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
        """Samples of the outcome, as many of each tree, shape (row, sample)."""
        drawn = []
        for tree, leaf in enumerate(self.trees.apply(seen).T):
            order = self.order[:, tree]
            known = self.leaves[order, tree]
            first, last = (np.searchsorted(known, leaf, side) for side in ("left", "right"))
            at = rng.integers(first[:, None], last[:, None], (len(leaf), SAMPLES // TREES))
            drawn.append(self.came[order[at]])
        return np.concatenate(drawn, axis=1)


@cache
def forest(fold: int | None) -> Forest:
    """The forest that has not seen the data sets of a fold."""
    table = training_table()
    kept = np.ones(len(table), bool) if fold is None else (table["data"].map(fold_of) != fold).to_numpy()
    return Forest(table[kept])


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
    problems = training_problems()
    by_regime = {name: [p for p in problems if regime(p) == name] for name in ("later", "first_day")}
    result = {
        "command": "python -m benchmarks.learned",
        "date": datetime.date.today().isoformat(),
        "rule": "floor_residual_2",
        "versions": {"peers": peers.VERSION, "lcdb": lcdb_data.VERSION, "slices": slice_data.VERSION},
        "learned_from": {
            name: {"half": "development", "problems": len(known), "curves": sum(len(p.curves) for p in known)}
            for name, known in by_regime.items()
        },
        "factors": {name: learn_factors(known) for name, known in by_regime.items()},
    }
    FACTORS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["factors"], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
