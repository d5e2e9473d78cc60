"""Learn by how much real curves flatten beyond their family: one number, from the development half.

    python -m benchmarks.learn_flattening    # a quarter of an hour on one core

Every development problem is fitted once, and the mean of the walks (`labelvalue.model.walk.FLATTENING`, in their
standard deviations) is moved until the CRPS of the log error at 2, 4 and 8 times the labels is lowest, in units of the
error now. Printed for slices, for learners, and for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from unittest import mock

import numpy as np
from scipy.optimize import minimize_scalar

import labelvalue as lv
from benchmarks import lcdb_data, slice_data
from benchmarks.forecast import problem_seed
from benchmarks.methods import forecast_of
from benchmarks.problems import Problem
from benchmarks.scores import add_truth_noise, crps

LEAST = 1e-6
MOST = 2.0
"""Standard deviations of a walk up to which its mean is looked for, either way."""


def with_and_without(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Forecast one problem without flattening, and with one of a standard deviation.

    Parameters
    ----------
    problem : Problem
        A development problem.

    Returns
    -------
    tuple of array, shape (curve, distance, sample)
        Logs of the error; each draw's is straight in the flattening.
    """
    fit = lv.fit(lv.read_runs(problem.runs), random_seed=problem_seed(problem), progress=False)
    found = []
    for flattening in (0.0, 1.0):
        with mock.patch("labelvalue.model.walk.FLATTENING", flattening):
            found.append(np.log(np.maximum(forecast_of(fit, problem), LEAST)))
    return found[0], found[1]


def score(problems: Sequence[Problem], drawn: Sequence[tuple[np.ndarray, np.ndarray]], flattening: float) -> float:
    """Mean CRPS over problems with some flattening.

    Parameters
    ----------
    problems : sequence of Problem
        Development problems.
    drawn : sequence of tuple of array
        Of each, from :func:`with_and_without`.
    flattening : float
        Mean of the walks, in standard deviations.

    Returns
    -------
    float
        In units of the error.
    """
    scores = []
    for problem, (without, one) in zip(problems, drawn, strict=True):
        samples = np.clip(np.exp(without + flattening * (one - without)), 0.0, 1.0)
        noisy = add_truth_noise(samples, problem.truth_se, problem_seed(problem))
        scores.append(crps(noisy, problem.truth).mean())
    return float(np.mean(scores))


def main() -> None:
    """Print the best number for each kind of problem, and what it buys."""
    kinds = {"slices": slice_data.load_problems("development"), "learners": lcdb_data.load_problems("development")}
    drawn = {kind: [with_and_without(problem) for problem in problems] for kind, problems in kinds.items()}
    kinds["both"], drawn["both"] = ([one for some in by.values() for one in some] for by in (kinds, drawn))
    for kind, problems in kinds.items():
        best = minimize_scalar(
            lambda x, k=kind, p=problems: score(p, drawn[k], x), bounds=(-MOST, MOST), method="bounded"
        )
        before = score(problems, drawn[kind], 0.0)
        print(
            f"{kind}: flattening {best.x:.2f}, CRPS {best.fun:.5f} where {before:.5f} without ({best.fun / before:.3f})"
        )


if __name__ == "__main__":
    main()
