"""The verdict: buy, wait, spend on quality, or that no plan keeps the rules; and whether to measure first."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

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
from labelvalue.decisions.advice.rules import HOLDS, KEPT, REQUIRED, STATE, TO_DECIDE, WORDS
from labelvalue.decisions.measuring.pilots import MEASURED, TRIFLE
from labelvalue.decisions.outcomes.spending import fixed_cost, label_cost
from labelvalue.decisions.search.mixtures import LESS
from labelvalue.numerals import counted, estimated, readable

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
    unit = decision.outcomes.attrs[names.UNIT]
    net_benefit = f"{readable(worth)} {unit} (Monte Carlo error {readable(error, 2)})"
    chance = f"P(net benefit > 0) = {float((net > 0).mean()):.2f}"
    said = f"{counted(decision.total, 'label')}: expected net benefit {net_benefit}, {chance}"
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
    said = (
        f"{what}{beside}: expected net benefit {readable(float(net.mean()))} {unit} (Monte Carlo error "
        f"{readable(standard_error(net), 2)}), P(net benefit > 0) = {float((net > 0).mean()):.2f}"
    )
    against = (
        f"labels only would bring {readable(float(alone.mean()))} {unit}; better with probability "
        f"{float((net > alone).mean()):.2f}"
    )
    return (said, against, *_rejected(decision))


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
