"""What leaves the labels' quality alone: labels that a strategy chose, diverse or synthetic ones, other learners."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import ENTROPY, flag_texts
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.forecast.interventions.intervention import Changes, Intervention, Standing
from labelvalue.model.curve.families import log_ratio
from labelvalue.model.curve.observations import CELL_KEYS
from labelvalue.model.curve.posterior import doublings_below, log_error_at
from labelvalue.model.fitting.result import Fit
from labelvalue.model.prior.priors import Prior, log_density
from labelvalue.problems import did_you_mean, input_error
from labelvalue.quantities import GivenOrNone
from labelvalue.settings import AtLeastOne, Text


def strategy_efficiency(fit: Fit, labels: Sequence[int] | None = None) -> xr.DataArray:
    """Draw the efficiency of every strategy: labels chosen at random that one label of it is worth.

    Parameters
    ----------
    fit : Fit
        Fit of runs of several strategies.
    labels : sequence of int, optional
        Sizes at which it is asked for, since it may grow or decay with labels; now, where none are given.

    Returns
    -------
    xarray.DataArray
        ``efficiency``, dims chain, draw, slice (and learner, suite), strategy (and labels): 1 is as good as random.
        ``(efficiency > 1).mean(("chain", "draw"))`` is the probability that the strategy pays.

    Raises
    ------
    ValueError
        If the runs hold one strategy only, a size is not a whole number.

    References
    ----------
    Settles (2009), "Active learning literature survey", for the question.

    Examples
    --------
    >>> strategy_efficiency(fit).mean(("chain", "draw"))  # doctest: +SKIP
    """
    if names.EFFICIENCY not in fit.posterior:
        raise ValueError(
            f"the runs hold one strategy, {fit.settings[names.STRATEGIES][0]!r}; its efficiency against random needs "
            "runs of both. Fix: simulate_runs(..., strategies=('random', 'margin')), then fit again"
        )
    size = fit.position[names.LABELS_NOW]
    if labels is not None:
        numbers, _ = whole_numbers(labels, "labels")
        size = xr.DataArray(numbers, dims=names.LABELS, coords={names.LABELS: numbers})
    dims = [*fit.posterior[names.EFFICIENCY].dims, *([] if labels is None else [names.LABELS])]
    worth = _efficiency(fit.posterior, fit.position, size).transpose(*dims).rename(names.EFFICIENCY)
    worth.coords[names.FLAGS] = (names.SLICE, flag_texts(fit))
    worth.attrs = {names.UNIT: "random labels per label", "verdict": fit.diagnostics.verdict}
    return worth


def _efficiency(posterior: xr.Dataset, position: xr.Dataset, size: xr.DataArray) -> xr.DataArray:
    """Random labels that one of a strategy is worth at a size, since that may grow or decay with labels."""
    farther = np.log(np.maximum(size, 1.0) / np.maximum(position[names.REFERENCE_LABELS], 1.0))
    return posterior[names.EFFICIENCY] * np.exp(posterior[names.EFFICIENCY_TREND] * farther)


def diversity_efficiency(fit: Fit, diversity: Sequence[float] | None = None) -> xr.DataArray:
    """Draw what a label is worth at some diversity, in labels as diverse as random ones.

    Beforehand it is as likely as not that diversity matters; draws in which it does not have an efficiency of 1.

    Parameters
    ----------
    fit : Fit
        Fit of runs that differ in ``diversity``.
    diversity : sequence of float, optional
        Effective clusters covered, over those of labels at random, > 0; by default the range observed (its 5 % and 95 %
        quantiles).

    Returns
    -------
    xarray.DataArray
        ``efficiency``, dims chain, draw, diversity; 1 at diversity 1. Attribute ``p_matters`` is the posterior
        probability that diversity matters.

    Raises
    ------
    ValueError
        If the runs do not differ in diversity, or one asked for is not > 0.

    References
    ----------
    Friedman and Dieng (2023), "The Vendi score", TMLR; Dickey (1971), "The weighted likelihood ratio, linear hypotheses
    on normal location parameters", Annals of Mathematical Statistics 42, for the probability.

    Examples
    --------
    >>> diversity_efficiency(fit).attrs["p_matters"]  # doctest: +SKIP
    """
    if names.DIVERSITY_POWER not in fit.posterior:
        raise ValueError(
            "the runs do not differ in diversity. Fix: simulate_runs(..., strategies=('random', 'diversity')) scores it"
        )
    if diversity is None:
        diversity = np.quantile(fit.runs[names.DIVERSITY].dropna(names.RUN).values, TYPICAL_RANGE).tolist()
    asked = np.array(list(diversity), dtype=float)
    if not (asked.size and np.isfinite(asked).all() and (asked > 0).all()):
        raise ValueError(f"diversity must be numbers > 0, got {diversity!r}. Fix: give such as [0.8, 1.2]")
    power = fit.posterior[names.DIVERSITY_POWER].transpose(names.CHAIN, names.DRAW)
    matters = _probability_of_some(power.values.ravel(), fit.model.priors[names.DIVERSITY_POWER])
    rng = np.random.default_rng([fit.settings["random_seed"], 12])
    power = power.where(rng.random(power.shape) < matters, 0.0)
    worth = np.exp(power.values[..., None] * np.log(asked))
    return xr.DataArray(
        worth,
        dims=(names.CHAIN, names.DRAW, names.DIVERSITY),
        coords={**{d: power[d] for d in power.dims}, names.DIVERSITY: asked},
        name=names.EFFICIENCY,
        attrs={names.UNIT: "random labels per label", "p_matters": matters, "verdict": fit.diagnostics.verdict},
    )


TYPICAL_RANGE = (0.05, 0.95)


def _probability_of_some(draws: np.ndarray, prior: Prior) -> float:
    """Probability of an effect, at even odds beforehand; the posterior's density at none is that of smoothed draws."""
    if np.ptp(draws) == 0:
        return float(draws[0] != 0)
    for_none = float(scipy.stats.gaussian_kde(draws)(0.0)[0]) / float(np.exp(log_density(prior, np.array(0.0))))
    return 1.0 / (1.0 + for_none)


