"""Priors from plain questions, and from what a finished project says of the next one."""

import dataclasses
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from scipy import optimize, stats

from labelvalue import names
from labelvalue.model.fitting.result import Fit
from labelvalue.model.hierarchy.specification import FLOOR, Model, get_model, log_error_from
from labelvalue.model.prior.prior_curves import ErrorScale, error_scale, population_curve
from labelvalue.model.prior.priors import Prior, group_level, on_unbounded
from labelvalue.problems import InputError, Problem, did_you_mean
from labelvalue.reading import parse_toml, read_text
from labelvalue.settings import is_number, is_whole

ERROR_AT_DOUBLE, BEST_ERROR = "error_at_double", "best_error"
GAIN_OF_NEXT, ERROR_OF_SLICES = "gain_of_next", "error_of_slices"
"""The questions, by the names of the arguments that take their answers."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer: quantiles that a person gave, with their probabilities, by the argument that takes it."""

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
    faults = {question: _malformed(question, values, upper) for question, values in answered.items()}
    problems = [
        Problem(column=question, value=answered[question], why=fault[0], fix=fault[1])
        for question, fault in faults.items()
        if fault is not None
    ]
    if problems:
        raise InputError(problems)
    tail = round((1.0 - probability) / 2.0, 12)
    ends = {2: (tail, round(1.0 - tail, 12)), 3: (tail, 0.5, round(1.0 - tail, 12))}
    answers = {q: Answer(q, tuple(map(float, values)), ends[len(values)]) for q, values in answered.items()}
    if problems := [*_contradictions(answers)]:
        raise InputError(problems)
    return answers


def _malformed(question: str, values: Sequence[float], upper: float) -> tuple[str, str] | None:
    """What is wrong with an answer, and what to do."""
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        numbers = np.zeros(0)
    if numbers.shape not in ((2,), (3,)) or not np.isfinite(numbers).all():
        return "not two or three numbers", "give (low, high) or (low, median, high), such as (0.10, 0.14)"
    if not (np.diff(numbers) > 0).all():
        return "not in rising order", "give (low, high) or (low, median, high) with low below high"
    if question != GAIN_OF_NEXT and (numbers[0] <= 0 or numbers[-1] >= upper):  # a gain may be negative
        bound = f"above 0 and below {upper:g}" if np.isfinite(upper) else "above 0"
        return f"errors lie {bound}", "give errors on the scale of the metric, such as 0.12 for 12 %"
    return None


_BELOW = (
    (ERROR_AT_DOUBLE, names.ERROR_NOW, "more labels would not lower the error"),
    (BEST_ERROR, names.ERROR_NOW, "the error would lie below the floor already"),
    (BEST_ERROR, ERROR_AT_DOUBLE, "twice the labels would bring the error below its floor"),
)  # pairs of errors of which the first is below the second in every model, and what it would mean otherwise


def _contradictions(answers: Mapping[str, Answer]) -> Iterator[Problem]:
    for lower, higher, means in _BELOW:
        if lower not in answers or higher not in answers:
            continue
        one, other = answers[lower], answers[higher]
        ends = (one.values[0], one.middle, one.values[-1]), (other.values[0], other.middle, other.values[-1])
        if not all(low < high for low, high in zip(*ends, strict=True)):
            why = f"not below {higher} {other.values} at every quantile, so that {means}"
            fix = f"lower {lower} or raise {higher}, or leave one of them out"
            yield Problem(column=lower, value=one.values, why=why, fix=fix)
    if GAIN_OF_NEXT not in answers:
        return
    gain, now, best = answers[GAIN_OF_NEXT], answers[names.ERROR_NOW], answers.get(BEST_ERROR)
    if gain.middle >= now.middle - (best.middle if best else 0.0):  # beyond all that labels can remove
        left = f"{names.ERROR_NOW} {now.values}" + (f" and {BEST_ERROR} {best.values}" if best else "")
        why = f"at its middle it is more than {left} leave to gain"
        fix = f"lower {GAIN_OF_NEXT}; it is a drop in error, not the error that remains"
        yield Problem(column=GAIN_OF_NEXT, value=gain.values, why=why, fix=fix)


