"""Several learners in money: a plan under each of them, and what keeping those of its case is worth beside it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.costs import learner_names
from labelvalue.decisions.case.value import time_left, unit_value
from labelvalue.decisions.outcomes.benefit import TARGET_WORTH, plan_outcomes
from labelvalue.forecast.gains.curves import draws
from labelvalue.numerals import TAILS, readable
from labelvalue.problems import input_error, listed

SYNERGY = "synergy"
KEPT = "learners kept"  # how the note on a portfolio begins


def benefit_over_learners(plan: Decision) -> xr.Dataset:
    """Value a plan under each learner of its fit, and keeping those of its case beside keeping that one alone.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`, with a fit of several learners. Where its case keeps several, a portfolio, they
        share the labels, which are paid once, and every one is trained again.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, learner; money. ``value`` and ``net_benefit`` of the plan under that learner alone, against
        doing nothing with it; ``synergy``, what the learners of the case leave over it alone once the plan is carried
        out, their further trainings paid: negative where these cost more than they bring. Attributes: ``unit``;
        ``best_learner``, the one of them that is best alone in expectation.

    Raises
    ------
    InputError
        If the fit has one learner.

    Examples
    --------
    >>> import labelvalue as lv
    >>> fit = lv.testing.fake_fit(seed=1, learners=("line", "tree"))
    >>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, learner=["line", "tree"])
    >>> found = benefit_over_learners(lv.decide(fit, case, max_labels=900, measure=False))
    >>> bool((found["synergy"] >= 0).all())  # trainings cost nothing here
    True
    """
    fit, case = plan.fit, plan.case
    if names.LEARNER not in fit.posterior.dims:
        fix = "give runs of several, in the column 'learner'"
        raise input_error("the fit has one learner", fix, column=names.LEARNER)
    known = fit.posterior[names.LEARNER].values.astype(str).tolist()
    bought = {names.RECOMMENDED: plan.labels}
    singly = [plan_outcomes(fit, replace(case, learner=n), bought, interventions=plan.interventions) for n in known]
    axis = xr.DataArray(known, dims=names.LEARNER, coords={names.LEARNER: known})
    kinds = [names.VALUE, names.NET_BENEFIT, names.COST, names.ERROR]
    kinds += [names.TARGET_REACHED] if case.value.target is not None else []
    each = xr.concat([one[kinds].reset_coords(drop=True) for one in singly], dim=axis)
    at = {names.PLAN: names.RECOMMENDED}
    alone, own = each.sel(at, drop=True), plan.outcomes.sel(at, drop=True).reset_coords(drop=True)
    saved = ((alone[names.ERROR] - own[names.ERROR]) * unit_value(fit, case.value, own[names.DAYS])).sum(names.SLICE)
    if (target := case.value.target) is not None:
        worth = draws(fit, TARGET_WORTH, target.worth) * time_left(case.value, own[names.DAYS])
        saved = saved + worth * (own[names.TARGET_REACHED] - alone[names.TARGET_REACHED])
    gained = each[[names.VALUE, names.NET_BENEFIT]]
    made = (alone[[*gained]] - gained.sel({names.PLAN: names.NOTHING}, drop=True)).assign(
        {SYNERGY: saved - (own[names.COST] - alone[names.COST])}
    )
    beside = made[SYNERGY].mean(names.SAMPLE).to_series()
    kept = [name for name in learner_names(case.learner) if name in known]
    made.attrs = {names.UNIT: plan.outcomes.attrs[names.UNIT], "best_learner": beside[kept].idxmin()}
    return made.transpose(*names.SAMPLE, names.LEARNER)


def portfolio_notes(plan: Decision) -> tuple[str, ...]:
    """Say which learners a case keeps, where it keeps several, and what that is worth beside the best of them alone."""
    learner = plan.case.learner
    if isinstance(learner, str):
        return ()
    found = benefit_over_learners(plan)
    best, unit = found.attrs["best_learner"], found.attrs[names.UNIT]
    worth = found[SYNERGY].sel({names.LEARNER: best})
    low, high = (readable(float(end), 3) for end in np.quantile(worth, TAILS))
    if isinstance(learner, Mapping):
        how = listed(f"{name} for {100 * share:.3g} % of the items" for name, share in learner.items())
    else:
        how = f"{listed(learner)}, in each slice the one with the lowest error"
    return (
        f"{KEPT}: {how}, every one trained again; beside the best single one, {best}, that is worth "
        f"{readable(float(worth.mean()), 3)} {unit} (90 % {low} to {high})",
    )
