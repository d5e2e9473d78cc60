"""How often the advice would be another, were the data or the priors a little different."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision, standard_error
from labelvalue.decisions.outcomes.benefit import plan_outcomes
from labelvalue.decisions.outcomes.uncertain import FACTORS, counted
from labelvalue.decisions.search.alternatives import alternatives, best_of
from labelvalue.forecast.gains.prior_sensitivity import (
    EFFECTIVE_DRAWS,
    REFIT,
    Change,
    changed_draws,
    prior_groups,
    scaled_priors,
)
from labelvalue.model.fitting.again import LEFT_OUT
from labelvalue.model.fitting.arviz_tree import pointwise_loglikelihood
from labelvalue.model.fitting.result import Fit

NOISIER = 0.5  # power of the likelihood under which noise counts as doubled
MOST = 12  # slices, replicates or batches that are left out in turn, those with most runs first
LEFT = (names.SLICE, names.REPLICATE, names.BATCH)  # what is left out in turn
MATTERS = 0.01  # share of the expected net benefit that keeping the plan must cost for the advice to count as another
TABLE = ["change", "what", "best", "loss", "enb", names.PARETO_K, EFFECTIVE_DRAWS, "changes", "advice"]


def decision_stability(plan: Decision, *, refit: bool = True) -> pd.DataFrame:
    """Perturb data and priors, and see whether another plan would be best; doing nothing where the plan is worth less.

    Left out are each slice's runs, each replicate's and each batch's; priors are raised to the powers 0.5 and 2; noise
    is doubled. The draws are re-weighted by what was left out, each cell by its density given the others; where Pareto
    k says that this cannot be relied on, the runs are fitted again.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decide`.
    refit : bool
        Whether to fit again where re-weighting cannot be relied on, which takes seconds each.

    Returns
    -------
    pandas.DataFrame
        One row a perturbation: ``change`` (``without slice``, ``without replicate``, ``without batch``, ``priors``,
        ``noise``), ``what``; ``best`` plan then, ``loss``, what keeping the plan would cost in expected net benefit,
        and its own ``enb``; ``pareto_k``, ``effective_draws``; ``changes``, whether that loss is more than Monte Carlo
        error and one percent; ``advice``: ``fitted again``, or ``re-fit instead`` where the row cannot be relied on and
        nothing was fitted, or that fit was refused. Attributes: ``index``, the share of reliable rows in which the
        advice changes (NaN where there is none), ``reliable``, how many of how many rows, ``left_out``, how many
        slices, replicates and batches beyond the first twelve of each stayed in.

    Raises
    ------
    InputError
        If the case does not belong to the fit.

    References
    ----------
    Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto smoothed importance sampling", JMLR 25.

    Examples
    --------
    >>> from labelvalue import Case, decide
    >>> from labelvalue.testing import fake_fit
    >>> fit, case = fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> table = decision_stability(decide(fit, case, max_labels=900, measure=False))
    >>> bool(0 <= table.attrs["index"] <= 1)
    True
    """
    fit = plan.fit
    plans = alternatives(plan)

    def again(made: Fit) -> xr.DataArray:
        return plan_outcomes(made, plan.case, plans, interventions=plan.interventions)[names.NET_BENEFIT]

    net = again(fit)
    bought = names.RECOMMENDED in plans and float(plan.advantage().mean()) > 0
    kept = names.RECOMMENDED if bought else names.NOTHING
    rows = []
    for what, name, change in _perturbations(fit):
        found, log_weights, advice = changed_draws(fit, change, net, again, refit=refit)
        mean = found.weighted(log_weights.copy(data=np.exp(log_weights.values))).mean(names.SAMPLE)
        best = best_of(mean)
        loss = float(mean.sel({names.PLAN: best}) - mean.sel({names.PLAN: kept}))
        apart = found.sel({names.PLAN: best}) - found.sel({names.PLAN: kept})
        matters = max(2.0 * standard_error(apart), MATTERS * abs(float(mean.sel({names.PLAN: kept}))))
        own = float(mean.sel({names.PLAN: kept}) - mean.sel({names.PLAN: names.NOTHING}))
        figures = (log_weights.attrs[names.PARETO_K], log_weights.attrs[EFFECTIVE_DRAWS])
        rows.append((what, name, best, loss, own, *figures, bool(loss > matters), advice))
    table = pd.DataFrame(rows, columns=TABLE)
    more = sum(max(np.unique(fit.runs[column].values.astype(str)).size - MOST, 0) for column in LEFT)
    trusted = table[table["advice"] != REFIT]
    index = float(trusted["changes"].mean()) if len(trusted) else float("nan")
    table.attrs = {"index": index, "reliable": [len(trusted), len(table)], "left_out": more}
    return table


def _perturbations(fit: Fit) -> Iterator[tuple[str, str, Change]]:
    """What is changed, and the posterior that follows."""
    for group in prior_groups(fit):
        for factor in FACTORS:
            yield "priors", f"{group} to the power {factor:g}", scaled_priors(fit, group, factor)
    pointwise = pointwise_loglikelihood(fit)["log_likelihood"].to_dataset()["log_error"]
    yield "noise", "doubled", counted(fit, pointwise, np.full(fit.runs.sizes[names.RUN], NOISIER))
    for column in LEFT:
        values = fit.runs[column].values.astype(str)
        found, counts = np.unique(values, return_counts=True)
        if found.size < 2:
            continue
        for name in found[np.argsort(-counts, kind="stable")][:MOST]:
            yield f"without {column}", str(name), counted(fit, pointwise, np.where(values == name, LEFT_OUT, 1.0))