WEIGHT = 0.5  # share of its evidence that a related project counts for where nobody says otherwise


def from_related(fit: Fit, weight: float = WEIGHT) -> dict[str, Prior]:
    """Turn what a related project has taught of its group of slices into priors for a new project.

    Each prior of the group level is moved towards the related project's posterior by a share of what that project added
    (a power prior). With 0 the bank stays as it is; with 1 the two projects are slices of one group.

    Parameters
    ----------
    fit : Fit
        Of the related project, with the same metric and kind of model as the new one will have.
    weight : float
        Share of its evidence that counts, 0 to 1.

    Returns
    -------
    dict of str to Prior
        For ``fit(new_runs, priors=...)``; those that the related project says something about, each with the runs that
        it came from as its source. Of a metric without an upper bound the typical error is left out: it is on the scale
        of the runs.

    Raises
    ------
    ValueError
        If ``weight`` is not between 0 and 1, or the fit was refused.

    References
    ----------
    Ibrahim, Chen, Gwon and Chen (2015), "The power prior: theory and applications", Statistics in Medicine 34.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> bank = fake_fit(seed=1).model.priors
    >>> found = from_related(fake_fit(seed=1), weight=0.0)
    >>> found["elasticity_mean"].center == bank["elasticity_mean"].center
    True
    """
    if not is_number(weight) or not 0.0 <= weight <= 1.0:
        raise ValueError(f"weight must be a share, 0 to 1, got {weight!r}")
    if fit.diagnostics.verdict == "refused":
        raise ValueError("the related fit was refused: its draws mean nothing. Fix: mend that fit first")
    source = f"a related project's fit of {fit.settings[names.METRIC]}, runs {fit.settings['runs_sha256'][:12]}"
    found = {}
    own_scale = {"error_mean"} if not np.isfinite(float(fit.settings[names.UPPER])) else set()
    for name, prior in fit.model.priors.items():
        draws = [] if name in own_scale else group_level(fit.posterior, name)
        if len(draws) == 1 and set(draws[0].dims) == {*names.SAMPLE}:
            mean, sd = _moved(prior, draws[0].values, float(weight))
            said = f"{source}, of which {weight:g} counts; before: {prior.source}"
            found[name] = dataclasses.replace(prior, center=mean, spread=sd, source=said)
    return found


def _moved(prior: Prior, values: np.ndarray, weight: float) -> tuple[float, float]:
    """Centre and spread of the prior with a share of the evidence that the draws hold beyond it."""
    raw, _ = on_unbounded(prior, values)
    before, after = prior.spread**-2, 1.0 / max(float(raw.var()), 1e-12)
    if after <= before:  # the project knows no more of this than the prior did
        return prior.center, prior.spread
    precision = before + weight * (after - before)
    moved = before * prior.center + weight * (after * float(raw.mean()) - before * prior.center)
    return moved / precision, precision**-0.5


POINTS = 4096
"""Quasi-random points by which implied quantiles are computed: the same for every try, so that they are smooth."""
TOLERANCE = 0.1
"""Distance of implied from asked quantiles, over the width of the answer, up to which an answer is matched."""
PULL = 0.03  # weight of the bank in directions on which the answers say nothing
STARTS, SEARCH = 8, 2.0
"""Most searches beside that from the bank, and how far from it they start, in standard deviations."""
LOG_SPREADS = (-4.0, 2.0)  # logs of the narrowest and the widest spread of a prior that are tried

