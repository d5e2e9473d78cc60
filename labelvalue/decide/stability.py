"""How often the advice would be another, were the data or the priors a little different; by re-weighting draws."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decide.alternatives import alternatives, best_of
from labelvalue.decide.benefit import plan_outcomes
from labelvalue.decide.case import Case
from labelvalue.decide.evidence import share_of_cells
from labelvalue.decide.plan import Plan, standard_error
from labelvalue.forecast.reweighting import EFFECTIVE_DRAWS, importance_weights, prior_groups, scaled_priors
from labelvalue.forecast.sensitivity import REFIT
from labelvalue.model import Fit, fit as fit_again
from labelvalue.model.pointwise import CELL, pointwise_loglikelihood

FACTORS = (0.5, 2.0)
NOISIER = 0.5
"""Power of the likelihood under which noise counts as doubled."""
MOST = 12
"""Slices, replicates or batches that are left out in turn, those with most runs first."""
MATTERS = 0.01
"""Share of the expected net benefit that keeping the plan must cost for the advice to count as another."""
TABLE = ["change", "what", "best", "loss", "enb", names.PARETO_K, EFFECTIVE_DRAWS, "changes", "advice"]


def decision_stability(fit: Fit, case: Case, plan: Plan, *, refit: bool = False) -> pd.DataFrame:
    """Perturb data and priors, and see whether another plan would be best; doing nothing where the plan is worth less.

    Left out are each slice's runs, each replicate's and each batch's; priors are raised to the powers 0.5 and 2; noise
    is doubled. The draws are re-weighted by what was left out, each cell by its density given the others, and Pareto k
    says where that cannot be relied on.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case.
    plan : Plan
        From :func:`labelvalue.decide.allocate`.
    refit : bool
        Fit again where re-weighting cannot be relied on and runs were left out of slices that keep some: minutes
        instead of seconds.

    Returns
    -------
    pandas.DataFrame
        One row a perturbation: ``change`` (``without slice``, ``without replicate``, ``without batch``, ``priors``,
        ``noise``), ``what``; ``best`` plan then, ``loss``, what keeping the plan would cost in expected net benefit,
        and its own ``enb``; ``pareto_k``, ``effective_draws``; ``changes``, whether that loss is more than Monte Carlo
        error and one percent; ``advice``: ``re-fit instead`` where the row cannot be relied on. Attributes: ``index``,
        the share of reliable rows in which the advice changes (NaN where there is none), ``reliable``, how many of how
        many rows.

    Raises
    ------
    InputError
        If the case does not belong to the fit.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto smoothed importance sampling", JMLR 25.

    Examples
    --------
    >>> from labelvalue.decide import allocate
    >>> from labelvalue.testing import fake_fit
    >>> fit, case = fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> table = decision_stability(fit, case, allocate(fit, case, max_labels=900))
    >>> bool(0 <= table.attrs["index"] <= 1)
    True
    """
    plans = alternatives(case, plan)
    net = plan_outcomes(fit, case, plans, interventions=plan.interventions)[names.NET_BENEFIT]
    bought = names.RECOMMENDED in plans and float(plan.advantage().mean()) > 0
    kept = names.RECOMMENDED if bought else names.NOTHING
    rows = []
    for change, what, ratios, left in _perturbations(fit):
        log_weights = importance_weights(ratios)
        reliable = bool(log_weights.attrs["reliable"])
        at = {names.DRAW: net[names.DRAW].isin(ratios[names.DRAW])}
        weighted = net.isel(at).weighted(log_weights.copy(data=np.exp(log_weights.values)))
        mean, advice = weighted.mean(names.SAMPLE), "" if reliable else REFIT
        if not reliable and refit and left is not None:
            again = fit_again(fit.runs.isel({names.RUN: ~left}), fit.model, random_seed=_seed(fit), progress=False)
            mean, advice = plan_outcomes(again, case, plans)[names.NET_BENEFIT].mean(names.SAMPLE), "re-fitted"
        best = best_of(mean)
        loss = float(mean.sel({names.PLAN: best}) - mean.sel({names.PLAN: kept}))
        apart = net.sel({names.PLAN: best}) - net.sel({names.PLAN: kept})
        matters = max(2.0 * standard_error(apart), MATTERS * abs(float(mean.sel({names.PLAN: kept}))))
        own = float(mean.sel({names.PLAN: kept}) - mean.sel({names.PLAN: names.NOTHING}))
        figures = (log_weights.attrs[names.PARETO_K], log_weights.attrs[EFFECTIVE_DRAWS])
        rows.append((change, what, best, loss, own, *figures, bool(loss > matters), advice))
    table = pd.DataFrame(rows, columns=TABLE)
    trusted = table[table["advice"] != REFIT]
    index = float(trusted["changes"].mean()) if len(trusted) else float("nan")
    table.attrs = {"index": index, "reliable": [len(trusted), len(table)]}
    return table


def _seed(fit: Fit) -> int:
    return int(fit.settings["random_seed"])


def _perturbations(fit: Fit) -> Iterator[tuple[str, str, xr.DataArray, np.ndarray | None]]:
    """What is changed, log ratios of the posterior that follows, and the runs that are left out."""
    for group in prior_groups(fit):
        for factor in FACTORS:
            yield "priors", f"{group} to the power {factor:g}", scaled_priors(fit, group, factor), None
    pointwise = pointwise_loglikelihood(fit)["log_likelihood"].to_dataset()["log_error"]
    yield "noise", "doubled", (NOISIER - 1.0) * pointwise.sum(CELL).reset_coords(drop=True), None
    for column in (names.SLICE, names.REPLICATE, names.BATCH):
        values = fit.runs[column].values.astype(str)
        found, counts = np.unique(values, return_counts=True)
        if found.size < 2:
            continue
        for name in found[np.argsort(-counts, kind="stable")][:MOST]:
            left = values == name
            share = share_of_cells(fit.runs, pointwise, left)
            ratios = -(pointwise * share).sum(CELL).reset_coords(drop=True)
            whole = column == names.SLICE  # a fit without a slice cannot say what to buy for it
            yield f"without {column}", str(name), ratios, None if whole else left
