"""What all interventions have: a name, a cost, a delay, and an effect on the curves."""

import dataclasses
from typing import Annotated, Any, ClassVar

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import draws, error_draws
from labelvalue.forecast.interventions.votes import noise_cost
from labelvalue.model.curve.families import information_left
from labelvalue.model.curve.observations import HALF_LABEL
from labelvalue.model.fitting.result import Fit
from labelvalue.problems import input_error
from labelvalue.quantities import Given, GivenOrNone, Quantity
from labelvalue.settings import Checks, Settings, Text, listed, put


@dataclasses.dataclass(frozen=True)
class Changes:
    """What is changed about a forecast, in numbers or draws; the defaults change nothing.

    ``worth`` of a new label in plain ones, effective labels ``added`` at once, shares of wrong labels, factors on
    ``excess``, ``elasticity`` and ``floor``, the ``learner`` from then on.
    """

    worth: Any = 1.0
    added: Any = 0.0
    old_noise: Any = 0.0
    new_noise: Any = 0.0
    excess: Any = 1.0
    elasticity: Any = 1.0
    floor: Any = 1.0
    learner: str = ""


@dataclasses.dataclass(frozen=True)
class Standing:
    """A forecast before changes: draws, labels ``bought`` (size), ``noise`` of plain labels (slice, chain, draw)."""

    fit: Fit
    posterior: xr.Dataset
    position: xr.Dataset
    bought: xr.DataArray
    noise: xr.DataArray | None
    noise_origin: str

    @property
    def classes(self) -> int:
        """Number of classes that labels tell apart."""
        return int(self.fit.settings[names.CLASSES])

    def need_noise(self, name: str) -> xr.DataArray:
        """Return the share of wrong plain labels."""
        if self.noise is None:
            why = f"what {name!r} brings depends on the share of wrong labels, which is not known"
            fix = "give noise=0.1 or an interval, or the posterior of label_noise from annotations"
            raise input_error(why, fix, column="noise")
        return self.noise

    def draw(self, key: str, value: Any) -> xr.DataArray:
        """Draw a quantity once a posterior draw."""
        return draws(self.fit, key, value)


def changed_error(standing: Standing, changes: Changes) -> xr.DataArray:
    """Draw the expected error after labels were bought under changes; labels of other slices stay as they are."""
    position = standing.position
    now, other = position[names.LABELS_NOW], position[names.OTHER_LABELS_NOW]
    count = now + changes.worth * standing.bought + changes.added
    if standing.noise is not None:
        count = count * _cleaner(standing, changes)
    other = other + 0.0 * standing.bought
    if changes.learner:
        return _by_another_learner(standing, changes, count, other)
    return error_draws(_changed_curves(standing, standing.posterior, changes), standing.fit, count, other)


def _cleaner(standing: Standing, changes: Changes) -> Any:
    """Factor on effective labels: information left in the mixture of old and new labels over that in plain ones."""
    now, bought = np.maximum(standing.position[names.LABELS_NOW], HALF_LABEL), standing.bought
    mixed = (now * changes.old_noise + bought * changes.new_noise) / (now + bought)
    left = information_left(mixed, standing.classes) / information_left(standing.noise, standing.classes)
    return left ** noise_cost(standing.fit)[0]


def _changed_curves(standing: Standing, posterior: xr.Dataset, changes: Changes) -> xr.Dataset:
    """The posterior's curves with another level, steepness and floor."""
    if all(isinstance(f, float) and f == 1.0 for f in (changes.excess, changes.elasticity, changes.floor)):
        return posterior
    share = standing.fit.model.floor_share(posterior)
    level = posterior[names.ERROR_REFERENCE]
    floor, excess = level * share * changes.floor, level * (1.0 - share) * changes.excess
    rate = posterior[names.CURVE_ELASTICITY] / (1.0 - share) * changes.elasticity
    after = floor / (floor + excess)
    changed = {
        names.ERROR_REFERENCE: floor + excess,
        names.FLOOR_SHARE: after,
        names.CURVE_ELASTICITY: rate * (1.0 - after),
    }
    return posterior.assign({name: value.transpose(*level.dims) for name, value in changed.items()})


