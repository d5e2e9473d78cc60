"""What `simulate_runs` costs over the training itself, next to scikit-learn's `learning_curve` on the same work.

Run ``OMP_NUM_THREADS=1 python -m benchmarks.overhead``; three minutes. Seconds are of the processor, since machines are
busy, and of one thread, since threads that wait for each other count too.
All train the same estimators on as many rows, as often, and predict as many evaluation rows; `learning_curve` predicts
the training rows too. The training itself is timed bare: fit and predict, nothing else.
"""

import argparse
import json
import os
import tempfile
import time

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit, learning_curve

import labelvalue as lv

ROWS, FEATURES, SLICES = 20_000, 20, 8
SIZES = (250, 1_000, 4_000, 15_000)
REPLICATES = 3
TRAININGS = REPLICATES * len(SIZES)
LEARNERS = {
    "random_forest": RandomForestClassifier(30, random_state=1),
    "gradient_boosting": HistGradientBoostingClassifier(max_iter=20, random_state=1),
    "logistic_regression": LogisticRegression(random_state=1),
}


def make_data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(ROWS, FEATURES))
    y = (x[:, :5].sum(axis=1) + rng.normal(size=ROWS) > 0).astype(int)
    return x, y, rng.choice([f"slice {i}" for i in range(SLICES)], ROWS)


def bare(estimator, x, y, slices) -> None:
    split = ShuffleSplit(REPLICATES, test_size=0.25, random_state=1)
    for pool, held in split.split(x):
        for size in SIZES:
            clone(estimator).fit(x[pool[:size]], y[pool[:size]]).predict(x[held])


def scikit_learn(estimator, x, y, slices) -> None:
    split = ShuffleSplit(REPLICATES, test_size=0.25, random_state=1)

    def score(model, rows, truth) -> float:
        return float(np.mean(model.predict(rows) == truth)) if len(truth) == ROWS // 4 else 0.0  # not on training rows

    learning_curve(estimator, x, y, train_sizes=SIZES, cv=split, scoring=score)


def ours(estimator, x, y, slices, **more) -> None:
    how = lv.Execution(progress=False, **more)
    lv.simulate_runs(estimator, x, y, slices, sizes=SIZES, replicates=REPLICATES, random_state=1, execution=how)


def ours_kept(estimator, x, y, slices) -> None:
    """With a checkpoint after every training."""
    with tempfile.TemporaryDirectory() as folder:
        ours(estimator, x, y, slices, checkpoint=folder)


WAYS = {"bare": bare, "scikit_learn": scikit_learn, "ours": ours, "ours_kept": ours_kept}


def measure(repeats: int) -> list[dict]:
    x, y, slices = make_data()
    out = []
    for name, estimator in LEARNERS.items():
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        for turn in range(repeats + 1):
            for way, call in WAYS.items():
                start = time.process_time()
                call(estimator, x, y, slices)
                if turn:  # the first turn warms up
                    seconds[way].append(time.process_time() - start)
        least = {way: min(found) for way, found in seconds.items()}
        overhead = {way: least[way] / least["bare"] - 1 for way in WAYS if way != "bare"}
        added = {way: 1e3 * (least[way] - least["bare"]) / TRAININGS for way in overhead}
        row = {"learner": name, "seconds": least, "overhead": overhead, "added_ms": added, "load": os.getloadavg()[0]}
        out.append({**row, "training_ms": 1e3 * least["bare"] / TRAININGS})
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = measure(arguments.repeats)
    if arguments.json:
        print(json.dumps(results, indent=2))
        return
    for row in results:
        s, o, ms = row["seconds"], row["overhead"], row["added_ms"]
        cells = [f"{way} {s[way]:.2f} s ({o[way]:+.1%}, {ms[way]:+.2f} ms a training)" for way in o]
        print(f"{row['learner']}, {row['training_ms']:.1f} ms a training: bare {s['bare']:.2f} s; {'; '.join(cells)}")


if __name__ == "__main__":
    main()
