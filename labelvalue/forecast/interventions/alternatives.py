"""Interventions that leave the labels' quality alone: other and synthetic labels, other learners, more evaluation."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import ENTROPY
from labelvalue.forecast.interventions.intervention import Changes, Intervention, Standing
from labelvalue.model.curve.families import log_ratio
from labelvalue.model.curve.observations import CELL_KEYS
from labelvalue.model.curve.posterior import doublings_below, log_error_at
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import did_you_mean, input_error
from labelvalue.quantities import GivenOrNone
from labelvalue.settings import AtLeastOne, Text

WORTHS = np.exp(np.linspace(np.log(1e-4), np.log(4.0), 61))  # worths that are weighed against each other
CENTER, SPREAD = np.log(0.1), 1.5  # prior of the log worth: nine times in ten between 0.008 and 1.2 labels
KEPT = [names.SYNTHETIC_LABELS, names.OTHER_SYNTHETIC_LABELS]


def synthetic_worth(fit: Fit) -> xr.DataArray:
    """Draw the worth of one synthetic example in labels of its slice, the same for all slices.

    The runs with synthetic examples weigh worths on a grid, draw by draw; nothing flows back into the curves.

    Parameters
    ----------
    fit : Fit
        Fit of runs some of which hold synthetic examples.

    Returns
    -------
    xarray.DataArray
        ``synthetic_worth``, dims chain, draw; 0.0001 to 4 labels.

    Raises
    ------
    InputError
        If no run holds synthetic examples of its own slice.

    Examples
    --------
    >>> synthetic_worth(fit).quantile([0.05, 0.95])  # doctest: +SKIP
    """
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
            size = np.maximum(standing.position[names.LABELS_NOW] + standing.bought, 1.0)
            farther = np.log(size / np.maximum(standing.position[names.REFERENCE_LABELS], 1.0))
            trend = posterior[names.EFFICIENCY_TREND].sel(at, drop=True)
            worth = posterior[names.EFFICIENCY].sel(at, drop=True) * np.exp(trend * farther)
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