def _by_another_learner(standing: Standing, changes: Changes, count: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Error on the curve of one learner, from where each learner stands now."""
    one = {names.LEARNER: [changes.learner]}
    curves = _changed_curves(standing, standing.posterior.sel(one), changes)
    found = []
    for name in standing.posterior[names.LEARNER].values:
        at = {names.LEARNER: [name]}
        labels, others = (v.sel(at).assign_coords(one) if names.LEARNER in v.dims else v for v in (count, other))
        error = error_draws(curves, standing.fit, labels, others)
        found.append(error.assign_coords(at))
    return xr.concat(found, dim=names.LEARNER).transpose(*found[0].dims)


KINDS = {
    "Guideline": "guideline",
    "Relabel": "relabel",
    "Consensus": "consensus",
    "ActiveLearning": "active learning",
    "SyntheticData": "synthetic data",
    "Pretraining": "pre-training",
    "NewLearner": "new learner",
    "EvaluationLabels": "evaluation labels",
}  # kinds, in the order in which they act: guidelines come before votes, whatever order they are given in


@dataclasses.dataclass(frozen=True)
class Intervention(Settings):
    """Something that is bought instead of plain labels, or beside them: what all of them have.

    Parameters
    ----------
    name : str
        What it is called; two of one kind need two names.
    cost : quantity
        Money, once.
    unit_cost : quantity, optional
        Money for each of its units (an extra vote, a redone label, a synthetic example …); the price of a plain label
        where none is given.
    delay : quantity
        Days by which it puts off the gain.
    slices : tuple of str
        Slices that it is done for; all where none is named.

    Raises
    ------
    InputError
        For everything that is wrong, with its key.

    Examples
    --------
    >>> from labelvalue.interventions import Consensus
    >>> Consensus(3, cost=500).delay
    0.0
    """

    name: Text = dataclasses.field(default="", kw_only=True)
    cost: Given = dataclasses.field(default=0.0, kw_only=True)
    unit_cost: GivenOrNone = dataclasses.field(default=None, kw_only=True)
    delay: Given = dataclasses.field(default=0.0, kw_only=True)
    slices: Annotated[tuple[str, ...], listed(Checks.text)] = dataclasses.field(default=(), kw_only=True)
    _on_new: ClassVar[bool] = False

    def _together(self, checks: Checks) -> None:
        put(self, name=self.name or self.kind)

    @property
    def kind(self) -> str:
        """What kind of intervention it is, in words."""
        return KINDS.get(type(self).__name__, type(self).__name__)

    @property
    def acts_on_new(self) -> bool:
        """Whether it acts through the labels bought, and brings nothing without any."""
        return self._on_new

    def _change(self, standing: Standing, changes: Changes) -> tuple[Changes, str]:
        return changes, names.ELICITED

    def _units(self, now: Any, bought: Any) -> Any:
        return 0.0 * (now + bought)


def change(done: Intervention, standing: Standing, changes: Changes) -> tuple[Changes, str]:
    """What an intervention changes on top of what others have changed, and where its effect comes from."""
    return done._change(standing, changes)


def units(done: Intervention, now: Any, bought: Any) -> Any:
    """How many units are paid for where there are labels now and some are bought; 0 for what is paid once only."""
    return done._units(now, bought)


def done_for(done: Intervention, values: xr.DataArray) -> xr.DataArray:
    """1 for slices that an intervention is done for, else 0 (slice)."""
    there = values[names.SLICE]
    chosen = [not done.slices or str(name) in done.slices for name in there.values]
    return xr.DataArray([float(c) for c in chosen], dims=names.SLICE, coords={names.SLICE: there.values})


def money(done: Intervention, fit: Fit, bought: Any, price: Quantity = 0.0) -> xr.DataArray:
    """Draw what the units of an intervention cost, slice by slice; ``price`` is that of a plain label."""
    each = price if done.unit_cost is None else done.unit_cost
    key = "costs.price_per_label" if done.unit_cost is None else f"{done.name}.unit_cost"
    count = units(done, fit.position[names.LABELS_NOW].reset_coords(drop=True), bought)
    return count * draws(fit, key, each) * done_for(done, count)


def fixed_money(done: Intervention, fit: Fit) -> xr.DataArray:
    """Draw what an intervention costs once."""
    return draws(fit, f"{done.name}.cost", done.cost)


def delay_days(done: Intervention, fit: Fit) -> xr.DataArray:
    """Draw the days by which an intervention puts off the gain."""
    return draws(fit, f"{done.name}.delay", done.delay)
