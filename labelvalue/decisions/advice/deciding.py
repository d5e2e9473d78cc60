"""The one place where a decision is made: from a fit and a case to what to buy, and whether, with the verdict."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import (
    BUY,
    MEASURE,
    NO_PLAN,
    QUALITY,
    SURE,
    WAIT,
    Decision,
    Verdict,
    standard_error,
)
from labelvalue.decisions.advice.rules import HOLDS, KEPT, REQUIRED, STATE, TO_DECIDE, WORDS, with_labels_to_decide
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.measuring.information import beside_plan, target_slices
from labelvalue.decisions.measuring.pilots import MEASURED, TRIFLE, price_audits, price_measurements
from labelvalue.decisions.outcomes.errors import evaluation_notes, labels_today
from labelvalue.decisions.outcomes.portfolio import portfolio_notes
from labelvalue.decisions.outcomes.spending import fixed_cost, label_cost, notes_of
from labelvalue.decisions.outcomes.waiting import with_waiting
from labelvalue.decisions.search.allocation import find_plan, no_plan
from labelvalue.decisions.search.cheapest import cheapest_plan
from labelvalue.decisions.search.mixtures import LESS, weigh_interventions
from labelvalue.decisions.search.optimise import NoPlanError
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import MAX_COUNT, counted, estimated, readable
from labelvalue.problems import quote

NEARLY_ALL = 0.98  # share of the labels allowed by default from which a plan may be no larger for want of more


def decide(
    fit: Fit,
    case: Case,
    max_labels: int | None = None,
    *,
    max_spend: float = np.inf,
    lot: int = 1,
    measure: bool = True,
) -> Decision:
    """Decide what to buy: labels slice by slice, what the case offers beside them, nothing yet, or a measurement first.

    Whole labels, at most ``max_labels`` together and within every limit and rule of the case. The plan is valued as a
    whole under the same draws as doing nothing, an equal and a proportional split, and is never worse than they are.
    Interventions of the case are tried with all, part or none of its labels. Evaluation labels that the case asks for
    and that are not there come first: they count among ``max_labels`` and are paid for by any plan, unless an
    intervention brings them. Pilots, evaluation labels and audits are then priced by what they would change.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Costs, value, rules, limits, risk appetite.
    max_labels : int, optional
        Most labels in all, ≥ 0; as many as there are today where it is not given.
    max_spend : float
        Most money, > 0: expected cost and reserve together.
    lot : int
        Labels are bought in multiples of it, ≥ 1.
    measure : bool
        Whether to price waiting and measurements, without which the verdict is never ``measure first``, and to look for
        the cheapest plan where the case has a target.

    Returns
    -------
    Decision
        Labels, outcomes under paired draws, certificate, shadow prices, rules and verdict: ``buy``, ``wait``,
        ``measure first``, ``spend on quality``, or ``no plan`` where nothing keeps every limit, with each that binds
        and the smallest change that frees it.

    Raises
    ------
    InputError
        If the case does not belong to the fit, or an intervention lacks what it needs.
    ValueError
        If a number is not whole or out of range.

    Examples
    --------
    >>> from labelvalue import Case
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, slices={"west": {"minimum": 100}})
    >>> decision = decide(fake_fit(seed=1), case, max_labels=2000)
    >>> decision.labels["west"] >= 100, decision.verdict.advice
    (True, 'buy')
    """
    most = labels_today(fit) if max_labels is None else int(whole_numbers([max_labels], "max_labels")[0][0])
    if isinstance(lot, bool) or not isinstance(lot, (int, np.integer)) or not 1 <= lot <= MAX_COUNT:
        why = f"lot must be a whole number ≥ 1, at most {MAX_COUNT:,}, got {quote(lot)}"
        raise ValueError(f"{why}. Fix: give the labels of a lot, such as 100.")
    if not max_spend > 0:
        raise ValueError(f"max_spend must be > 0, got {max_spend!r}. Fix: give the most money that may be spent.")
    case.check(fit)
    try:
        made = find_plan(fit, case, most, max_spend=max_spend, lot=lot)
    except NoPlanError as error:
        notes = (*notes_of(fit, case.costs, case.learner), *evaluation_notes(fit, case))
        made = no_plan(fit, case, most, error.problems, notes)
        return dataclasses.replace(made, verdict=verdict_of(made))
    if case.interventions or case.scenarios:
        made = weigh_interventions(made)
    made = dataclasses.replace(made, notes=(*made.notes, *portfolio_notes(made)))
    rules = with_labels_to_decide(fit, case, made.outcomes, made.rules)
    made = dataclasses.replace(made, rules=rules)
    if max_labels is None and made.total > NEARLY_ALL * most:
        said = f"at most {most:,} labels were weighed, as many as there are today; max_labels allows others"
        made = dataclasses.replace(made, notes=(*made.notes, said))
    made = dataclasses.replace(made, verdict=verdict_of(made))
    if measure and case.value.target is not None:
        with contextlib.suppress(NoPlanError):
            made = dataclasses.replace(made, cheapest=cheapest_plan(fit, case, max_labels=max_labels))
    return _measured(made) if measure else made


def _measured(made: Decision) -> Decision:
    """Price waiting and what could be measured first, and rank the slices that the next labels are worth most in."""
    found = price_audits(made)
    if made.verdict.advice != QUALITY:  # a pilot does not tell what quality brings, an audit does
        priced = price_measurements(made)
        both = pd.concat([priced, found]) if len(found) else priced
        found = both.sort_values(names.ENBS, ascending=False, kind="stable", ignore_index=True)
        found.attrs = priced.attrs
    labels = max(1, made.total // max(1, made.fit.slices.size)) if made.total else max(1, made.max_labels // 10)
    target = target_slices(made.fit, made.case, labels)
    target.attrs["sentence"] = beside_plan(target, made)
    made = dataclasses.replace(with_waiting(made), measurements=found, target=target)
    verdict = measured_verdict(made)
    return dataclasses.replace(
        made, verdict=dataclasses.replace(verdict, reasons=(*verdict.reasons, target.attrs["sentence"]))
    )


NONE_CAN_BE_BOUGHT = "no label can be bought"
NOTHING = 1e-9  # share of a plan's worth below which a difference is one of rounding
STANDS = {names.STOP: "is broken", names.INCONCLUSIVE: "is neither kept nor broken"}


def verdict_of(decision: Decision) -> Verdict:
    """Say what to do about a plan, measurements left aside; its own verdict is not read."""
    if decision.problems:
        return Verdict(NO_PLAN, tuple(str(problem) for problem in decision.problems))
    if decision.interventions:
        return Verdict(QUALITY, _of_quality(decision))
    if decision.total == 0:
        return Verdict(WAIT, (_nothing_bought(decision), *_rejected(decision)))
    net = decision.advantage()
    worth, error = float(net.mean()), standard_error(net)
    advice = advice_of(decision.total, decision.rules, worth, error)
    said = f"{counted(decision.total, 'label')}: {_brings(decision)}"
    broken = decision.rules[~decision.rules[KEPT]]
    if len(broken):
        why = (
            f"guardrail: P({row[WORDS]}) is {row[HOLDS]:.2f}, asked for {row[REQUIRED]:g}: it {STANDS[row[STATE]]} "
            f"by any number of labels{_would_decide(row)}"
            for row in broken.to_dict("records")
        )
        return Verdict(advice, (*why, said, *_rejected(decision)))
    said = said if advice == BUY else f"{said}; not above 0 beyond Monte Carlo error"
    return Verdict(advice, (said, *_rejected(decision)))


def advice_of(labels: int, rules: pd.DataFrame, worth: float, error: float, done: tuple[str, ...] = ()) -> str:
    """Say whether to carry out a plan, by its rules and what it is worth, with its Monte Carlo error."""
    pays = (labels or done) and rules[KEPT].all() and worth > SURE * error
    return (QUALITY if done else BUY) if pays else WAIT


def _nothing_bought(decision: Decision) -> str:
    """Why a plan has no labels: none can be paid, none may be bought, or none is worth its cost."""
    fit, case, lot = decision.fit, decision.case, decision.lot
    if decision.max_labels < lot:
        return f"{NONE_CAN_BE_BOUGHT}: at most {decision.max_labels:,} are allowed"
    budget, spend = case.guardrails.maximum_budget, case.guardrails.maximum_spend
    money = min(decision.max_spend, budget.limit if budget else math.inf, spend.left if spend else math.inf)
    if math.isfinite(money):
        order = xr.full_like(fit.position[names.SLICE], lot, dtype=float)
        cost = label_cost(fit, case.costs, order) + fixed_cost(fit, case.costs, learner=case.learner)
        least = float(cost.mean([dim for dim in cost.dims if dim != names.SLICE]).min())
        if least > money:
            return (
                f"{NONE_CAN_BE_BOUGHT}: {lot:,} of the cheapest, with all that comes once, costs {readable(least, 3)} "
                f"{decision.outcomes.attrs[names.UNIT]}, and {readable(money)} are allowed"
            )
    return "no purchase within the limits is worth more than it costs"


def _would_decide(row: Mapping[Any, Any]) -> str:
    """How many labels would decide a rule that is open."""
    if row[STATE] != names.INCONCLUSIVE:
        return ""
    if math.isnan(row[TO_DECIDE]):
        return "; measuring labels within reach would not decide it"
    return f"; measured after {row[TO_DECIDE]:,.0f} more labels of each slice, it would be decided"


def _of_quality(decision: Decision) -> tuple[str, ...]:
    net, alone = decision.advantage(), decision.advantage(names.LABELS_ONLY)
    unit = decision.outcomes.attrs[names.UNIT]
    what = " + ".join(decision.interventions)
    beside = f" with {decision.total:,} labels" if decision.total else " and no labels"
    against = (
        f"labels only would bring {readable(float(alone.mean()))} {unit}; better with probability "
        f"{float((net > alone).mean()):.2f}"
    )
    return (f"{what}{beside}: {_brings(decision)}", against, *_rejected(decision))


def _brings(decision: Decision) -> str:
    net, unit = decision.advantage(), decision.outcomes.attrs[names.UNIT]
    worth, error = readable(float(net.mean())), readable(standard_error(net), 2)
    chance = f"P(net benefit > 0) = {float((net > 0).mean()):.2f}"
    return f"expected net benefit {worth} {unit} (Monte Carlo error {error}), {chance}"


def _rejected(decision: Decision) -> tuple[str, ...]:
    """What of the case's interventions was weighed and left, each by itself."""
    if decision.weighed.empty:
        return ()
    unit = decision.outcomes.attrs[names.UNIT]
    said = []
    for row in decision.weighed.to_dict("records"):
        done = row["option"].split(" + ")
        if row["option"] == names.LABELS_ONLY or len(done) > 1 or row["chosen"] or done[0] in decision.interventions:
            continue
        less = f" by {readable(row['less'], 3)} {unit}" if row["why"] == LESS else ""
        said.append(f"{row['option']} {row['why']}{less}")
    return (f"weighed and left: {'; '.join(said)}",) if said else ()