ERROR_MEAN, ERROR_SPREAD = "error_mean", "error_spread"
ELASTICITY_MEAN, FLOOR_MEAN = f"{names.ELASTICITY}_mean", f"{FLOOR.stem}_mean"
BEARS_ON = {
    ERROR_MEAN: (names.ERROR_NOW,),
    ELASTICITY_MEAN: (ERROR_AT_DOUBLE, GAIN_OF_NEXT),
    FLOOR_MEAN: (BEST_ERROR,),
}  # priors that are elicited, and the questions that bear on each

Numbers = Mapping[str, tuple[float, float]]  # centre and spread of priors, by name


@dataclasses.dataclass(frozen=True)
class Elicited:
    """Priors made from answers, and how well they meet them.

    Parameters
    ----------
    priors : mapping of str to Prior
        For ``fit(priors=...)``; the others stay the model's.
    table : pandas.DataFrame
        One row a quantile: ``question``, ``quantile`` (its probability), ``asked``, ``implied``, ``matched``.

    Examples
    --------
    >>> sorted(elicit(1000, error_now=(0.10, 0.14)).priors)
    ['error_mean']
    """

    priors: Mapping[str, Prior]
    table: pd.DataFrame

    @property
    def matched(self) -> bool:
        """Whether every answer is met within tolerance."""
        return bool(self.table["matched"].all())


def elicit(
    labels: int,
    *,
    error_now: Sequence[float],
    error_at_double: Sequence[float] | None = None,
    best_error: Sequence[float] | None = None,
    gain_of_next: Sequence[float] | None = None,
    next_labels: int = 1000,
    error_of_slices: Sequence[float] | None = None,
    probability: float = 0.8,
    model: str | Model = "power_law",
    runs: xr.Dataset | None = None,
) -> Elicited:
    """Turn answers to plain questions into priors.

    Every answer is (low, high) or (low, median, high): the quantity lies between low and high with the stated
    probability. Priors of the group's means are chosen by least squares so that the model's own curve implies the
    quantiles asked for; where the answers say nothing, they stay near the model's.

    Parameters
    ----------
    labels : int
        Labels of the typical slice now, ≥ 1.
    error_now : sequence of float
        Its error now.
    error_at_double : sequence of float, optional
        Its error with twice the labels.
    best_error : sequence of float, optional
        The best error ever to be hoped for from labels of this kind.
    gain_of_next : sequence of float, optional
        Drop in its error from the next ``next_labels`` labels; may be negative.
    next_labels : int
        How many those are, ≥ 1.
    error_of_slices : sequence of float, optional
        Between which errors now a slice picked at random would lie.
    probability : float
        That each quantity lies between its low and high, between 0 and 1.
    model : str or Model
        Name of an installed model, or the object.
    runs : xarray.Dataset, optional
        Runs table that says on what scale errors are; without it they lie between 0 and 1.

    Returns
    -------
    Elicited
        ``priors`` by name, and a ``table`` of asked against implied quantiles; answers that could not be met within
        a tenth of their width are not ``matched``, and the priors' source says so.

    Raises
    ------
    InputError
        If an answer is malformed or answers contradict each other.
    ValueError
        If a number is out of range or the model is unknown.

    References
    ----------
    O'Hagan et al. (2006), "Uncertain judgements: eliciting experts' probabilities", Wiley, chapter 6, for fitting to
    quantiles; Mikkola et al. (2024), "Prior knowledge elicitation: the past, present, and future", Bayesian Analysis
    19, for asking about what can be observed instead of parameters.

    Examples
    --------
    >>> found = elicit(1000, error_now=(0.10, 0.14), error_at_double=(0.08, 0.12), best_error=(0.02, 0.06))
    >>> found.matched, sorted(found.priors)
    (True, ['elasticity_mean', 'error_mean', 'floor_mean'])
    """
    for what, number in (("labels", labels), ("next_labels", next_labels)):
        if not is_whole(number, 1):
            raise ValueError(f"{what} must be a whole number ≥ 1, got {number!r}")
    scale = ErrorScale() if runs is None else error_scale(runs)
    given = {
        names.ERROR_NOW: error_now,
        ERROR_AT_DOUBLE: error_at_double,
        BEST_ERROR: best_error,
        GAIN_OF_NEXT: gain_of_next,
        ERROR_OF_SLICES: error_of_slices,
    }
    answers = read_answers(given, probability, scale.upper)
    chosen = get_model(model)
    typical = _TypicalCurve(chosen, scale, float(np.log1p(next_labels / labels)))
    found = _match(typical, _free(chosen, answers), answers)
    if ERROR_OF_SLICES in answers:
        found[ERROR_SPREAD] = _spread_of(answers[ERROR_OF_SLICES], chosen.priors[ERROR_SPREAD], scale)
    table = _table(answers, typical.implied(found))
    source = f"elicited: {_in_words(answers, probability)}; {labels:,} labels now, {next_labels:,} next{_missed(table)}"
    priors = {
        name: dataclasses.replace(chosen.priors[name], center=center, spread=spread, source=source)
        for name, (center, spread) in found.items()
    }
    return Elicited(priors, table)


