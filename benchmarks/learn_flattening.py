"""Learn how real curves stray beyond their family: by how much they flatten, and how far they do so together.

    python -m benchmarks.learn_flattening    # half an hour on one core

Every development problem is fitted once. The numbers of `labelvalue.model.curve.discrepancy.Beyond` are moved until the
CRPS of the error at 2, 4 and 8 times the labels is lowest, relative to that without flattening: of slices (later and on
the first day together), and of learners. Printed are the numbers, what they buy, and what they buy on data sets that
were left out in turn. A number that buys nothing there is left out of the code.

The share of their walks that curves have in common moves no curve's own forecast, but that of the mean over curves,
which is what a budget buys: printed are its CRPS and how often its 90 % intervals hold, for several shares. How much
farther curves stray whose trainings scatter is chosen by what 90 % intervals hold, of slices that are classes and of
others.
"""

import dataclasses
import zlib
from collections.abc import Sequence
from unittest import mock

import numpy as np
from scipy.optimize import minimize

import labelvalue as lv
from benchmarks import lcdb_data, slice_data
from benchmarks.forecast import Outcome, of_the_mean, problem_seed
from benchmarks.methods import forecast_of
from benchmarks.problems import Problem
from benchmarks.scores import add_truth_noise, central_interval, crps
from labelvalue.model.curve.discrepancy import BETWEEN_LEARNERS, BETWEEN_SLICES

LEAST = 1e-6
NUMBERS = ("typical", "by_scatter")
FOLDS = 5
THINNED = 4
PENALTY = 0.002  # what a number's square costs, in shares of the CRPS
TERMS = {"typical": (0,), "and by scatter": (0, 1)}
SHARED = (0.0, 0.25, 0.5, 0.75, 1.0)
WIDER = (0.0, 0.2, 0.4, 0.6)


def with_each(problem: Problem) -> tuple[np.ndarray, ...]:
    """Forecast one problem without flattening, with one of each number, and with shares of walks in common.

    Returns: (curve, distance, sample) logs of the error; (number, curve, distance, sample) what one of each adds;
    each draw's is straight in them; (share, curve, distance, sample) error by ``SHARED``, with the numbers that ship;
    (width, curve, distance, sample) the same by ``WIDER``.
    """
    fit = lv.fit(lv.read_runs(problem.runs), random_seed=problem_seed(problem), progress=False)

    def drawn(**numbers: float) -> np.ndarray:
        levels = {"BETWEEN_SLICES": BETWEEN_SLICES, "BETWEEN_LEARNERS": BETWEEN_LEARNERS}
        moved = {name: dataclasses.replace(level, **numbers) for name, level in levels.items()}
        with mock.patch.multiple("labelvalue.model.fitting.result", **moved):
            return forecast_of(dataclasses.replace(fit), problem)[..., ::THINNED]

    found = [
        np.log(np.maximum(drawn(**dict(zip(NUMBERS, one, strict=True))), LEAST))
        for one in np.concatenate([np.zeros((1, 2)), np.eye(2)])
    ]
    together = np.stack([drawn(shared=share) for share in SHARED])
    wide = np.stack([drawn(wider=wider) for wider in WIDER])
    return found[0], np.stack(found[1:]) - found[0], together, wide


def wider_lines(problems: Sequence[Problem], wide: Sequence[np.ndarray]) -> list[str]:
    """Say of each width what the 90 % intervals of single curves hold, where slices are classes and elsewhere.

    ``wide`` (width, curve, distance, sample).
    Returns: a line a kind of slices and a width: CRPS, and coverage of 90 % intervals by distance.
    """
    lines = []
    for kind, classes in {"slices that are classes": True, "others": False}.items():
        chosen = [i for i, problem in enumerate(problems) if (problem.name.split(".")[1:2] == ["class"]) == classes]
        for place, wider in enumerate(WIDER if chosen else ()):
            errors, held = [], []
            for problem, samples in ((problems[i], wide[i][place]) for i in chosen):
                noisy = add_truth_noise(samples, problem.truth_se, problem_seed(problem))
                low, high = central_interval(noisy, 0.9)
                errors.append(crps(noisy, problem.truth).mean())
                held.append(((low <= problem.truth) & (problem.truth <= high)).mean(0))
            lines.append(
                f"wider {wider}, {kind}: CRPS {np.mean(errors):.5f}, 90 % intervals hold "
                + ", ".join(f"{part:.0%}" for part in np.mean(held, 0))
            )
    return lines


