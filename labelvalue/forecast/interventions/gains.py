"""Gains with interventions, by the curves and draws of plain gains."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import xarray as xr

from labelvalue import names
from labelvalue.forecast.gains.curves import SIZE, error_draws, in_blocks, with_distance
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.forecast.interventions.intervention import (
    KINDS,
    Changes,
    Intervention,
    Standing,
    change,
    changed_error,
    done_for,
)
from labelvalue.forecast.interventions.votes import noise_draws
from labelvalue.model.fitting.result import Fit
from labelvalue.printing import as_lines
from labelvalue.problems import did_you_mean
from labelvalue.settings import Checks


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

    gain = in_blocks(fit, 2 * numbers.size, compute, names.GAIN, names.BUDGET, numbers)
    sizes = fit.position[names.LABELS_NOW] + xr.DataArray(numbers, dims=names.BUDGET)
    gain = with_distance(gain, fit, sizes)
    gain.attrs |= {names.NOTES: as_lines(notes), names.INTERVENTIONS: described(chosen, origins)}
    return gain


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
        after, origin = change(one, standing, changes)
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
