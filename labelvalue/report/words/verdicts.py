"""The decision on a plan as people read it: one sentence, its cases, and the strongest reasons to doubt it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelvalue import names
from labelvalue.decisions.advice.decision import BUY, MEASURE, NO_PLAN, QUALITY, WAIT
from labelvalue.decisions.measuring.audits import MEASURED
from labelvalue.forecast.gains.prior_sensitivity import REFIT, REFITTED
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import estimated, number, significant
from labelvalue.report.numbers.tables import LOWER, MEAN, P_POSITIVE, UPPER
from labelvalue.report.words.doubts import information_text, reservations, uncertainty_text
from labelvalue.report.words.wording import Part, decimals, interval, percent, probability, spoken

NAMED = 4
"""Slices that a sentence names; it says how many more there are."""
VERDICTS = {
    BUY: "Buy now.",
    WAIT: "Wait: buy nothing now.",
    MEASURE: "Measure first, then decide.",
    QUALITY: "Spend on quality.",
    NO_PLAN: "No plan keeps the rules: buy nothing until one is loosened.",
}


def decision_parts(plan: Mapping[str, Any]) -> list[Part]:
    """Put the decision into a sentence: what is bought, what it costs, what it gains and is worth."""
    lead: list[Part] = [(VERDICTS[plan["verdict"]], False)]
    if plan["verdict"] == NO_PLAN:
        return [*lead, (" " + " ".join(plan["reasons"]), False)]
    if plan["verdict"] == MEASURE:
        lead += _pilot(plan)
    if not plan["plan"]["total"] and not plan["plan"][names.INTERVENTIONS]:
        return [*lead, (" No purchase within the limits is worth more than it costs.", False)]
    return [*lead, *_bought(plan), (_brings(plan), False)]


def _pilot(plan: Mapping[str, Any]) -> list[Part]:
    pilot, unit = plan["pilot"], plan[names.UNIT]
    low, high = significant(pilot[LOWER]), significant(pilot[UPPER])
    return [
        (f" {pilot['size']:,} {MEASURED[pilot['kind']]} for slice ", False),
        (str(pilot[names.SLICE]), True),
        (
            f" come first: knowing what they show is worth {significant(pilot[names.ENBS])} {unit} more than deciding "
            f"now (90 % interval {low} to {high}), and another plan will look best with probability "
            f"{pilot['changes']:.2f}. Deciding now, the plan would be this:",
            False,
        ),
    ]


def _bought(plan: Mapping[str, Any]) -> list[Part]:
    unit, cost, total = plan[names.UNIT], plan[names.COST], plan["plan"]["total"]
    done = " and ".join(plan["plan"][names.INTERVENTIONS])
    what = f"{total:,} labels" if total else "No labels"
    what = f"{done}, with {what[0].lower()}{what[1:]}" if done else what
    lead = " The best purchase found is " if plan["verdict"] == WAIT else " "
    spread = "" if _exact(cost) else f" ({percent(plan[names.CI_PROB])} credible interval {_money(cost)})"
    parts: list[Part] = [(f"{lead}{what} for {significant(cost[MEAN])} {unit}{spread}", False)]
    bought = sorted(((n, name) for name, n in plan["plan"][names.LABELS].items() if n), key=lambda one: -one[0])
    for place, (labels, name) in enumerate(bought[:NAMED]):
        parts += [(": " if place == 0 else ", ", False), (f"{labels:,} for ", False), (name, True)]
    if len(bought) > NAMED:
        rest = sum(labels for labels, _ in bought[NAMED:])
        parts.append((f", and {rest:,} for {len(bought) - NAMED} more slices (table below)", False))
    return [*parts, (". ", False)]


def _brings(plan: Mapping[str, Any]) -> str:
    gain, net, unit = plan["mean_gain"], plan[names.NET_BENEFIT], plan[names.UNIT]
    now, then = plan["mean_error"]["now"], plan["mean_error"]["then"]
    digits = decimals([gain[UPPER] - gain[LOWER]])
    share = percent(plan[names.CI_PROB])
    return (
        f"The mean error over slices is expected to go from {number(now[MEAN], digits)} to "
        f"{number(then[MEAN], digits)}, a gain of {number(gain[MEAN], digits)} ({share} credible interval "
        f"{interval(gain, digits)}; P(gain > 0) {probability(gain[P_POSITIVE])}). Expected net benefit: "
        f"{estimated(net[MEAN], net[names.MCSE])} {unit} ({share} credible interval {_money(net)}; P(net benefit > 0) "
        f"{probability(net[P_POSITIVE])})."
    )


def rules_text(plan: Mapping[str, Any]) -> str:
    """Say whether the plan keeps the case's rules, all of them at once."""
    rules = plan["rules"]
    if not rules:
        return "The case sets no guardrails."
    broken = [row for row in rules if not row["kept"]]
    chance = f"P(all guardrails met) {probability(plan['kept_together'])}"
    if not broken:
        return f"{chance}; each of the {len(rules)} is met with the probability asked for."
    said = "; ".join(
        f"{row['rule']}{' of ' + row[names.SLICE] if row[names.SLICE] else ''} holds with probability "
        f"{row['p_kept']:.2f}, asked for {row['required']:g}"
        for row in broken
    )
    return f"{chance}; {len(broken)} of {len(rules)} not met as asked: {said}."


