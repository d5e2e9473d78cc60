"""Which rules of the case a plan keeps, with what probability, and by how much."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.checks import Checks
from labelvalue.decide.case import Case
from labelvalue.decide.evaluating import evaluation_missing
from labelvalue.decide.guardrails import SliceLimit
from labelvalue.decide.value import volumes
from labelvalue.model import Fit

THOUSAND = 1000
FLOOR, LARGEST_GAP, MAXIMUM_BUDGET, MINIMUM_GAIN = "floor", "largest gap", "maximum budget", "minimum gain"
DEADLINE = "deadline"
MINIMUM_EVALUATION = "minimum evaluation labels"
MINIMUM_LABELS, MAXIMUM_LABELS = "minimum labels", "maximum labels"
KEPT, HOLDS, SLACK, REACHED, REQUIRED, REASON = "kept", "p_kept", "slack", "reached", "required", "reason"


@dataclasses.dataclass(frozen=True)
class _Rule:
    """A rule as draws: ``amount`` must be at most ``limit`` (at least, where ``sign`` is −1)."""

    rule: str
    amount: xr.DataArray
    limit: float
    required: float
    reason: str
    slice: str = ""
    sign: float = 1.0


def check_guardrails(fit: Fit, case: Case, outcomes: xr.Dataset) -> pd.DataFrame:
    """Hold plans against every rule of the case; floors and gaps by errors in the population.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Its guardrails, and its limits on labels.
    outcomes : xarray.Dataset
        From :func:`labelvalue.decide.plan_outcomes` with the same case.

    Returns
    -------
    pandas.DataFrame
        One row a plan and rule: ``plan``, ``rule``, ``slice`` (empty where all are meant), ``limit``; ``p_kept``, the
        probability that the plan keeps it, with Monte Carlo error ``mcse``, and ``required``; ``reached``, the level
        that the plan does keep with the required probability, and ``slack``, how far it lies on the right side of the
        limit (negative: on the wrong one); ``kept``, whether ``p_kept`` is at least ``required``; ``reason``. The gain
        a thousand labels is that of the error averaged over slices by volume, and no rule for plans without labels.

    Examples
    --------
    >>> from labelvalue.decide import Case, plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400},
    ...             guardrails={"maximum_budget": {"limit": 40}})
    >>> fit = fake_fit(seed=1)
    >>> check_guardrails(fit, case, plan_outcomes(fit, case, {"west": {"west": 500}}))["kept"].tolist()
    [True, False]
    """
    rows = [row for rule in _rules(fit, case, outcomes) for row in _rows(rule)]
    columns = [names.PLAN, "rule", names.SLICE, "limit", HOLDS, names.MCSE, REQUIRED, REACHED, SLACK, KEPT, REASON]
    table = pd.DataFrame(rows, columns=columns)
    table.attrs = dict(outcomes.attrs)
    return table


def all_kept(fit: Fit, case: Case, outcomes: xr.Dataset) -> xr.DataArray | None:
    """Say draw by draw whether plans keep every rule of the case at once.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Its guardrails, and its limits on labels.
    outcomes : xarray.Dataset
        From :func:`labelvalue.decide.plan_outcomes` with the same case.

    Returns
    -------
    xarray.DataArray or None
        Dims plan, and chain and draw where anything is uncertain; ``None`` where the case has no rule. A rule on the
        gain of a thousand labels is none for plans without labels.

    Examples
    --------
    >>> from labelvalue.decide import Case, plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400},
    ...             guardrails={"maximum_budget": {"limit": 40}})
    >>> fit = fake_fit(seed=1)
    >>> all_kept(fit, case, plan_outcomes(fit, case, {"west": {"west": 500}})).mean(("chain", "draw")).values.tolist()
    [1.0, 0.0]
    """
    every = None
    for rule in _rules(fit, case, outcomes):
        kept = rule.sign * rule.amount <= rule.sign * rule.limit
        kept = kept.reindex({names.PLAN: outcomes[names.PLAN]}, fill_value=True).reset_coords(drop=True)
        every = kept if every is None else every & kept
    return every


def _rules(fit: Fit, case: Case, outcomes: xr.Dataset) -> Iterator[_Rule]:
    rails, error = case.guardrails, outcomes[names.ERROR]
    for floor in rails.floors:
        own = error.sel({names.SLICE: floor.slice}, drop=True)
        yield _Rule(FLOOR, own, floor.error, floor.probability, floor.reason, floor.slice)
    if (rule := rails.largest_gap) is not None:
        gap = error.max(names.SLICE) - error.min(names.SLICE)
        yield _Rule(LARGEST_GAP, gap, rule.limit, rule.probability, rule.reason)
    if (rule := rails.maximum_budget) is not None:
        yield _Rule(MAXIMUM_BUDGET, outcomes[names.COST], rule.limit, rule.probability, rule.reason)
    if (rule := rails.deadline) is not None:
        yield _Rule(DEADLINE, outcomes[names.DAYS], rule.limit, rule.probability, rule.reason)
    if (rule := rails.minimum_gain) is not None:
        labels = outcomes[names.LABELS].sum(names.SLICE)
        gain = (outcomes[names.GAIN] * volumes(fit, case.value)).sum(names.SLICE)
        per_thousand = (gain / labels * THOUSAND).sel({names.PLAN: labels > 0})
        yield _Rule(MINIMUM_GAIN, per_thousand, rule.limit, rule.probability, rule.reason, sign=-1.0)
    for name, (have, _) in evaluation_missing(fit, case).items():
        limit = case.slices[name]
        amount = have + outcomes[names.EVALUATION_LABELS].sel({names.SLICE: name}, drop=True)
        yield _Rule(MINIMUM_EVALUATION, amount, limit.minimum_evaluation, 1.0, limit.reason, name, sign=-1.0)
    for name, limit in case.slices.items():
        yield from _label_rules(name, limit, outcomes[names.LABELS].sel({names.SLICE: name}, drop=True))


def _label_rules(name: str, limit: SliceLimit, labels: xr.DataArray) -> Iterator[_Rule]:
    """Rules on whole labels, which nothing makes uncertain."""
    if limit.minimum:
        yield _Rule(MINIMUM_LABELS, labels, limit.minimum, 1.0, limit.reason, name, sign=-1.0)
    if math.isfinite(limit.most):
        yield _Rule(MAXIMUM_LABELS, labels, limit.most, 1.0, limit.reason, name)


def _rows(rule: _Rule) -> Iterator[dict[str, Any]]:
    import arviz_stats as azs

    amount = rule.sign * rule.amount
    for plan in amount[names.PLAN].values:
        own = amount.sel({names.PLAN: plan}, drop=True)
        kept = (own <= rule.sign * rule.limit).astype(float)
        sampled = set(names.SAMPLE) <= set(own.dims)
        # The smallest level that holds with the required probability in the draws themselves, none between two draws.
        level = float(own.quantile(rule.required, method="higher"))
        yield {
            names.PLAN: plan,
            "rule": rule.rule,
            names.SLICE: rule.slice,
            "limit": rule.limit,
            HOLDS: float(kept.mean()),
            names.MCSE: float(azs.mcse(kept, method="mean")) if sampled else 0.0,
            REQUIRED: rule.required,
            REACHED: rule.sign * level,
            SLACK: rule.sign * rule.limit - level,
            KEPT: bool(kept.mean() >= rule.required),
            REASON: rule.reason,
        }


@dataclasses.dataclass(frozen=True)
class Reserve:
    """Money held back so that a plan's cost is rarely more than what is set aside.

    Parameters
    ----------
    plan : str
        The plan.
    expected : float
        Its expected cost.
    reserve : float
        Money to hold back beside it, ≥ 0.
    p_overrun : float
        Probability that the cost is more than both together.
    mcse : float
        Monte Carlo standard error of the reserve.

    Examples
    --------
    >>> Reserve("west", expected=1000.0, reserve=250.0, p_overrun=0.1, mcse=3.0).share
    0.2
    """

    plan: str
    expected: float
    reserve: float
    p_overrun: float
    mcse: float

    @property
    def share(self) -> float:
        """Reserve as a share of all the money set aside; 0 where none is."""
        total = self.expected + self.reserve
        return self.reserve / total if total > 0 else 0.0


def size_reserve(outcomes: xr.Dataset, plan: str, *, p_overrun: float = 0.1) -> Reserve:
    """Size the reserve for rework, cleaning and audits by the probability of an overrun.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.decide.plan_outcomes`.
    plan : str
        The plan.
    p_overrun : float
        Probability with which the cost may be more than what is set aside, 0 < p < 1.

    Returns
    -------
    Reserve
        The smallest that keeps to it in the draws.

    Raises
    ------
    InputError
        If there is no such plan, or the probability is none.

    Examples
    --------
    >>> from labelvalue.decide import Case, plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": {"low": 0.1, "high": 0.4}}, value={"per_error_point": 400})
    >>> outcomes = plan_outcomes(fake_fit(seed=1), case, {"west": {"west": 500}})
    >>> size_reserve(outcomes, "west", p_overrun=0.05).p_overrun
    0.05
    """
    import arviz_stats as azs

    checks = Checks()
    checks.share("p_overrun", p_overrun)
    checks.text(names.PLAN, plan, outcomes[names.PLAN].values.astype(str).tolist())
    checks.finish()
    cost = outcomes[names.COST].sel({names.PLAN: plan}, drop=True)
    expected = float(cost.mean())
    needed = float(np.quantile(cost.values, 1.0 - p_overrun, method="inverted_cdf"))
    reserve = max(needed - expected, 0.0)
    overrun = float((cost > expected + reserve).mean())
    return Reserve(plan, expected, reserve, overrun, float(azs.mcse(cost, method="quantile", prob=1.0 - p_overrun)))
