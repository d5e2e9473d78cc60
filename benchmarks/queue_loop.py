"""What the queue is worth: items chosen by it against items at random, at the same counts of every slice.

    python -m benchmarks.queue_loop --loops digits,adult,diamonds --repetitions 6    # some 25 minutes

Each repetition starts with few labels of every slice, unequally many. A round simulates runs of random labels and of
`margin` on the labels so far, fits, decides how many labels of each slice to buy, and asks `lv.queue` which. Two more
arms buy the same counts: at random, and by `margin` in every slice. Printed are the mean error over slices on held-out
rows after the last round, and its difference from that of random labels with a 90 % interval over repetitions.
"""

import argparse
import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

import labelvalue as lv
from benchmarks.loop_data import LOOPS, Loop, LoopData

ROUNDS = 3
ARMS = ("queue", "random", "margin")
TRIED = ("random", "margin")
CASE = {"costs": {"price_per_label": 0.01}, "value": {"per_error_point": 100.0}}


def start(loop: Loop, data: LoopData, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows to test on, and rows labelled at the start."""
    test, labelled = [], []
    low, high = np.log(loop.start)
    for name in np.unique(data.slices):
        rows = rng.permutation(np.flatnonzero(data.slices == name))
        held = min(loop.test, rows.size // 3)
        test.append(rows[:held])
        labelled.append(rows[held : held + max(15, round(np.exp(rng.uniform(low, high))))])
    return np.concatenate(test), np.concatenate(labelled)


def one_round(
    data: LoopData, labelled: Mapping[str, np.ndarray], test: np.ndarray, batch: int, seed: int
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Buy a batch in every arm: how many by the queue's own runs, which by each arm's own way.

    Returns: strategy that the queue chose by, slice by slice.
    """
    own = labelled["queue"]
    protocol = lv.Protocol(strategies=list(TRIED), random_state=seed)
    quiet = lv.Execution(progress=False)
    parts = data.features[own], data.target[own], data.slices[own]
    runs = lv.simulate_runs(model(), *parts, protocol=protocol, execution=quiet)
    fit = lv.fit(runs, random_seed=seed, progress=False)
    plan = lv.decide(fit, lv.Case(**CASE), batch, measure=False)
    names = [str(name) for name in fit.slices]
    wanted = dict(plan.labels) if plan.total else {name: batch // len(names) for name in names}
    after, ways = {}, list[str]()
    for arm, rows in labelled.items():
        y = np.full(data.target.size, None, dtype=object)
        y[rows] = data.target[rows]
        allowed = ~np.isin(np.arange(y.size), test)
        if arm == "queue":
            found = lv.queue(plan, model(), data.features, y, data.slices, allowed=allowed, wanted=wanted)
            ways = found.groupby("slice")["strategy"].first().tolist()
            new = found["item"].to_numpy(dtype=int)
        else:
            new = np.concatenate([pick(arm, data, rows, allowed, *one, seed) for one in wanted.items() if one[1]])
        after[arm] = np.concatenate([rows, new])
    return after, ways


def pick(
    arm: str, data: LoopData, labelled: np.ndarray, allowed: np.ndarray, name: str, count: int, seed: int
) -> np.ndarray:
    """Rows of a slice at random, or by margin."""
    free = np.setdiff1d(np.flatnonzero(allowed & (data.slices == name)), labelled)
    count = min(count, free.size)
    if arm == "random" or count == 0:
        return np.random.default_rng(seed).choice(free, count, replace=False)
    trained = model().fit(data.features[labelled], data.target[labelled])
    ordered = np.sort(trained.predict_proba(data.features[free]), axis=1)
    return free[np.argsort(ordered[:, -1] - ordered[:, -2], kind="stable")[:count]]


def model() -> LogisticRegression:
    """Return the learner of every arm."""
    return LogisticRegression(max_iter=300)


def error(data: LoopData, labelled: np.ndarray, test: np.ndarray) -> float:
    """Mean error over slices on held-out rows."""
    wrong = (
        model().fit(data.features[labelled], data.target[labelled]).predict(data.features[test]) != data.target[test]
    )
    return float(pd.Series(wrong).groupby(data.slices[test]).mean().mean())


def main() -> None:
    """Print what each arm reaches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loops", default="digits,adult,diamonds")
    parser.add_argument("--repetitions", type=int, default=6)
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in asked.loops.split(","):
        loop = LOOPS[name]
        data = loop.load()
        reached, followed = [], list[str]()
        for repetition in range(asked.repetitions):
            test, first = start(loop, data, np.random.default_rng([7, repetition]))
            labelled = dict.fromkeys(ARMS, first)
            for place in range(ROUNDS):
                labelled, ways = one_round(data, labelled, test, loop.batch, 100 * repetition + place)
                followed += ways
            reached.append([error(data, labelled[arm], test) for arm in ARMS])
            print(name, repetition, np.round(reached[-1], 4), flush=True)
        table = np.array(reached)
        gained = table[:, [1]] - table
        half = 1.645 * gained.std(axis=0, ddof=1) / np.sqrt(len(table))
        share = np.mean([way != "random" for way in followed])
        print(f"{name}: a strategy was followed in {share:.0%} of slices and rounds")
        for arm, mean, more, width in zip(ARMS, table.mean(axis=0), gained.mean(axis=0), half, strict=True):
            print(f"  {arm:7} error {mean:.4f}, {more:+.4f} (± {width:.4f}) lower than random", flush=True)


if __name__ == "__main__":
    main()
