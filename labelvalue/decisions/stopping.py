"""How often a rule on the gain stops what it should not: counted over worlds whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.checks import Checks
from labelvalue.decisions.benefit import plan_outcomes
from labelvalue.decisions.decision import Decision
from labelvalue.decisions.milestones import observed_error, part_of
from labelvalue.decisions.rules import THOUSAND, state_of
from labelvalue.decisions.value import volumes
from labelvalue.decisions.voi import as_columns, conditional_mean
from labelvalue.problems import InputError


def rule_errors(chance: np.ndarray, kept: np.ndarray, probability: float) -> dict[str, float]:
    """Count how often a rule errs that stops where its opposite is as sure as it was asked to hold, over known worlds.

    Parameters
    ----------
    chance : array of float, shape (world,)
        P(kept) as it was stated in each world, 0 to 1.
    kept : array of bool, shape (world,)
        Whether it was kept in truth.
    probability : float
        Probability that the rule asks for, 0 < probability < 1.

    Returns
    -------
    dict of str to float
        ``stops``, the share of worlds in which the rule stops (P(kept) at most one minus the probability), and
        ``undecided``, in which it neither stops nor passes; ``false_stop``, the share that stops among worlds in which
        the rule is kept in truth, and ``false_go``, the share that passes among those in which it is not (NaN where
        there are no such worlds), each with its standard error ``…_error``; ``worlds``.

    Raises
    ------
    InputError
        If the probability is none, or the arrays differ in length or are empty.

    Examples
    --------
    >>> found = rule_errors(np.array([0.95, 0.6, 0.2, 0.2]), np.array([True, True, True, False]), 0.7)
    >>> found["stops"], found["undecided"], round(found["false_stop"], 3), found["false_go"]
    (0.5, 0.25, 0.333, 0.0)
    """
    chance, kept = np.asarray(chance, dtype=float), np.asarray(kept, dtype=bool)
    checks = Checks()
    checks.share("probability", probability)
    if chance.shape != kept.shape or chance.ndim != 1 or chance.size == 0:
        why = f"shapes {chance.shape} and {kept.shape}"
        checks.wrong("chance", why, "give one probability and one truth for each of at least one world")
    checks.finish()
    states = np.array([state_of(one, probability) for one in chance])
    stops, passes = states == names.STOP, states == names.PASS
    made = {"stops": float(stops.mean()), "undecided": float((~stops & ~passes).mean()), "worlds": float(kept.size)}
    for name, wrong, among in (("false_stop", stops, kept), ("false_go", passes, ~kept)):
        count = int(among.sum())
        share = float(wrong[among].mean()) if count else np.nan
        made |= {name: share, f"{name}_error": float(np.sqrt(share * (1.0 - share) / count)) if count else np.nan}
    return made


def guardrail_errors(plan: Decision, *, steps: int = 4) -> pd.DataFrame:
    """Say how often the rule of a minimum gain would stop in error, asked today and after each batch but the last.

    Each posterior draw is a world with a known gain. In it, a batch is bought and its mean error measured once, with
    noise; what the rule then states is the regression, over all draws, of the gain being high enough on what is seen.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decisions.decide`; it must buy something, whatever its verdict, and its case have
        ``guardrails.minimum_gain``.
    steps : int
        Batches into which the plan is cut, ≥ 2.

    Returns
    -------
    pandas.DataFrame
        One row a moment: ``step`` (0 is today) and ``labels`` bought until then; ``stops``, ``undecided``,
        ``false_stop``, ``false_go`` with their standard errors, and ``worlds``, as :func:`rule_errors` counts them.
        Attributes: ``limit`` and ``probability`` of the rule, ``chance``, P(it is kept).

    Raises
    ------
    InputError
        If the case has no such rule, the plan buys nothing, or ``steps`` is out of range.

    Examples
    --------
    >>> from labelvalue.decisions import Case, decide
    >>> from labelvalue.testing import fake_fit
    >>> rule = {"minimum_gain": {"limit": 0.003, "probability": 0.7}}
    >>> case = Case(costs={"price_per_label": 0.01}, value={"per_error_point": 400}, guardrails=rule)
    >>> fit = fake_fit(seed=1)
    >>> guardrail_errors(decide(fit, case, max_labels=2000, measure=False), steps=2)["labels"].tolist()
    [0, 1000]
    """
    fit, case = plan.fit, plan.case
    checks = Checks()
    checks.whole("steps", steps, least=2)
    if plan.total < steps:
        checks.wrong("plan", f"buys {plan.total} labels, too few to cut", "the rule is for plans that buy")
    rule = case.guardrails.minimum_gain
    if rule is None:
        checks.wrong("guardrails.minimum_gain", "the case has no such rule", "state limit and probability")
        raise InputError(checks.problems)
    checks.finish()
    every = {str(step): part_of(plan, step / steps) for step in range(1, steps + 1)}
    outcomes = plan_outcomes(fit, case, every, interventions=plan.interventions)
    shares = volumes(fit, case.value)
    gain = (outcomes[names.GAIN].sel({names.PLAN: str(steps)}) * shares).sum(names.SLICE)
    kept = as_columns((gain / plan.total * THOUSAND >= rule.limit).transpose(*names.SAMPLE))
    rows = [{"step": 0, names.LABELS: 0, **rule_errors(np.full(kept.size, kept.mean()), kept[:, 0], rule.probability)}]
    for step in range(1, steps):
        error = outcomes[names.ERROR].sel({names.PLAN: str(step)})
        seen = as_columns(observed_error(fit, case, error, shares, step).transpose(*names.SAMPLE))
        chance = np.clip(conditional_mean(kept.astype(float), seen)[:, 0], 0.0, 1.0)
        bought = sum(every[str(step)].values())
        rows.append({"step": step, names.LABELS: bought, **rule_errors(chance, kept[:, 0], rule.probability)})
    table = pd.DataFrame(rows)
    table.attrs = {"limit": rule.limit, names.PROBABILITY: rule.probability, "chance": float(kept.mean())}
    return table
