"""Votes against items on the page: what a plan's money for a slice buys, and where the effects of offers come from."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions import Case, Decision
from labelvalue.decisions.case import chosen_of
from labelvalue.decisions.quality import effect_origin, noise_known
from labelvalue.decisions.spending import PRICE
from labelvalue.decisions.thinning import thinned
from labelvalue.forecast import Consensus, quality_frontier
from labelvalue.forecast.draws import slice_draws
from labelvalue.model import Fit
from labelvalue.quantities import of_slice
from labelvalue.report.frontiers import frontier_entries

VOTES = (1, 3, 5, 7)
LEAST = 10
"""Items that the money must buy with a number of votes for it to be tried."""
SHOWN = 4
"""Slices whose frontier is computed: those that a plan buys most for."""
FEW = 40
"""Draws that are enough to learn where an effect comes from."""
ORIGINS = {
    names.FROM_RUNS: "from data: the runs",
    names.FROM_ANNOTATIONS: "from data: annotations",
    names.ELICITED: "from an elicited prior: as stated",
}


def frontier_numbers(plan: Decision, *, ci_prob: float = 0.9) -> list[dict[str, Any]]:
    """Collect, slice by slice, what the plan's money for a slice would gain as fewer items with more votes.

    Parameters
    ----------
    plan : Decision
        Its case gives price, labels to be had, and the share of wrong labels; where it states none, the fit's
        evaluation labels do.
    ci_prob : float
        Probability of the equal-tailed intervals, 0 < ci_prob < 1.

    Returns
    -------
    list of dict
        One a slice, of the four that the plan buys most for: ``slice``, ``money``, ``price`` of a vote at its mean,
        ``rows`` (``votes``, ``labels``, the items, ``gain``, ``lower``, ``upper``, ``p_best``, ``chosen``, ``planned``)
        and ``surface`` (``labels``, ``votes``, ``gain``). Slices whose money buys fewer than ten items with three votes
        are left out; empty where nothing says how many labels are wrong.

    Examples
    --------
    >>> from labelvalue.decisions import decide
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, label_noise=0.3)
    >>> found = frontier_numbers(decide(fit, case, max_labels=900, measure=False))
    >>> [row["votes"] for row in found[0]["rows"]]
    [1, 3, 5, 7]
    """
    fit, case = plan.fit, plan.case
    share, _ = noise_known(fit, case)
    if share is None:
        return []
    ranked = sorted((name for name, n in plan.labels.items() if n), key=lambda name: -plan.labels[name])
    prices = slice_draws(fit, PRICE, case.costs.price_per_label)
    found = []
    for name in ranked[:SHOWN]:
        price = float((prices.sel({names.SLICE: name}) if names.SLICE in prices.dims else prices).mean())
        planned, bought = _votes(plan, name), plan.labels[name]
        tried = sorted({planned, *(v for v in VOTES if LEAST * v <= bought * planned)})
        if len(tried) < 2 or price <= 0:
            continue
        stated = None if case.label_noise is None else of_slice(case.label_noise, name)[1]
        own = share.sel({names.SLICE: [name]}) if names.SLICE in share.dims else share
        most = case.limits(name)[1]
        frontier = quality_frontier(
            _one_curve(fit, case, name),
            bought * planned * price,
            price=price,
            noise=own if stated is None else stated,
            votes=tried,
            available=int(most) if most < float("inf") else None,
        )
        found += [one | {"planned": [planned, bought]} for one in frontier_entries(frontier, ci_prob)]
    return found


def _votes(plan: Decision, name: str) -> int:
    """Votes an item that the plan takes for a slice."""
    done = [one for one in plan.case.interventions if one.name in plan.interventions and isinstance(one, Consensus)]
    return next((one.votes for one in done if not one.slices or name in one.slices), 1)


def _one_curve(fit: Fit, case: Case, name: str) -> Fit:
    """The fit of one slice under the learner and suite that decide, with the runs of these."""
    chosen = {d: chosen_of(case, fit, d) for d in (names.LEARNER, names.SUITE) if d in fit.position.dims}
    tree = fit.tree.copy()
    for group in (names.POSTERIOR, "constant_data"):
        inside = tree[group].to_dataset().sel({names.SLICE: [name]})
        tree[group] = xr.DataTree(inside.sel({d: v for d, v in chosen.items() if d in inside.dims}, drop=True))
    runs = fit.runs
    for dim, one in chosen.items():
        runs = runs.isel({names.RUN: np.flatnonzero(runs[dim].values.astype(str) == one)})
    tree[names.RUNS] = xr.DataTree(runs)
    return dataclasses.replace(fit, tree=tree)


def offer_numbers(plan: Decision) -> list[dict[str, Any]]:
    """List the interventions of a case, whether the plan does them, and where each effect comes from.

    Parameters
    ----------
    plan : Decision
        Plan.

    Returns
    -------
    list of dict
        ``name``, ``kind``, ``slices`` (empty for all), ``origin`` in words, ``done``.

    Examples
    --------
    >>> from labelvalue.decisions import decide
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, label_noise=0.1,
    ...             interventions=[Consensus(3)])
    >>> offer_numbers(decide(fit, case, max_labels=300, measure=False))[0]["origin"]
    'from an elicited prior: as stated'
    """
    few = thinned(plan.fit, FEW)
    rows = []
    for one in plan.case.interventions:
        rows.append(
            {
                "name": one.name,
                "kind": one.kind,
                "slices": list(one.slices),
                "origin": ORIGINS[effect_origin(few, plan.case, one)],
                "done": one.name in plan.interventions,
            }
        )
    return rows