WORTHS = np.exp(np.linspace(np.log(1e-4), np.log(4.0), 61))  # worths that are weighed against each other
CENTER, SPREAD = np.log(0.1), 1.5  # prior of the log worth: nine times in ten between 0.008 and 1.2 labels
KEPT = [names.SYNTHETIC_LABELS, names.OTHER_SYNTHETIC_LABELS]


def synthetic_worth(fit: Fit) -> xr.DataArray:
    """Draw the worth of one synthetic example in labels: the runs with such examples weigh worths on a grid."""
    cells = _cells(fit)
    posterior, position = fit.posterior, fit.position
    score = np.zeros((WORTHS.size, posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW]))
    for row in cells.to_dict("records"):
        at = {d: [row[str(d)]] for d in position[names.LABELS_NOW].dims}
        curve, place = posterior.sel(at), position.sel(at)
        labels = xr.DataArray(row[names.LABELS] + WORTHS * row[names.SYNTHETIC_LABELS], dims="worth")
        other = row[names.OTHER_LABELS] + WORTHS * row[names.OTHER_SYNTHETIC_LABELS]
        ratio = log_ratio(curve, place, labels, xr.DataArray(other, dims="worth"))
        expected = log_error_at(ratio, curve, fit.model, fit.walks, doublings_below(place, labels))
        total = float(labels[0] + other[0])
        reference = float((place[names.REFERENCE_LABELS] + place[names.REFERENCE_OTHER_LABELS]).squeeze())
        training = curve[names.TRAINING_SD] ** 2 * (total / reference) ** (-curve["training_decay"]) / row["runs"]
        residual = row["log_error"] - expected
        loglikelihood = -0.5 * residual**2 / (training + row["variance"])
        score += loglikelihood.squeeze(list(at)).transpose("worth", names.CHAIN, names.DRAW).values
    score += (-0.5 * ((np.log(WORTHS) - CENTER) / SPREAD) ** 2)[:, None, None]
    return _drawn(fit, score)