def _waited(decision: Decision) -> Verdict:
    """The verdict with what waiting is worth; ``wait`` where that is more than deciding now."""
    found, verdict = decision.waiting, decision.verdict
    if not found:
        return verdict
    unit, worth = decision.outcomes.attrs[names.UNIT], max(float(decision.advantage().mean()), 0.0)
    value = f"{estimated(abs(found[names.VALUE]), found[names.MCSE])} {unit}"
    days = f"{found['days']:,.0f} days"
    if not found["learnt"]:
        return dataclasses.replace(verdict, reasons=(*verdict.reasons, f"{names.WAITING} {days} costs {value}"))
    known = f"{names.WAITING} {days}, until it is known whether users' needs change,"
    if found[names.VALUE] > max(SURE * found[names.MCSE], TRIFLE * worth):
        return Verdict(WAIT, (f"{known} is worth {value} more than deciding now", *verdict.reasons))
    said = "costs" if found[names.VALUE] < 0 else "is worth no more than"
    return dataclasses.replace(verdict, reasons=(*verdict.reasons, f"{known} {said} {value}"))


def measured_verdict(decision: Decision) -> Verdict:
    """Turn the verdict on a plan into ``measure first`` where the best measurement is worth more than its trouble."""
    found, verdict = decision.measurements, _waited(decision)
    if found.empty or decision.state == names.STOP or verdict.advice != decision.verdict.advice:
        return verdict
    best: Any = found.iloc[0]
    worth = max(float(decision.advantage().mean()), 0.0)
    unit = found.attrs[names.UNIT]
    what = f"{best['size']:,} {MEASURED[best['kind']]} for {best[names.SLICE]}"
    if best[names.ENBS] <= max(SURE * best[names.MCSE], TRIFLE * worth):
        enbs = 0.0 if abs(best[names.ENBS]) < NOTHING * max(worth, 1.0) else float(best[names.ENBS])
        left = f"worth {estimated(enbs, best[names.MCSE], readable(enbs, 3))} {unit} after it is paid"
        reach = best[names.ENBS] + SURE * best[names.MCSE]
        if best[names.ENBS] > -SURE * best[names.MCSE] and reach > TRIFLE * worth:
            said = f"a tie within Monte Carlo error: {what} first, or to {verdict.advice} at once ({left})"
            return dataclasses.replace(verdict, reasons=(*verdict.reasons, said))
        short = "brings nothing" if enbs == 0 else f"would cost {readable(-enbs, 3)} {unit} more than it brings"
        pays = f"would leave {readable(enbs, 3)} {unit}, too little to wait for" if enbs > 0 else short
        said = f"no measurement pays: the best, {what}, {pays}"
        return dataclasses.replace(verdict, reasons=(*verdict.reasons, said))
    said = (
        f"{what} first, then decide: worth {readable(best[names.ENBS], 3)} {unit} more than deciding now "
        f"(90 % {readable(best['lower'], 3)} to {readable(best['upper'], 3)}); "
        f"another plan will look best with probability {best['changes']:.2f}"
    )
    keys = ("kind", names.SLICE, "size", names.EVSI, names.COST, names.ENBS, "lower", "upper", "changes")
    pilot = {key: best[key].item() if hasattr(best[key], "item") else best[key] for key in keys}
    now = f"{BUY} {decision.total:,} labels" if verdict.advice == BUY else verdict.advice
    return Verdict(MEASURE, (said, f"deciding now would be: {now}", *verdict.reasons), pilot)
