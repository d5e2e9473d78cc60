"""What all interventions have: a name, a cost, a delay, an effect on the curves; and the gains that they bring."""

import dataclasses
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import (
    ENTROPY,
    SIZE,
    draws,
    error_draws,
    in_blocks,
    slice_draws,
    without,
)
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.model.curve.families import HALF_LABEL, information_left, useless_share
from labelvalue.model.fitting.result import Fit
from labelvalue.model.prior.priors import draw_prior
from labelvalue.problems import did_you_mean, input_error
from labelvalue.quantities import Given, GivenOrNone, Quantity, by_slice
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


def predict_gain_with(
    fit: Fit, interventions: Intervention | Sequence[Intervention], budgets: Sequence[int], *, noise: Any = None
) -> xr.DataArray:
    """Draw each slice's own gain from interventions together with labels: by the curves and draws of ``predict_gain``.

    Interventions act together, whatever order they are given in: guidelines, then cleaning, then votes, on the share of
    wrong labels; strategies and synthetic examples on effective labels; learners on the curve.

    Parameters
    ----------
    fit : Fit
        Fit.
    interventions : Intervention or sequence of Intervention
        What is done; none is the plain gain.
    budgets : sequence of int
        Labels bought beside it, ≥ 0; with votes: items, each with as many votes.
    noise : quantity, mapping of str to quantity, or DataArray, optional
        Share of wrong labels among plain ones, now: a number, an interval, one by slice, or the posterior of
        ``label_noise`` from annotations. Needed by whatever changes it.

    Returns
    -------
    xarray.DataArray
        ``gain``, as :func:`labelvalue.predict_gain` returns it; at budget 0, what the interventions bring alone. The
        attribute ``interventions`` is a JSON list of their names, kinds and the origin of each effect: ``from runs``,
        ``from annotations`` or ``elicited``.

    Raises
    ------
    InputError
        If an effect is neither in the runs nor stated, label noise is needed and not given, two interventions bear one
        name, or a slice is unknown.
    ValueError
        If a budget is not a whole number ≥ 0.

    References
    ----------
    Sheng, Provost and Ipeirotis (2008), "Get another label?", KDD, for votes; Natarajan et al. (2013), "Learning with
    noisy labels", NeurIPS 26, for what wrong labels cost.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit = lv.testing.fake_fit(seed=1)
    >>> voted = predict_gain_with(fit, lv.interventions.Consensus(3), [500], noise=0.2)
    >>> bool((voted >= lv.predict_gain(fit, [500]) - 1e-12).mean() > 0.9)
    True
    """
    chosen = checked(fit, interventions)
    numbers, notes = whole_numbers(budgets, names.BUDGET)
    known, origin = noise_draws(fit, noise)
    bought = xr.DataArray(numbers.astype(float), dims=SIZE)
    origins: list[str] = []

    def compute(posterior: xr.Dataset, position: xr.Dataset) -> xr.DataArray:
        standing = standing_at(fit, posterior, position, bought, known, origin)
        changes, origins[:] = changes_by(standing, chosen)
        return _error_now(standing) - changed_error(standing, changes)

    gain = in_blocks(fit, 2 * numbers.size, compute, names.GAIN, names.BUDGET, numbers, notes)
    return gain.assign_attrs({names.INTERVENTIONS: described(chosen, origins)})


def checked(fit: Fit, interventions: Intervention | Sequence[Intervention]) -> tuple[Intervention, ...]:
    """Check interventions against a fit, and put them in the order in which they act."""
    given: list[Any] = [interventions] if isinstance(interventions, Intervention) else list(interventions)
    checks = Checks()
    known = [str(name) for name in fit.slices]
    seen: set[str] = set()
    for place, one in enumerate(given):
        if not isinstance(one, Intervention):
            checks.wrong(f"interventions[{place}]", "is no intervention", "give Consensus(3), Guideline(0.5), …", one)
            continue
        if one.name in seen:
            checks.wrong(f"interventions[{place}]", f"two are called {one.name!r}", "give one of them another name")
        seen.add(one.name)
        for name in one.slices:
            if name not in known:
                why = f"unknown slice {name!r}{did_you_mean(name, known)}"
                checks.wrong(f"{one.name}.slices", why, f"one of {', '.join(known)}")
    checks.finish()
    order = list(KINDS)
    return tuple(sorted(given, key=lambda one: (order.index(type(one).__name__), one.name)))


def standing_at(
    fit: Fit, posterior: xr.Dataset, position: xr.Dataset, bought: xr.DataArray, noise: xr.DataArray | None, origin: str
) -> Standing:
    """Put a standing together for some slices."""
    here = noise
    if noise is not None and names.SLICE in noise.dims:
        here = noise.sel({names.SLICE: posterior[names.SLICE]})
    return Standing(fit, posterior, position, bought, here, origin)