def read_beliefs(path: str | os.PathLike[str], *, model: str | Model, runs: xr.Dataset) -> Elicited:
    """Read answers to the questions of :func:`elicit` from TOML, one key each, and turn them into priors."""
    path = Path(path)
    given, known = parse_toml(read_text(path), file=path.name), dict(inspect.signature(elicit).parameters)
    for option in ("model", "runs"):
        del known[option]
    fix = f"one of {', '.join(known)}"
    wrong = [(key, f"unknown key{did_you_mean(key, known)}", fix) for key in given if key not in known]
    needed = (("labels", "labels = 1000"), (names.ERROR_NOW, "error_now = [0.10, 0.14]"))
    wrong += [(key, "is missing", f"give {example}") for key, example in needed if key not in given]
    if wrong:
        raise InputError(Problem(file=path.name, column=key, why=why, fix=fix) for key, why, fix in wrong)
    return elicit(**given, model=model, runs=runs)


class _TypicalCurve:
    """The curve of a group's typical slice, at quasi-random points of the priors of its means."""

    def __init__(self, model: Model, scale: ErrorScale, log_growth: float):
        self.model, self.scale, self.log_growth = model, scale, log_growth
        self.means = [f"{stem}_mean" for stem in ("error", *model.stems)]
        sobol = stats.qmc.Sobol(len(self.means) + 1, rng=0).random(POINTS)
        *means, between = stats.norm.ppf(sobol.T)
        self.points = dict(zip(self.means, means, strict=True))
        self.between = between

    def implied(self, numbers: Numbers) -> dict[str, np.ndarray]:
        """What every question asks about, at all points."""
        group: dict[str, np.ndarray | float] = {name: prior.center for name, prior in self.model.priors.items()}
        for name in self.means:
            prior = self.model.priors[name]
            center, spread = numbers.get(name, (prior.center, prior.spread))
            group[name] = center + spread * self.points[name]
        curve = population_curve(self.model, group, lambda _: 0.0, self.scale)
        now = curve[names.ERROR_REFERENCE]
        log_spread = numbers.get(ERROR_SPREAD, (self.model.priors[ERROR_SPREAD].center, 0.0))[0]
        of_slices = numbers[ERROR_MEAN][0] + np.exp(log_spread) * self.between
        return {
            names.ERROR_NOW: now,
            ERROR_AT_DOUBLE: now * np.exp(self.model.curve(np.log(2.0), curve)),
            BEST_ERROR: now * self.model.floor_share(curve),
            GAIN_OF_NEXT: -now * np.expm1(self.model.curve(self.log_growth, curve)),
            ERROR_OF_SLICES: np.exp(log_error_from(of_slices, self.scale.upper, self.scale.typical)),
        }


