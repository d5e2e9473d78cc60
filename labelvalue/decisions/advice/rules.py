"""The rules of a case, one table: what each holds against which limit, with what probability, and how it stands."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.guardrails import ROWS, Rule
from labelvalue.decisions.case.value import volumes
from labelvalue.decisions.outcomes.errors import evaluation_missing, labels_today, of_leader
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS
from labelvalue.forecast.gains.gains import predict_observed_gain
from labelvalue.model.fitting.result import Fit

FLOOR, LARGEST_GAP, MAXIMUM_BUDGET, MINIMUM_GAIN = "floor", "largest gap", "maximum budget", "minimum gain"
DEADLINE = "deadline"
MAXIMUM_SPEND, LABELS_IN_ALL = "maximum spend", "labels in all"
MINIMUM_EVALUATION = "minimum evaluation labels"
MINIMUM_LABELS, MAXIMUM_LABELS = "minimum labels", "maximum labels"
MINIMUM_CLASS = "minimum labels of a class"
RULE, WORDS, KEPT, HOLDS, SLACK, REACHED = "rule", "words", "kept", "p_kept", "slack", "reached"
REQUIRED, STATE, REASON = "required", "state", "reason"
TO_DECIDE = "labels_to_decide"
LADDER = 6  # numbers of labels that are tried for what would decide a rule, each twice the one before
SMALLEST = 1 / 8  # the first of them, as a share of what a slice has on average
EDGE = 1e-9  # share of a limit by which rounding may miss it
EXACT = 1e-12  # part of a probability by which rounding may miss what is asked for


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """A rule as draws: ``amount`` must be at most ``limit`` (at least, where ``sign`` is −1)."""

    amount: xr.DataArray
    limit: float
    words: str
    required: float = 1.0
    reason: str = ""
    slice: str = ""
    sign: float = 1.0

    def kept(self) -> xr.DataArray:
        """Draws, plan by plan, in which the rule is kept."""
        return self.sign * self.amount <= self.sign * self.limit + EDGE * abs(self.limit)


def _floors(fit: Fit, case: Case, outcomes: xr.Dataset) -> Iterator[Held]:
    for floor in case.guardrails.floors:
        yield Held(
            amount=outcomes[names.ERROR].sel({names.SLICE: floor.slice}, drop=True),
            limit=floor.error,
            words=f"error of {floor.slice} ≤ {floor.error:g}",
            required=floor.probability,
            reason=floor.reason,
            slice=floor.slice,
        )


def _assured(case: Case, rule: Rule) -> float:
    """Probability with which a limit on money must be kept: its own, or that of the reserve where it is more."""
    overrun = case.guardrails.overrun
    return rule.probability if overrun is None else max(rule.probability, round(1.0 - overrun, 9))


def _limit(row: dataclasses.Field, fit: Fit, case: Case, outcomes: xr.Dataset) -> Iterator[Held]:
    if (rule := getattr(case.guardrails, row.name)) is not None:
        amount = row.metadata["amount"]
        yield Held(
            amount=outcomes[amount] if isinstance(amount, str) else amount(outcomes, volumes(fit, case.value)),
            limit=rule.limit,
            words=row.metadata["words"].format(rule.limit),
            required=_assured(case, rule) if amount == names.COST else rule.probability,
            reason=rule.reason,
            sign=row.metadata["sign"],
        )


def _spend(fit: Fit, case: Case, outcomes: xr.Dataset) -> Iterator[Held]:
    """Money of all batches: what a plan costs, against what is left."""
    if (rule := case.guardrails.maximum_spend) is not None:
        gone = f", of which {rule.spent:,.10g} is spent" if rule.spent else ""
        words = f"cost of all batches ≤ {rule.limit:,.10g}{gone}"
        required = _assured(case, rule)
        yield Held(amount=outcomes[names.COST], limit=rule.left, words=words, required=required, reason=rule.reason)


def _in_all(fit: Fit, case: Case, outcomes: xr.Dataset) -> Iterator[Held]:
    if (most := case.guardrails.labels_in_all) is not None:
        amount = outcomes[names.LABELS].sum(names.SLICE) + labels_today(fit)
        yield Held(amount=amount, limit=most, words=f"labels in all ≤ {most:,}")


def _evaluation(fit: Fit, case: Case, outcomes: xr.Dataset) -> Iterator[Held]:
    """Evaluation labels, of plans that do anything."""
    acts = (outcomes[names.LABELS] + outcomes[names.EVALUATION_LABELS]).sum(names.SLICE) > 0
    for name, (have, _) in evaluation_missing(fit, case).items():
        limit = case.slices[name]
        amount = have + outcomes[names.EVALUATION_LABELS].sel({names.SLICE: name, names.PLAN: acts}, drop=True)
        words = f"evaluation labels of {name} ≥ {limit.minimum_evaluation:,}"
        yield Held(
            amount=amount, limit=limit.minimum_evaluation, words=words, reason=limit.reason, slice=name, sign=-1.0
        )


def _fewest(fit: Fit, case: Case, outcomes: xr.Dataset) -> Iterator[Held]:
    for name, limit in case.slices.items():
        if limit.minimum:
            amount = outcomes[names.LABELS].sel({names.SLICE: name}, drop=True)
            words = f"labels of {name} ≥ {limit.minimum:,}"
            yield Held(amount=amount, limit=limit.minimum, words=words, reason=limit.reason, slice=name, sign=-1.0)


def _of_class(fit: Fit, case: Case, outcomes: xr.Dataset) -> Iterator[Held]:
    for name, one in case.classes.items():
        if one.minimum:
            amount = outcomes[names.LABELS].sel({names.SLICE: list(one.slices)}).sum(names.SLICE)
            words = f"labels of class {name} ≥ {one.minimum:,}"
            yield Held(amount=amount, limit=one.minimum, words=words, reason=one.reason, slice=name, sign=-1.0)


def _most(fit: Fit, case: Case, outcomes: xr.Dataset) -> Iterator[Held]:
    for name, limit in case.slices.items():
        if math.isfinite(limit.most):
            amount = outcomes[names.LABELS].sel({names.SLICE: name}, drop=True)
            words = f"labels of {name} ≤ {limit.most:,.0f}"
            yield Held(amount=amount, limit=limit.most, words=words, reason=limit.reason, slice=name)


RULES: Mapping[str, Callable[[Fit, Case, xr.Dataset], Iterator[Held]]] = {
    FLOOR: _floors,
    **{kind: partial(_limit, row) for kind, row in ROWS.items()},
    MAXIMUM_SPEND: _spend,
    LABELS_IN_ALL: _in_all,
    MINIMUM_EVALUATION: _evaluation,
    MINIMUM_LABELS: _fewest,
    MAXIMUM_LABELS: _most,
    MINIMUM_CLASS: _of_class,
}  # every kind of rule: from a case and outcomes of plans to what it holds against its limit


def state_of(probability: float, required: float) -> str:
    """Say how a rule stands that must hold with a probability."""
    if probability >= required - EXACT:
        return names.PASS
    return names.STOP if probability <= 1.0 - required + EXACT or required == 1.0 else names.INCONCLUSIVE


def check_guardrails(fit: Fit, case: Case, outcomes: xr.Dataset) -> pd.DataFrame:
    """Hold plans against every rule of the case; floors and gaps by errors in the population.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Its guardrails, and its limits on labels.
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes` with the same case.

    Returns
    -------
    pandas.DataFrame
        One row a plan and rule: ``plan``, ``rule``, ``slice`` (empty where all are meant, a class where one is),
        ``words``, ``limit``; ``p_kept``, the probability that the plan keeps it, with Monte Carlo error ``mcse``, and
        ``required``; ``reached``, the level that the plan does keep with the required probability, and ``slack``, how
        far it lies on the right side of the limit (negative: on the wrong one); ``kept``, whether ``p_kept`` is at
        least ``required``, and ``state`` (``PASS``, ``STOP``, ``INCONCLUSIVE``); ``reason``. The gain a thousand labels
        is that of the error averaged over slices by volume, and no rule for plans without labels.

    Examples
    --------
    >>> from labelvalue import Case
    >>> from labelvalue.plans import plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400},
    ...             guardrails={"maximum_budget": {"limit": 40}})
    >>> fit = fake_fit(seed=1)
    >>> check_guardrails(fit, case, plan_outcomes(fit, case, {"west": {"west": 500}}))["state"].tolist()
    ['PASS', 'STOP']
    """
    return rules_held(fit, case, outcomes, RULES)


def rules_held(fit: Fit, case: Case, outcomes: xr.Dataset, kinds: Iterable[str]) -> pd.DataFrame:
    """Hold plans against the rules of some kinds: the table of :func:`check_guardrails`."""
    rows = [row for kind in kinds for rule in RULES[kind](fit, case, outcomes) for row in _rows(kind, rule)]
    columns = [names.PLAN, RULE, names.SLICE, WORDS, "limit", HOLDS, names.MCSE]
    table = pd.DataFrame(rows, columns=[*columns, REQUIRED, REACHED, SLACK, KEPT, STATE, REASON])
    table.attrs = dict(outcomes.attrs)
    return table.astype({KEPT: bool})


def rules_of(fit: Fit, case: Case, outcomes: xr.Dataset, plan: str = names.RECOMMENDED) -> pd.DataFrame:
    """Return the table of :func:`check_guardrails` for one plan, without its name."""
    table = check_guardrails(fit, case, outcomes.sel({names.PLAN: [plan]}))
    return table.drop(columns=names.PLAN)


def keeps_rules(fit: Fit, case: Case, outcomes: xr.Dataset, plan: str) -> bool:
    """Say whether one plan keeps every rule with the probability asked for; the table's answer without the table."""
    own = outcomes.sel({names.PLAN: [plan]})
    drawn = ((rule.kept().values, rule.required) for held in RULES.values() for rule in held(fit, case, own))
    return all(not kept.size or float(kept.mean()) >= required - EXACT for kept, required in drawn)


def all_kept(fit: Fit, case: Case, outcomes: xr.Dataset) -> xr.DataArray | None:
    """Say draw by draw whether plans keep every rule of the case at once."""
    every = None
    for held in RULES.values():
        for rule in held(fit, case, outcomes):
            kept = rule.kept().reindex({names.PLAN: outcomes[names.PLAN]}, fill_value=True).reset_coords(drop=True)
            every = kept if every is None else every & kept
    return every


def _rows(kind: str, rule: Held) -> Iterator[dict[str, Any]]:
    plans, kept = rule.amount[names.PLAN].values, rule.kept()
    if not plans.size:
        return
    amount, holds = (
        each.transpose(names.PLAN, ...).values.reshape(plans.size, -1)
        for each in (rule.sign * rule.amount, kept.astype(float))
    )
    # The smallest level that holds with the required probability in the draws themselves, none between two draws.
    levels = np.quantile(amount, rule.required, axis=1, method="higher")
    drawn = set(names.SAMPLE) <= set(kept.dims)
    for plan, own, level in zip(plans, holds, map(float, levels), strict=True):
        share = float(own.mean())
        yield {
            names.PLAN: plan,
            RULE: kind,
            names.SLICE: rule.slice,
            WORDS: rule.words,
            "limit": rule.limit,
            HOLDS: share,
            names.MCSE: float(own.std(ddof=1)) / math.sqrt(own.size) if drawn else 0.0,
            REQUIRED: rule.required,
            REACHED: rule.sign * level,
            SLACK: rule.sign * rule.limit - level,
            KEPT: share >= rule.required - EXACT,
            STATE: state_of(share, rule.required),
            REASON: rule.reason,
        }


def with_labels_to_decide(fit: Fit, case: Case, outcomes: xr.Dataset, rules: pd.DataFrame) -> pd.DataFrame:
    """Add to the rules of the plan the fewest labels of every slice that would decide those that are open.

    Labels that are trained on and measured leave the share 1 - R² of the variance of what a rule holds, R² that of its
    regression on what one training and evaluation of each slice shows; were its mean to stay, the rule would then be
    kept or broken. Nothing for rules that are not open, and where no number within validated reach is enough.
    """
    if (rules[STATE] != names.INCONCLUSIVE).all():
        return rules.assign(**{TO_DECIDE: np.nan})
    own = outcomes.sel({names.PLAN: [names.RECOMMENDED]})
    every = [rule for held in RULES.values() for rule in held(fit, case, own) if rule.amount[names.PLAN].size]
    now, reach = (fit.position[name] for name in (names.LABELS_NOW, names.REFERENCE_LABELS))
    most = float((reach * 2.0**VALIDATED_DOUBLINGS - now).min())
    first = max(round(SMALLEST * labels_today(fit) / fit.slices.size), 1)
    ladder = [first * 2**step for step in range(LADDER) if first * 2**step <= most]
    seen = [] if not ladder else _columns(of_leader(fit, case, predict_observed_gain(fit, ladder)))
    needed = [
        _enough(rule, ladder, seen) if state == names.INCONCLUSIVE else np.nan
        for rule, state in zip(every, rules[STATE], strict=True)
    ]
    return rules.assign(**{TO_DECIDE: needed})


def _columns(seen: xr.DataArray) -> list[np.ndarray]:
    """What is seen at each budget, as arrays of shape (sample, slice), about their means."""
    flat = seen.transpose(names.BUDGET, *names.SAMPLE, names.SLICE).values
    return [part - part.mean(axis=0) for part in flat.reshape(flat.shape[0], -1, flat.shape[-1])]


def _enough(rule: Held, ladder: list[int], seen: list[np.ndarray]) -> float:
    """The fewest labels of a ladder that would decide a rule; missing where none of them would."""
    amount = rule.amount.isel({names.PLAN: 0}).transpose(*names.SAMPLE).values.ravel()
    off, wanted = amount - amount.mean(), NormalDist().inv_cdf(rule.required) * float(amount.std())
    for labels, columns in zip(ladder, seen, strict=True):
        left = off - columns @ np.linalg.lstsq(columns, off, rcond=None)[0]
        free = max(off.size - 1 - columns.shape[1], 1)
        share = min(float(left @ left) / free / (float(off @ off) / (off.size - 1)), 1.0)
        if abs(float(amount.mean()) - rule.limit) >= wanted * math.sqrt(share):
            return float(labels)
    return np.nan
