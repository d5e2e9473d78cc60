"""A simulation in a process of its own, to be killed: ``python interrupted.py FOLDER OUT [JOBS]``.

Each training appends a line to ``FOLDER.log`` and takes a moment, so that a test knows what has been trained.
"""

import sys
import time
from pathlib import Path

import numpy as np
from sklearn.naive_bayes import GaussianNB

import labelvalue as lv

SIZES = [40, 80, 160]
TRAININGS = 3 * (3 + 2)  # three replicates of random at three sizes and of a strategy at two


def data():
    rng = np.random.default_rng(3)
    slices = rng.choice(["north", "south"], size=400)
    x = rng.normal(size=(400, 3))
    return x, np.where(x[:, 0] + 0.5 * rng.normal(size=400) > 0, "yes", "no"), slices


def make_learner(log: Path, pause: float):
    def learner(x, y, seed):
        with log.open("a") as file:
            file.write(f"{len(y)}\n")
        time.sleep(pause)
        return GaussianNB().fit(x, y)

    return learner


def simulate(folder: Path, pause: float = 0.0, **how):
    x, y, slices = data()
    learner = make_learner(folder.with_suffix(".log"), pause)
    execution = lv.Execution(checkpoint=folder, progress=False, **how)
    protocol = lv.Protocol(sizes=SIZES, replicates=3, strategies=("random", "diversity"), random_state=1)
    return lv.simulate_runs(learner, x, y, slices, protocol=protocol, execution=execution)


if __name__ == "__main__":
    runs = simulate(Path(sys.argv[1]), pause=0.15, n_jobs=int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    lv.write_runs(runs, sys.argv[2])
