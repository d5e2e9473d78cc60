"""The catalogue of metrics, and how each becomes an error: lower is better, 0 is best."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal, cast

import numpy as np

from labelvalue.problems import Problem, did_you_mean, quote

Direction = Literal["lower", "higher"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: its name, which way is better, and what values are legal.

    Parameters
    ----------
    name : str
        Name that the user writes.
    direction : {"lower", "higher"}
        Which way is better.
    lower, upper : float
        Legal range in the metric's own unit; ``upper`` may be infinite.

    Examples
    --------
    >>> float(CATALOGUE["accuracy"].error(np.asarray(0.75)))
    0.25
    """

    name: str
    direction: Direction
    lower: float = 0.0
    upper: float = math.inf

    @property
    def error_upper(self) -> float:
        """Largest possible error, ``inf`` where there is none."""
        return self.upper - self.lower

    @property
    def range(self) -> str:
        """The legal range as text, such as ``[0, 1]`` or ``[0, inf)``."""
        left = f"[{self.lower:g}" if math.isfinite(self.lower) else "(-inf"
        right = f"{self.upper:g}]" if math.isfinite(self.upper) else "inf)"
        return f"{left}, {right}"

    def error(self, value: np.ndarray) -> np.ndarray:
        """Return the distance of ``value`` from the best legal value (same shape, ≥ 0)."""
        return self.upper - value if self.direction == "higher" else value - self.lower

    def stderr_from_trials(self, error: np.ndarray, trials: np.ndarray) -> np.ndarray:
        """Return the standard error of a mean of ``trials`` answers, each between the bounds.

        For errors in [0, 1] this is the binomial sqrt(p (1 − p) / trials), which no mean of answers
        in [0, 1] exceeds. p is kept half a trial away from both ends, so that no run is noiseless.
        For metrics that are not means of answers (F1, AUC, precision, recall) it is an approximation.
        """
        half = 0.5 / trials
        p = np.clip(error / self.error_upper, half, 1 - half)
        return self.error_upper * np.sqrt(p * (1 - p) / trials)


CATALOGUE = {
    m.name: m
    for m in (
        Metric(name="accuracy", direction="higher", upper=1.0),
        Metric(name="balanced_accuracy", direction="higher", upper=1.0),
        Metric(name="f1", direction="higher", upper=1.0),
        Metric(name="auc", direction="higher", upper=1.0),
        Metric(name="precision", direction="higher", upper=1.0),
        Metric(name="recall", direction="higher", upper=1.0),
        Metric(name="error_rate", direction="lower", upper=1.0),
        Metric(name="brier", direction="lower", upper=1.0),
        Metric(name="ece", direction="lower", upper=1.0),
        Metric(name="log_loss", direction="lower"),
        Metric(name="rmse", direction="lower"),
        Metric(name="mae", direction="lower"),
    )
}
"""The metrics known by name; any other takes a direction and bounds."""

COUNTS = CATALOGUE["error_rate"]
"""The metric of a table of counts, unless the user names another share."""


def choose_metric(
    name: str | None,
    direction: str | None,
    bounds: tuple[float, float] | None,
    *,
    counts: bool,
    file: str,
) -> Metric | list[Problem]:
    """Return the metric of a table, or everything that is wrong with what the user said of it."""
    if name is None:
        if counts:
            return COUNTS
        known = ", ".join(CATALOGUE)
        return [Problem(file=file, why=f"metric is not named; one of {known}", fix="give metric='…'")]
    if name in CATALOGUE:
        metric = CATALOGUE[name]
        problems = _contradictions(metric, direction, bounds, file)
    elif direction is None or bounds is None:
        return [_unknown(name, file)]
    else:
        problems = _custom_problems(name, direction, bounds, file)
        if problems:
            return problems
        metric = Metric(
            name=name,
            direction=cast("Direction", direction),
            lower=float(bounds[0]),
            upper=float(bounds[1]),
        )
    if counts and not problems and metric.error_upper != 1.0:
        why = f"'errors' and 'trials' make a share, and {name!r} is none"
        problems = [Problem(file=file, why=why, fix="give 'value' and 'stderr', or another metric")]
    return problems or metric


def _unknown(name: str, file: str) -> Problem:
    starts = [m for m in CATALOGUE if m.startswith(name)] if name else []
    hint = f"; did you mean {starts[0]!r}?" if starts else did_you_mean(name, CATALOGUE)
    known = ", ".join(CATALOGUE)
    fix = f"name one of {known}, or give direction and bounds"
    return Problem(file=file, why=f"unknown metric {quote(name)}{hint}", fix=fix)


def _contradictions(
    metric: Metric, direction: str | None, bounds: tuple[float, float] | None, file: str
) -> list[Problem]:
    same_direction = direction in (None, metric.direction)
    if same_direction and bounds in (None, (metric.lower, metric.upper)):
        return []
    why = f"{metric.name!r} is known: {metric.direction} is better, {metric.range}"
    return [Problem(file=file, why=why, fix="leave direction and bounds out, or take another name")]


def _custom_problems(name: str, direction: str, bounds: tuple[float, float], file: str) -> list[Problem]:
    problems = []
    if direction not in ("lower", "higher"):
        why = f"direction {quote(direction)} is not known"
        problems.append(Problem(file=file, why=why, fix="give 'lower' or 'higher', what is better"))
    lower, upper = bounds
    best = upper if direction == "higher" else lower
    if not lower < upper or not math.isfinite(best):
        why = f"bounds {bounds!r} of {name!r} are not a range with a finite best value"
        fix = "give (lowest, highest), finite on the better side"
        problems.append(Problem(file=file, why=why, fix=fix))
    return problems