def _cells(fit: Fit) -> pd.DataFrame:
    """Runs with synthetic examples, those that are alike summed: mean log error and its sampling variance."""
    runs = fit.runs
    wanted = [*CELL_KEYS, *KEPT, names.ERROR]
    counted = names.ERRORS in runs
    frame = runs[[*wanted, *([names.ERRORS, names.TRIALS] if counted else [names.ERROR_STDERR])]].to_dataframe()
    frame = frame[(frame[KEPT[0]] > 0) & (frame[names.STRATEGY] == fit.settings[names.STRATEGIES][0])]
    frame = frame[~(frame[names.LABEL_NOISE] > 0)]
    if frame.empty:
        fix = "simulate_runs(..., protocol=Protocol(synthetic=...)), or state its worth: SyntheticData(5000, worth=0.1)"
        why = "no run holds synthetic examples, so what one is worth is not known"
        raise input_error(why, fix, column=names.SYNTHETIC_LABELS)
    if counted:
        wrong = frame[names.ERRORS] + 0.5
        frame["log_error"] = np.log(wrong / (frame[names.TRIALS] + 0.5))
        frame["variance"] = 1.0 / wrong - 1.0 / (frame[names.TRIALS] + 1.0)
    else:
        level = frame[names.ERROR].clip(lower=frame[names.ERROR][frame[names.ERROR] > 0].min())
        frame["log_error"], frame["variance"] = np.log(level), (frame[names.ERROR_STDERR] / level) ** 2
    keys = [k for k in [*CELL_KEYS, *KEPT] if k != names.LABEL_NOISE]
    cells = frame.groupby(keys).agg(runs=("log_error", "size"), log_error=("log_error", "mean"), v=("variance", "mean"))
    return cells.assign(variance=cells["v"] / cells["runs"]).reset_index()


def _drawn(fit: Fit, score: np.ndarray) -> xr.DataArray:
    """Draw one worth a posterior draw, smoothly between the points of the grid."""
    weight = np.exp(score - score.max(axis=0))
    cumulative = np.cumsum(weight, axis=0) / weight.sum(axis=0)
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY, 3])
    which = (cumulative < rng.uniform(size=score.shape[1:])).sum(axis=0)
    step = np.log(WORTHS[1] / WORTHS[0])
    worth = WORTHS[which] * np.exp(step * (rng.uniform(size=which.shape) - 0.5))
    coords = {d: fit.posterior[d] for d in names.SAMPLE}
    made = xr.DataArray(worth, dims=names.SAMPLE, coords=coords, name=names.SYNTHETIC_WORTH)
    return made.assign_attrs({names.UNIT: "labels per example"})


@dataclasses.dataclass(frozen=True)
class ActiveLearning(Intervention):
    """The labels that are bought are chosen by a strategy. Its units are the labels bought; they cost no more.

    Parameters
    ----------
    name, cost, unit_cost, delay, slices : see Intervention
        As for every intervention; ``unit_cost`` comes on top of a label's price, and is 0 where none is given.
    strategy : str
        Strategy; where the runs hold it, its efficiency is that of the fit.
    efficiency : quantity, optional
        Random labels that one label of it is worth, where the runs do not hold it.

    Examples
    --------
    >>> ActiveLearning("margin", efficiency={"low": 0.9, "high": 1.6}).strategy
    'margin'
    """

    strategy: Text
    efficiency: GivenOrNone = None
    unit_cost: GivenOrNone = dataclasses.field(default=0.0, kw_only=True)
    _on_new = True

    def _change(self, standing: Standing, changes: Changes) -> tuple[Changes, str]:
        posterior = standing.posterior
        known = posterior[names.STRATEGY].values.astype(str).tolist() if names.EFFICIENCY in posterior else []
        if self.strategy in known:
            at = {names.STRATEGY: self.strategy}
            of_it = posterior[[names.EFFICIENCY, names.EFFICIENCY_TREND]].sel(at, drop=True)
            worth = _efficiency(of_it, standing.position, standing.position[names.LABELS_NOW] + standing.bought)
            return dataclasses.replace(changes, worth=changes.worth * worth), names.FROM_RUNS
        if self.efficiency is None:
            why = f"no run was made with strategy {self.strategy!r}{did_you_mean(self.strategy, known)}"
            fix = f"give its efficiency, or simulate_runs(..., strategies=('random', {self.strategy!r}))"
            raise input_error(why, fix, column=f"{self.name}.strategy")
        stated = standing.draw(f"{self.name}.efficiency", self.efficiency)
        return dataclasses.replace(changes, worth=changes.worth * stated), names.ELICITED

    def _units(self, now: Any, bought: Any) -> Any:
        return 0.0 * now + bought