def shared_lines(problems: Sequence[Problem], together: Sequence[np.ndarray]) -> list[str]:
    """Say of each share how the mean error over curves was forecast.

    ``together`` (share, curve, distance, sample).
    Returns: a line a share: CRPS over that of curves that stray each on its own, and coverage of 90 % intervals by
    distance.
    """
    outcomes = [
        Outcome(f"{share:g}", problem.name, samples, 0.0)
        for problem, drawn in zip(problems, together, strict=True)
        for share, samples in zip(SHARED, drawn, strict=True)
    ]
    found = of_the_mean(problems, outcomes)
    alone = sum(found[f"{SHARED[0]:g}"]["crps"])
    return [
        f"shared {share}: CRPS of the mean error {sum(told['crps']) / alone:.3f}, 90 % intervals hold "
        + ", ".join(f"{part:.0%}" for part in told["covers_90"])
        for share, told in found.items()
    ]


def scores(
    problems: Sequence[Problem], drawn: Sequence[tuple[np.ndarray, ...]], numbers: Sequence[float]
) -> np.ndarray:
    """CRPS of each problem with some flattening.

    Returns: (problem,) in units of the error.
    """
    found = []
    for problem, (without, more, *_) in zip(problems, drawn, strict=True):
        samples = np.clip(np.exp(without + np.tensordot(numbers, more, 1)), 0.0, 1.0)
        noisy = add_truth_noise(samples, problem.truth_se, problem_seed(problem))
        found.append(crps(noisy, problem.truth).mean())
    return np.array(found)


def learn(
    kinds: Sequence[tuple[Sequence[Problem], Sequence[tuple[np.ndarray, ...]]]], terms: Sequence[int]
) -> np.ndarray:
    """Find the numbers of lowest CRPS, kinds of problems counting alike.

    Returns: (2,) numbers.
    """
    before = [scores(*kind, np.zeros(2)).mean() for kind in kinds]

    def full(free: np.ndarray) -> np.ndarray:
        numbers = np.zeros(2)
        numbers[list(terms)] = free
        return numbers

    def cost(free: np.ndarray) -> float:
        ratios = [scores(*kind, full(free)).mean() / one for kind, one in zip(kinds, before, strict=True)]
        return float(np.mean(ratios) + PENALTY * (free**2).sum())

    return full(minimize(cost, np.zeros(len(terms)), method="Powell", options={"xtol": 0.02, "ftol": 1e-4}).x)


def main() -> None:
    """Print the numbers of each level, and what they buy."""
    sliced = [slice_data.load_problems("development", first_day=first) for first in (False, True)]
    for level, collections in {"slices": sliced, "learners": [lcdb_data.load_problems("development")]}.items():
        kinds = [(problems, [with_each(problem) for problem in problems]) for problems in collections]
        for problems, drawn in kinds:
            lines = shared_lines(problems, [one[2] for one in drawn]) + wider_lines(problems, [one[3] for one in drawn])
            print(f"{level}, {len(problems)} problems", *lines, sep="\n  ")
        for called, terms in TERMS.items():
            left_out: list[list[float]] = [[] for _ in kinds]
            for fold in range(FOLDS):
                inside = [[_fold(problem) == fold for problem in problems] for problems, _ in kinds]
                numbers = learn([_where(kind, inside[i], False) for i, kind in enumerate(kinds)], terms)
                for i, kind in enumerate(kinds):
                    left_out[i] += list(scores(*_where(kind, inside[i], True), numbers))
            numbers = learn(kinds, terms)
            bought = [
                f"{scores(*kind, numbers).mean() / before:.3f} ({np.mean(out) / before:.3f} on data sets left out)"
                for kind, out in zip(kinds, left_out, strict=True)
                for before in [scores(*kind, np.zeros(2)).mean()]
            ]
            print(
                f"{level}, {called}: {numbers.round(2).tolist()}, CRPS {', '.join(bought)} of that without", flush=True
            )


def _fold(problem: Problem) -> int:
    return zlib.crc32(problem.name.split(".")[0].encode()) % FOLDS


def _where(kind: tuple, inside: Sequence[bool], wanted: bool) -> tuple[list, list]:
    keep = [i for i, is_in in enumerate(inside) if is_in == wanted]
    return [kind[0][i] for i in keep], [kind[1][i] for i in keep]


if __name__ == "__main__":
    main()
