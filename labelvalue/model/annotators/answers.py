"""Answers to plain questions, as a person gives them: checked one by one and against each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from labelvalue import names
from labelvalue.problems import InputError, Problem

ERROR_AT_DOUBLE, BEST_ERROR = "error_at_double", "best_error"
GAIN_OF_NEXT, ERROR_OF_SLICES = "gain_of_next", "error_of_slices"
"""The questions, by the names of the arguments that take their answers."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer: quantiles of a quantity that a person was asked about.

    Parameters
    ----------
    question : str
        Name of the argument that takes the answer.
    values : tuple of float
        Low and high, or low, median and high.
    probabilities : tuple of float
        Their probabilities.
    """

    question: str
    values: tuple[float, ...]
    probabilities: tuple[float, ...]

    @property
    def width(self) -> float:
        """Distance from low to high."""
        return round(self.values[-1] - self.values[0], 12)

    @property
    def middle(self) -> float:
        """The median where one was given, else halfway."""
        return self.values[1] if len(self.values) == 3 else (self.values[0] + self.values[-1]) / 2


def read_answers(given: Mapping[str, Sequence[float] | None], probability: float, upper: float) -> dict[str, Answer]:
    """Check answers, and give each its probabilities."""
    if not 0.0 < probability < 1.0:
        raise ValueError(f"probability must lie between 0 and 1, got {probability!r}. Fix: give such as 0.8.")
    answered = {question: values for question, values in given.items() if values is not None}
    problems = [p for question, values in answered.items() for p in _malformed(question, values, upper)]
    if problems:
        raise InputError(problems)
    tail = round((1.0 - probability) / 2.0, 12)
    ends = (tail, round(1.0 - tail, 12))
    answers = {
        question: Answer(
            question, tuple(float(v) for v in values), ends if len(values) == 2 else (ends[0], 0.5, ends[1])
        )
        for question, values in answered.items()
    }
    problems = _contradictions(answers)
    if problems:
        raise InputError(problems)
    return answers


def _malformed(question: str, values: Sequence[float], upper: float) -> list[Problem]:
    def problem(why: str, fix: str) -> list[Problem]:
        return [Problem(column=question, value=values, why=why, fix=fix)]

    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if numbers.shape not in ((2,), (3,)) or not np.isfinite(numbers).all():
        return problem("not two or three numbers", "give (low, high) or (low, median, high), such as (0.10, 0.14)")
    if not (np.diff(numbers) > 0).all():
        return problem("not in rising order", "give (low, high) or (low, median, high) with low below high")
    if question == GAIN_OF_NEXT:
        return []  # a gain may be negative
    if numbers[0] <= 0 or numbers[-1] >= upper:
        bound = f"above 0 and below {upper:g}" if np.isfinite(upper) else "above 0"
        return problem(f"errors lie {bound}", "give errors on the scale of the metric, such as 0.12 for 12 %")
    return []


_BELOW = (
    (ERROR_AT_DOUBLE, names.ERROR_NOW, "more labels would not lower the error"),
    (BEST_ERROR, names.ERROR_NOW, "the error would lie below the floor already"),
    (BEST_ERROR, ERROR_AT_DOUBLE, "twice the labels would bring the error below its floor"),
)  # pairs of errors of which the first is below the second in every model, and what it would mean otherwise


def _contradictions(answers: Mapping[str, Answer]) -> list[Problem]:
    found = []
    for lower, higher, means in _BELOW:
        if lower in answers and higher in answers and not _below(answers[lower], answers[higher]):
            values = answers[higher].values
            found.append(
                Problem(
                    column=lower,
                    value=answers[lower].values,
                    why=f"not below {higher} {values} at every quantile, so that {means}",
                    fix=f"lower {lower} or raise {higher}, or leave one of them out",
                )
            )
    if GAIN_OF_NEXT in answers:
        found += _too_much(answers)
    return found


def _below(lower: Answer, higher: Answer) -> bool:
    ends = lower.values[0] < higher.values[0] and lower.values[-1] < higher.values[-1]
    return ends and lower.middle < higher.middle


def _too_much(answers: Mapping[str, Answer]) -> list[Problem]:
    """A gain beyond all that labels can remove."""
    gain, now = answers[GAIN_OF_NEXT], answers[names.ERROR_NOW]
    floor = answers[BEST_ERROR].middle if BEST_ERROR in answers else 0.0
    if gain.middle < now.middle - floor:
        return []
    left = f"{names.ERROR_NOW} {now.values}" + (f" and {BEST_ERROR} {answers[BEST_ERROR].values}" if floor else "")
    return [
        Problem(
            column=GAIN_OF_NEXT,
            value=gain.values,
            why=f"at its middle it is more than {left} leave to gain",
            fix=f"lower {GAIN_OF_NEXT}; it is a drop in error, not the error that remains",
        )
    ]