@dataclasses.dataclass(frozen=True)
class SyntheticData(Intervention):
    """Synthetic examples on top of real labels, for each slice. Its units are the examples.

    Parameters
    ----------
    name, cost, unit_cost, delay, slices : see Intervention
        As for every intervention; ``unit_cost`` is 0 where none is given.
    examples : int
        Synthetic examples a slice, ≥ 1.
    worth : quantity, optional
        Labels that one example is worth; where none is given, it is estimated from runs with synthetic examples.

    Examples
    --------
    >>> SyntheticData(5_000, worth={"low": 0.02, "high": 0.3}).examples
    5000
    """

    examples: AtLeastOne
    worth: GivenOrNone = None
    unit_cost: GivenOrNone = dataclasses.field(default=0.0, kw_only=True)

    def _change(self, standing: Standing, changes: Changes) -> tuple[Changes, str]:
        if self.worth is None:
            each, origin = synthetic_worth(standing.fit), names.FROM_RUNS
        else:
            each, origin = standing.draw(f"{self.name}.worth", self.worth), names.ELICITED
        return dataclasses.replace(changes, added=changes.added + each * self.examples), origin

    def _units(self, now: Any, bought: Any) -> Any:
        return self.examples + 0.0 * (now + bought)


@dataclasses.dataclass(frozen=True)
class NewLearner(Intervention):
    """Another training recipe. Where the runs hold it, its curve is that of the fit, from today's labels on.

    Parameters
    ----------
    name, cost, unit_cost, delay, slices : see Intervention
        As for every intervention; without units.
    learner : str
        Name of the learner; need not be in the runs where its effect is stated.
    excess : quantity, optional
        Factor on the part of the error above the floor, at the largest size observed.
    elasticity : quantity, optional
        Factor on how fast that part falls with labels.
    floor : quantity, optional
        Factor on the error that labels never remove.

    Examples
    --------
    >>> NewLearner("transformer", excess={"low": 0.7, "high": 0.95}).learner
    'transformer'
    """

    learner: Text
    excess: GivenOrNone = None
    elasticity: GivenOrNone = None
    floor: GivenOrNone = None

    def _change(self, standing: Standing, changes: Changes) -> tuple[Changes, str]:
        position = standing.position
        several = names.LEARNER in position.dims
        known = position[names.LEARNER].values.astype(str).tolist() if several else standing.fit.settings["learners"]
        if self.learner and several and self.learner in known:
            if self.slices:
                fix = "leave slices out, or state its effect by excess, elasticity and floor"
                raise input_error("a learner of the runs takes over all slices", fix, column=f"{self.name}.slices")
            return dataclasses.replace(changes, learner=self.learner), names.FROM_RUNS
        keys = ("excess", names.ELASTICITY, names.FLOOR)
        stated = {key: getattr(self, key) for key in keys if getattr(self, key) is not None}
        if not stated:
            meant = did_you_mean(self.learner, known)
            why = f"the runs hold no curve of a learner {self.learner!r} beside today's{meant}"
            fix = "simulate runs with both learners, or state its effect by excess, elasticity and floor"
            raise input_error(why, fix, column=f"{self.name}.learner")
        factors = {key: standing.draw(f"{self.name}.{key}", value) for key, value in stated.items()}
        changed = {key: getattr(changes, key) * factor for key, factor in factors.items()}
        return dataclasses.replace(changes, **changed), names.ELICITED


@dataclasses.dataclass(frozen=True)
class Pretraining(NewLearner):
    """Pre-training on unlabelled data: a shift of the curve's level, steepness or floor, measured or stated.

    Parameters
    ----------
    name, cost, unit_cost, delay, slices : see Intervention
        As for every intervention; without units.
    learner : str
        Name of the pre-trained learner in the runs, where they hold it.
    excess : quantity, optional
        Factor on the part of the error above the floor, at the largest size observed.
    elasticity : quantity, optional
        Factor on how fast that part falls with labels.
    floor : quantity, optional
        Factor on the error that labels never remove.

    Examples
    --------
    >>> Pretraining(excess={"low": 0.8, "high": 1.0}, cost=3_000, delay=20).kind
    'pre-training'
    """

    learner: Text = ""


@dataclasses.dataclass(frozen=True)
class EvaluationLabels(Intervention):
    """More evaluation labels, for each slice: they remove no error, but let a gain be seen. Its units are those labels.

    :func:`labelvalue.voi.detection_power` adds them to the evaluation sets. In a plan they earn nothing by themselves,
    and take the place of those that ``minimum_evaluation`` of a slice asks for.

    Parameters
    ----------
    name, cost, unit_cost, delay, slices : see Intervention
        As for every intervention.
    labels : int
        Further evaluation labels a slice, ≥ 1.

    Examples
    --------
    >>> EvaluationLabels(2_000).labels
    2000
    """

    labels: AtLeastOne

    def _units(self, now: Any, bought: Any) -> Any:
        return self.labels + 0.0 * (now + bought)
