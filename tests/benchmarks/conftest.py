"""The benchmarks are scripts of the repository, not part of the distribution: put its root on the path."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.problems import Problem

FLOOR, SCALE, ELASTICITY, NOW = 0.08, 0.15, 0.5, 512


def power_law(labels):
    return FLOOR + SCALE * (np.asarray(labels, float) / NOW) ** -ELASTICITY


@pytest.fixture
def power_law_problem() -> Problem:
    """One curve that is a power law, seen through 5 x 5 runs on large evaluation sets."""
    rng = np.random.default_rng(3)
    trials = 20_000
    rows = [
        {
            "slice": "a",
            "learner": "b",
            "labels": labels,
            "replicate": replicate,
            "evaluation_set": str(replicate % 5),
            "errors": rng.binomial(trials, power_law(labels)),
            "trials": trials,
        }
        for labels in (16, 23, 32, 45, 64, 91, 128, 181, 256, 362, NOW)
        for replicate in range(25)
    ]
    targets = np.array([[2 * NOW, 4 * NOW, 8 * NOW]])
    return Problem(
        name="power law",
        runs=pd.DataFrame(rows),
        curves=(("a", "b"),),
        now=np.array([NOW]),
        targets=targets,
        error_now=power_law([NOW]),
        truth=power_law(targets),
        truth_se=np.zeros((1, 3)),
    )
