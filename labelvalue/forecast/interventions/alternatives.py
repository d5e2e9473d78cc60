"""Interventions that leave the labels' quality alone: other labels, other learners, more evaluation."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from labelvalue import names
from labelvalue.forecast.interventions.intervention import Changes, Intervention, Standing
from labelvalue.forecast.interventions.synthetic import synthetic_worth
from labelvalue.problems import did_you_mean, input_error
from labelvalue.quantities import Quantity, quantity
from labelvalue.settings import Checks, put


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

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> ActiveLearning("margin", efficiency={"low": 0.9, "high": 1.6}).strategy
    'margin'
    """

    strategy: str
    efficiency: Quantity | None = None

    def _check(self, checks: Checks) -> None:
        checks.text("strategy", self.strategy)
        if self.efficiency is not None:
            put(self, efficiency=quantity(checks, "efficiency", self.efficiency))
        if self.unit_cost is None:
            put(self, unit_cost=0.0)

    @property
    def acts_on_new(self) -> bool:
        """It does."""
        return True

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

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> SyntheticData(5_000, worth={"low": 0.02, "high": 0.3}).examples
    5000
    """

    examples: int
    worth: Quantity | None = None

    def _check(self, checks: Checks) -> None:
        checks.whole("examples", self.examples, least=1)
        if self.worth is not None:
            put(self, worth=quantity(checks, "worth", self.worth))
        if self.unit_cost is None:
            put(self, unit_cost=0.0)

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

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> NewLearner("transformer", excess={"low": 0.7, "high": 0.95}).learner
    'transformer'
    """

    learner: str
    excess: Quantity | None = None
    elasticity: Quantity | None = None
    floor: Quantity | None = None

    def _check(self, checks: Checks) -> None:
        checks.text("learner", self.learner)
        for key in ("excess", names.ELASTICITY, names.FLOOR):
            if getattr(self, key) is not None:
                put(self, **{key: quantity(checks, key, getattr(self, key))})

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

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> Pretraining(excess={"low": 0.8, "high": 1.0}, cost=3_000, delay=20).kind
    'pre-training'
    """

    learner: str = ""


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

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> EvaluationLabels(2_000).labels
    2000
    """

    labels: int

    def _check(self, checks: Checks) -> None:
        checks.whole("labels", self.labels, least=1)

    def _units(self, now: Any, bought: Any) -> Any:
        return self.labels + 0.0 * (now + bought)
