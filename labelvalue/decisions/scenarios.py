"""Stress, base and best case: sets of whole draws, never quantiles of single parameters put together."""

from __future__ import annotations

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.checks import Checks

STRESS, BASE, BEST = "stress", "base", "best"
SCENARIOS = (STRESS, BASE, BEST)


def scenario_sets(outcomes: xr.Dataset, plan: str, *, tail: float = 0.1) -> xr.Dataset:
    """Cut the draws into stress, base and best case by the net benefit of one plan.

    A set holds whole draws: prices, curves and dates that go together. All plans are averaged over the same sets, so
    that they are compared within one and the same future.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.decisions.plan_outcomes`.
    plan : str
        The plan that says which draws are bad and good.
    tail : float
        Probability of the stress case, and of the best case, 0 < tail < 0.5.

    Returns
    -------
    xarray.Dataset
        Means over each set of every variable of the outcomes, with dim scenario (``stress``, ``base``, ``best``);
        ``probability`` of each set, summing to 1; ``p_best``, dims scenario and plan, the share of the set's draws in
        which the plan is best, ties shared.

    Raises
    ------
    InputError
        If there is no such plan, or ``tail`` leaves no base case.

    Examples
    --------
    >>> from labelvalue.decisions import Case, plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> sets = scenario_sets(plan_outcomes(fake_fit(seed=1), case, {"west": {"west": 500}}), "west")
    >>> sets["probability"].values.tolist()
    [0.1, 0.8, 0.1]
    """
    checks = Checks()
    checks.text(names.PLAN, plan, outcomes[names.PLAN].values.astype(str).tolist())
    if not 0 < tail < 0.5:
        checks.wrong("tail", "must lie in 0 < … < 0.5", "give a share such as 0.1", tail)
    checks.finish()
    net = outcomes[names.NET_BENEFIT]
    first = net == net.max(names.PLAN)
    sampled = outcomes.assign({names.P_BEST: first / first.sum(names.PLAN)}).stack(
        sample=names.SAMPLE, create_index=False
    )
    order = np.argsort(sampled[names.NET_BENEFIT].sel({names.PLAN: plan}).values, kind="stable")
    cut = max(1, round(tail * order.size))
    sets = (order[:cut], order[cut:-cut], order[-cut:])
    means = [sampled.isel(sample=np.sort(one)).mean("sample") for one in sets]
    joined = xr.concat(means, dim=names.SCENARIO).assign_coords({names.SCENARIO: list(SCENARIOS)})
    probability = xr.DataArray([one.size / order.size for one in sets], dims=names.SCENARIO)
    joined = joined.assign({names.PROBABILITY: probability, names.LABELS: outcomes[names.LABELS]})
    joined.attrs = {**outcomes.attrs, names.PLAN: plan}
    return joined