def changes_by(standing: Standing, interventions: Sequence[Intervention]) -> tuple[Changes, list[str]]:
    """Collect what interventions change together."""
    noise = 0.0 if standing.noise is None else standing.noise
    changes, origins = Changes(old_noise=noise, new_noise=noise), []
    for one in interventions:
        after, origin = one._change(standing, changes)
        changes = _where_done(standing, one, changes, after)
        origins.append(origin)
    return changes, origins


def _where_done(standing: Standing, one: Intervention, before: Changes, after: Changes) -> Changes:
    if not one.slices:
        return after
    done = done_for(one, standing.position[names.LABELS_NOW])
    mixed = {
        field.name: xr.where(done > 0, getattr(after, field.name), getattr(before, field.name))
        for field in dataclasses.fields(Changes)
        if field.name != names.LEARNER and getattr(after, field.name) is not getattr(before, field.name)
    }
    return dataclasses.replace(after, **mixed)


def described(interventions: Sequence[Intervention], origins: Sequence[str]) -> str:
    """Return the attribute that says what was done, and where each effect comes from."""
    pairs = zip(interventions, origins, strict=True)
    return json.dumps([{"name": one.name, "kind": one.kind, "effect": origin} for one, origin in pairs])


def _error_now(standing: Standing) -> xr.DataArray:
    position = standing.position
    labels = position[names.LABELS_NOW].expand_dims({SIZE: 1}, axis=-1)
    other = position[names.OTHER_LABELS_NOW].broadcast_like(labels)
    return error_draws(standing.posterior, standing.fit, labels, other).isel({SIZE: 0})


SAMPLE = "sample"  # dim of draws of label noise that were stacked


def noise_draws(fit: Fit, noise: Any, stated: str = names.ELICITED) -> tuple[xr.DataArray | None, str]:
    """Turn what is known of the share of wrong labels into draws, one a posterior draw."""
    if noise is None:
        return None, names.ELICITED
    if isinstance(noise, xr.DataArray):
        found, origin = _drawn_anew(fit, noise), names.FROM_ANNOTATIONS
    else:
        found, origin = _stated(fit, noise), stated
    most = useless_share(int(fit.settings[names.CLASSES]))
    if not bool(((found >= 0) & (found < most)).all()):
        fix = "give a smaller share, or fit with the number of classes, such as fit(runs, classes=10)"
        why = f"labels of which {float(found.max()):.3g} are wrong carry no information: must be 0 ≤ … < {most:g}"
        raise input_error(why, fix, column="noise")
    return found, origin


def _stated(fit: Fit, noise: Any) -> xr.DataArray:
    checks = Checks()
    noise = by_slice(checks, "noise", noise, share=True)
    unknown = set(noise) - {*map(str, fit.slices), "default"} if isinstance(noise, Mapping) else set()
    for name in sorted(unknown):
        checks.wrong(f"noise.{name}", f"unknown slice {name!r}", f"one of {', '.join(map(str, fit.slices))}")
    if not checks.problems:
        for name in without(fit, noise):
            checks.wrong("noise", f"no number for slice {name!r}", "give it one, or a default")
    checks.finish()
    return slice_draws(fit, "noise", noise)


def _drawn_anew(fit: Fit, noise: xr.DataArray) -> xr.DataArray:
    """Draws of another posterior, drawn from once for each draw of the fit; its slices stay together."""
    found = noise
    if names.SLICE in noise.dims:
        missing = [str(name) for name in fit.slices if name not in noise[names.SLICE].values]
        if missing:
            why = f"no label noise for slice {', '.join(map(repr, missing))}"
            raise input_error(why, "estimate it for every slice, or give numbers", column="noise")
        found = noise.sel({names.SLICE: fit.slices})
    sample = [d for d in (names.CHAIN, names.DRAW) if d in found.dims]
    if not sample:
        return found
    stacked = found.stack({SAMPLE: sample}, create_index=False).reset_coords(drop=True)
    posterior = fit.posterior
    shape = (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW])
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY, zlib.crc32(b"noise")])
    which = rng.integers(stacked.sizes[SAMPLE], size=shape)
    place = xr.DataArray(which, dims=(names.CHAIN, names.DRAW), coords={d: posterior[d] for d in sample})
    return stacked.isel({SAMPLE: place}).assign_coords({names.SLICE: fit.slices} if names.SLICE in found.dims else {})


def noise_cost(fit: Fit) -> tuple[xr.DataArray, str]:
    """Draw the power of the information left by which effective labels shrink."""
    posterior = fit.posterior
    if names.NOISE_COST in posterior:
        return posterior[names.NOISE_COST], names.FROM_RUNS
    shape = (posterior.sizes[names.CHAIN], posterior.sizes[names.DRAW])
    rng = np.random.default_rng([fit.settings["random_seed"], ENTROPY, zlib.crc32(names.NOISE_COST.encode())])
    drawn = draw_prior(fit.model.priors[names.NOISE_COST], shape[0] * shape[1], rng).reshape(shape)
    coords = {d: posterior[d] for d in (names.CHAIN, names.DRAW)}
    return xr.DataArray(drawn, dims=(names.CHAIN, names.DRAW), coords=coords), names.ELICITED