def _free(model: Model, answers: Mapping[str, Answer]) -> list[str]:
    """Priors on which the answers bear."""
    free = [name for name, questions in BEARS_ON.items() if any(q in answers for q in questions)]
    odd = [name for name in free if name not in model.priors or model.priors[name].distribution != "normal"]
    if odd:
        raise ValueError(
            f"model {model.name!r} has no normal prior {', '.join(odd)}. "
            "Fix: give its priors by name, in fit(priors=...)"
        )
    return free


def _match(typical: _TypicalCurve, free: list[str], answers: Mapping[str, Answer]) -> dict[str, tuple[float, float]]:
    """Centre and spread of each free prior, by least squares on the quantiles in units of the answers' widths."""
    bank = np.array([[typical.model.priors[name].center, typical.model.priors[name].spread] for name in free])
    start = np.concatenate([bank[:, 0], np.log(bank[:, 1])])
    unit = np.concatenate([bank[:, 1], np.ones(len(free))])
    about_typical = [answer for answer in answers.values() if answer.question != ERROR_OF_SLICES]

    def numbers(x: np.ndarray) -> dict[str, tuple[float, float]]:
        spreads = np.exp(np.clip(x[len(free) :], *LOG_SPREADS))
        return {name: (float(c), float(s)) for name, c, s in zip(free, x[: len(free)], spreads, strict=True)}

    def misfit(x: np.ndarray) -> np.ndarray:
        implied = typical.implied(numbers(x))
        missed = [_distance(answer, implied) for answer in about_typical]
        return np.concatenate([*missed, PULL * (x - start) / unit])

    ends = []
    for away in _starts(start.size):
        ends.append(optimize.least_squares(misfit, start + unit * away, x_scale=unit))
        if np.abs(ends[-1].fun[: -start.size]).max() <= TOLERANCE:
            break
    return numbers(min(ends, key=lambda end: end.cost).x)


def _starts(dims: int) -> np.ndarray:
    """Where to search from: the bank, then points about it, since a search may end where no step helps."""
    away = stats.qmc.Sobol(dims, rng=0).random(STARTS)
    return np.vstack([np.zeros(dims), SEARCH * (2.0 * away - 1.0)])


def _distance(answer: Answer, implied: Mapping[str, np.ndarray]) -> np.ndarray:
    """How far implied quantiles lie above those asked for, in widths of the answer."""
    found = np.quantile(implied[answer.question], answer.probabilities)
    return (found - answer.values) / answer.width


def _spread_of(answer: Answer, prior: Prior, scale: ErrorScale) -> tuple[float, float]:
    """Centre of the prior of the spread between slices, from the ends between which most slices lie."""
    ends = np.array([answer.values[0], answer.values[-1]])
    level = np.log(ends / scale.typical) if np.isinf(scale.upper) else np.log(ends / (scale.upper - ends))
    spread = np.diff(level)[0] / np.diff(stats.norm.ppf([answer.probabilities[0], answer.probabilities[-1]]))[0]
    return float(np.log(spread)), prior.spread


def _table(answers: Mapping[str, Answer], implied: Mapping[str, np.ndarray]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "question": question,
                "quantile": answer.probabilities,
                "asked": answer.values,
                "implied": np.quantile(implied[question], answer.probabilities),
                "matched": np.abs(_distance(answer, implied)) <= TOLERANCE,
            }
        )
        for question, answer in answers.items()
    ]
    return pd.concat(parts, ignore_index=True)


def _in_words(answers: Mapping[str, Answer], probability: float) -> str:
    said = ", ".join(f"{question} {'–'.join(f'{v:g}' for v in a.values)}" for question, a in answers.items())
    return f"{said} with {100 * probability:g} % probability"


def _missed(table: pd.DataFrame) -> str:
    missed = list(dict.fromkeys(table.loc[~table["matched"], "question"]))
    return f"; not met within {100 * TOLERANCE:g} % of its width: {', '.join(missed)}" if missed else ""
