"""A plan in numbers, once, for the command line and the page."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions import (
    Decision,
    compare_plans,
    conditional_value_at_risk,
    loss_against_nothing,
    rank_stability,
    score_plans,
    size_reserve,
    value_at_risk,
)
from labelvalue.decisions.compare import WEIGHTS
from labelvalue.decisions.decision import BUY, QUALITY, standard_error


def plan_numbers(plan: Decision, *, ci_prob: float = 0.9) -> dict[str, Any]:
    """Collect what is said of a plan.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decisions.decide`.
    ci_prob : float
        Probability of the equal-tailed intervals, 0 < ci_prob < 1.

    Returns
    -------
    dict
        JSON-ready: ``case``, its name; ``verdict`` (the advice), ``reasons``, ``pilot``; ``plan`` (``labels`` by slice,
        ``total``, ``max_labels``); ``gain`` and ``error`` of each slice; ``cost`` with reserve, ``days``,
        ``net_benefit``, ``risk``; ``plans`` side by side, ``state`` and ``rules``, every rule with the probability
        that it is kept; ``weighed``, what else the case offers; ``approvals`` that it needs, ``prices``,
        ``certificate``, ``measurements``, ``target``, ``interventions``, ``notes``, ``unit``, ``ci_prob``, ``ci_kind``.

    Examples
    --------
    >>> from labelvalue.decisions import Case, decide
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> numbers = plan_numbers(decide(fake_fit(seed=1), case, max_labels=900, measure=False))
    >>> numbers["verdict"], numbers["plan"]["total"]
    ('buy', 900)
    """
    case = plan.case
    own = plan.outcomes.sel({names.PLAN: names.RECOMMENDED}, drop=True)
    net, level = plan.advantage(), case.score.level
    loss = loss_against_nothing(plan.outcomes).sel({names.PLAN: names.RECOMMENDED}, drop=True)
    reserve = size_reserve(plan.outcomes, names.RECOMMENDED, p_overrun=case.costs.overrun)
    sides = compare_plans(plan.outcomes, ci_prob=ci_prob)
    buys = plan.verdict.advice in (BUY, QUALITY)
    scores = score_plans(plan.outcomes, case.score).set_index(names.PLAN)
    sides = sides.join(scores[["cvar", "score", "rank", "efficient"]], on=names.PLAN)
    return {
        "case": case.name,
        "verdict": plan.verdict.advice,
        "reasons": list(plan.verdict.reasons),
        "pilot": dict(plan.verdict.pilot),
        "plan": {
            names.LABELS: dict(plan.labels),
            "total": plan.total,
            "max_labels": plan.max_labels,
            names.INTERVENTIONS: list(plan.interventions),
        },
        names.GAIN: records(plan.table(ci_prob)),
        names.COST: spread(own[names.COST], ci_prob)
        | {"reserve": reserve.reserve, "p_overrun": case.costs.overrun, "reserve_mcse": reserve.mcse},
        names.DAYS: spread(own[names.DAYS], ci_prob),
        names.NET_BENEFIT: spread(net, ci_prob)
        | {names.MCSE: standard_error(net), "p_positive": float((net > 0).mean())},
        "risk": {
            names.LEVEL: level,
            names.VALUE_AT_RISK: float(value_at_risk(loss, level)[names.VALUE_AT_RISK]),
            names.CONDITIONAL_VALUE_AT_RISK: float(
                conditional_value_at_risk(loss, level)[names.CONDITIONAL_VALUE_AT_RISK]
            ),
        },
        "plans": records(sides),
        "weights": _by_weight(plan),
        "approvals": [dataclasses.asdict(one) for one in case.approvals_needed(float(own[names.COST].mean())) if buys],
        "state": plan.state,
        "rules": records(plan.rules),
        "weighed": records(plan.weighed),
        "waiting": dict(plan.waiting),
        "trade_off": trade_off(plan),
        "prices": records(plan.prices),
        "certificate": {key: finite(value) for key, value in vars(plan.certificate).items()},
        "measurements": records(plan.measurements),
        names.TARGET: records(plan.target),
        "notes": list(plan.notes),
        names.UNIT: plan.outcomes.attrs[names.UNIT],
        names.CI_PROB: ci_prob,
        names.CI_KIND: "eti",
    }


def _by_weight(plan: Decision) -> list[dict[str, Any]]:
    """The best plan by its score at each weight of the risk, that of the case among them, and where the plan stands."""
    own = plan.case.score.weight
    ranked = rank_stability(plan.outcomes, plan.case.score, tuple(sorted({*WEIGHTS, own})))
    rows = []
    for weight, table in ranked.groupby("weight"):
        place = table.set_index(names.PLAN)["rank"]
        best = next(name for name in (names.RECOMMENDED, *place.index) if place[name] == 1)
        rows.append({"weight": weight, "best": best, "rank": int(place[names.RECOMMENDED]), "own": weight == own})
    return rows


def trade_off(plan: Decision) -> dict[str, dict[str, Any]]:
    """Return the errors of all slices on average, and of the worst, now and with the plan.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decisions.decide`.

    Returns
    -------
    dict
        ``mean`` with ``now`` and ``then`` (slices alike), and ``worst`` with the slice of the highest expected error at
        each, ``slice_now`` and ``slice_then``.

    Examples
    --------
    >>> from labelvalue.decisions import Case, decide
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> found = trade_off(decide(fake_fit(seed=1), case, 900, measure=False))
    >>> found["worst"]["then"] <= found["worst"]["now"]
    True
    """
    error = plan.outcomes[names.ERROR].mean(names.SAMPLE).drop_vars(names.FLAGS, errors="ignore")
    now, then = (error.sel({names.PLAN: name}).to_series() for name in (names.NOTHING, names.RECOMMENDED))
    worst = {"now": float(now.max()), "then": float(then.max()), "slice_now": now.idxmax(), "slice_then": then.idxmax()}
    return {"mean": {"now": float(now.mean()), "then": float(then.mean())}, "worst": worst}


def spread(draws: xr.DataArray, ci_prob: float) -> dict[str, float]:
    """Return mean and equal-tailed interval of draws.

    Parameters
    ----------
    draws : xarray.DataArray
        Dims chain, draw.
    ci_prob : float
        Probability, 0 < ci_prob < 1.

    Returns
    -------
    dict
        ``mean``, ``lower``, ``upper`` in the unit of the draws.

    Examples
    --------
    >>> spread(xr.DataArray([[1.0, 3.0]], dims=("chain", "draw")), 0.9)["mean"]
    2.0
    """
    tails = draws.quantile([0.5 - ci_prob / 2, 0.5 + ci_prob / 2], names.SAMPLE).values
    return {"mean": float(draws.mean()), "lower": float(tails[0]), "upper": float(tails[1])}


def finite(value: Any) -> Any:
    """Return a value as JSON can hold it: a number that is none becomes ``None``.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    object

    Examples
    --------
    >>> finite(float("nan")) is None, finite(2.0)
    (True, 2.0)
    """
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON can hold them.

    Parameters
    ----------
    table : pandas.DataFrame
        Any.

    Returns
    -------
    list of dict

    Examples
    --------
    >>> records(pd.DataFrame({"a": [1.0, float("inf")]}))
    [{'a': 1.0}, {'a': None}]
    """
    return [{str(k): finite(v) for k, v in row.items()} for row in table.to_dict("records")]