def scenario_text(row: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Describe a case in words: how likely it is and what makes it."""
    share = percent(row[names.PROBABILITY])
    which = {"stress": f"The worst {share}", "best": f"The best {share}"}.get(
        row[names.SCENARIO], f"The middle {share}"
    )
    said = ", ".join(
        f"{spoken(one['what'])} {'high' if one['off'] > 0 else 'low'} ({significant(one[MEAN])}; usually "
        f"{significant(one['usual'])})"
        for one in row["drivers"]
    )
    unusual = f" Most unusual in it: {said}." if said and row[names.SCENARIO] != "base" else ""
    return f"{which} of all draws for this plan.{unusual}"


def _money(row: Mapping[str, float]) -> str:
    return f"{significant(row[LOWER])} to {significant(row[UPPER])}"


def _exact(row: Mapping[str, float]) -> bool:
    return row[UPPER] - row[LOWER] < 1e-9 * max(abs(row[MEAN]), 1.0)


def told(fit: Fit, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Add to the numbers of a decision what is said of them."""
    pieces = decision_parts(plan)
    return {
        **plan,
        "sentence": "".join(
            f"\N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK}" if is_name else text
            for text, is_name in pieces
        ),
        "sentence_parts": [list(piece) for piece in pieces],
        "rules_sentence": rules_text(plan),
        "risk_sentence": _risk(plan),
        "information_sentence": information_text(plan),
        "uncertainty_sentence": uncertainty_text(plan),
        "stability_sentence": _stability(plan),
        "reservations": reservations(fit, plan),
        "scenarios": [{**row, "words": scenario_text(row, plan)} for row in plan["scenarios"]],
        names.GAIN: sorted(plan[names.GAIN], key=lambda row: (-row[names.LABELS], row[names.SLICE])),
    }


def _risk(plan: Mapping[str, Any]) -> str:
    risk, unit = plan["risk"], plan[names.UNIT]
    worst = percent(1 - risk[names.LEVEL])

    def lost(amount: float) -> str:
        return f"{'a loss' if amount > 0 else 'a net benefit'} of {significant(abs(amount))} {unit}"

    return (
        f"Against doing nothing, {worst} of draws are worse than {lost(risk[names.VALUE_AT_RISK])} (VaR), and their "
        f"mean is {lost(risk[names.CONDITIONAL_VALUE_AT_RISK])} (CVaR). P(net benefit > 0) "
        f"{probability(plan[names.NET_BENEFIT][P_POSITIVE])}."
    )


def not_perturbed(stability: Mapping[str, Any]) -> str:
    """Say what was not left out in turn."""
    left = stability["left_out"]
    return f" {left:,} more slices, replicates or batches, with fewer runs, were not left out in turn." if left else ""


def _stability(plan: Mapping[str, Any]) -> str:
    rows = plan["stability"]["rows"]
    trusted = [row for row in rows if row["advice"] != REFIT]
    changed = sum(row["changes"] for row in trusted)
    again = sum(row["advice"] == REFITTED for row in rows)
    said, more = f" or {again} new fits" if again else "", not_perturbed(plan["stability"])
    return (
        f"The advice changes in {changed} of the {len(trusted)} perturbations of data and priors that the draws{said} "
        f"can judge; {len(rows) - len(trusted)} of all {len(rows)} would need a new fit.{more}"
    )
