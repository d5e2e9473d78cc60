"""Reasons to doubt a plan, the strongest first, and what limits it."""

from collections.abc import Iterator, Mapping
from typing import Any

from labelvalue import names
from labelvalue.decisions.advice.rules import TO_DECIDE
from labelvalue.decisions.case.case import Case
from labelvalue.forecast.backtesting.trust import backtest_verdict, distrust, trusted_distance
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS
from labelvalue.forecast.gains.prior_sensitivity import REFIT
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import estimated, significant
from labelvalue.report.numbers.tables import P_POSITIVE
from labelvalue.report.words.wording import CLEAR, percent, probability, spoken

FIRST_BATCH = "A small first batch, trained on and added to the runs, would settle it."


def reservation(fit: Fit, plan: Mapping[str, Any]) -> str:
    """Say the strongest reason to doubt a plan and what would settle it: one sentence for page, terminal and chat."""
    return f"Strongest reservation: {' '.join(next(_doubts(fit, plan)))}"


def reservations(fit: Fit, plan: Mapping[str, Any]) -> list[str]:
    """List further reasons to doubt a plan, the strongest first."""
    return [*_of_details(plan), *(doubt for doubt, _ in [*_doubts(fit, plan)][1:])]


def _doubts(fit: Fit, plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Reasons to doubt a plan, each with what would settle it."""
    if fit.diagnostics.verdict != "ok":
        distrusted = fit.backtest is not None and distrust(fit.backtest)
        settled = FIRST_BATCH if distrusted else "More runs, or a longer fit, may settle it."
        yield f"The fit is {fit.diagnostics.verdict}: {'; '.join(fit.diagnostics.reasons)}.", settled
    yield from _of_plan(plan)
    yield from _of_forecast(fit, plan)
    yield (
        "What a label costs and what an error point is worth are taken from the case; no data here can confirm them.",
        "Whoever stated them can.",
    )


def _of_plan(plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    broken = [row for row in plan["rules"] if not row["kept"]]
    if broken:
        several = len(plan["rules"]) > 1
        which = f"{len(broken)} of {len(plan['rules'])} guardrails" if several else "The guardrail"
        verb = "are" if len(broken) > 1 else "is"
        decided = max(row.get(TO_DECIDE) or 0 for row in broken)
        yield (
            f"{which} {verb} not met with the probability asked for.",
            f"Measuring after {decided:,.0f} more labels of each slice would settle it."
            if decided
            else "No labels within reach settle it; whoever set it can loosen it.",
        )
    net = plan[names.NET_BENEFIT]
    if _bought(plan) and net[P_POSITIVE] < CLEAR:
        yield (
            f"The money may be lost: P(net benefit > 0) {probability(net[P_POSITIVE])}.",
            "A first batch, measured before the rest is bought, would show.",
        )


def _bought(plan: Mapping[str, Any]) -> bool:
    return bool(plan["plan"]["total"] or plan["plan"][names.INTERVENTIONS])


def _of_details(plan: Mapping[str, Any]) -> Iterator[str]:
    """What cases and perturbations say, which only the page has."""
    stress = plan["scenarios"][0]
    if _bought(plan) and stress[names.NET_BENEFIT] < 0:
        yield (
            f"In the worst {percent(stress[names.PROBABILITY])} of cases the plan loses "
            f"{significant(-stress[names.NET_BENEFIT])} {plan[names.UNIT]} on average."
        )
    trusted = [row for row in plan["stability"]["rows"] if row["advice"] != REFIT]
    changed = [row for row in trusted if row["changes"]]
    if changed:
        first = ", ".join(f"{row['change']} {row['what']}" for row in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        yield f"The advice changes in {len(changed)} of {len(trusted)} perturbations of data and priors: {first}{more}."


def _of_forecast(fit: Fit, plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if fit.diagnostics.verdict == "ok" and fit.backtest is not None and not trusted_distance(fit.backtest):
        yield f"All of this rests on forecasts. {backtest_verdict(fit.backtest)}", FIRST_BATCH
    bought = [row for row in plan[names.GAIN] if row[names.LABELS]]
    total = sum(row[names.LABELS] for row in bought)
    far = [row for row in bought if row[names.DOUBLINGS] > VALIDATED_DOUBLINGS]
    if far:
        share = sum(row[names.LABELS] for row in far) / total
        yield (
            f"{percent(share)} of the labels go to {len(far)} slice{'s' if len(far) > 1 else ''} whose forecast lies "
            f"beyond the validated distance of {VALIDATED_DOUBLINGS:g} doublings.",
            "Buying up to there first, and measuring, would settle it.",
        )
    flagged = [row for row in bought if fit.diagnostics.flags.get(row[names.SLICE])]
    if flagged:
        share, s = sum(row[names.LABELS] for row in flagged) / total, "s" if len(flagged) > 1 else ""
        yield (
            f"{percent(share)} of the labels go to {len(flagged)} flagged slice{s}.",
            "More runs of them may settle it.",
        )
    if fit.backtest is None:
        yield "How far such forecasts came true on these runs was not checked.", "A backtest would settle it."


def planning_limits(case: Case, plan: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Generate what limits a decision, check by check."""
    found = []
    for row in plan["rules"]:
        if not row["kept"]:
            of = f" of {row[names.SLICE]}" if row[names.SLICE] else ""
            text = f"{row['rule']}{of} holds with probability {row['p_kept']:.2f}, asked for {row['required']:g}."
            found.append(("guardrails", "a guardrail is not met", text))
    rows = plan["stability"]["rows"]
    unknown = [row for row in rows if row["advice"] == REFIT]
    if unknown:
        text = (
            f"{len(unknown)} of {len(rows)} perturbations of data and priors need a new fit, and are not counted as "
            "stable."
        )
        found.append(("stability", "stability not wholly known", text))
    blind = [
        row for row in plan["detection"] if row["p_detected"] < 0.5 and plan["plan"][names.LABELS][row[names.SLICE]]
    ]
    if blind:
        text = (
            "The evaluation sets at hand would more likely than not miss the plan's gain in "
            f"{', '.join(row[names.SLICE] for row in blind)}."
        )
        found.append(("detection", "gains that could go unseen", text))
    if case.label_errors == 0.0 and case.label_noise is None:
        text = (
            "New labels are taken to be as right as those of the runs: the case states no label_errors, and "
            "inconsistent labelling would lower every gain."
        )
        found.append(("labelling-consistency", "labels as good as before", text))
    if not plan["plan"]["total"]:
        found.append(("no-purchase", "nothing is bought", "Limits below concern a purchase that is not advised."))
    text = "Intervals hold no doubt about what the case states as exact."
    found.append(("money-as-stated", "money is as the case says", text))
    return found


NAMED = 2  # slices that a sentence names of those that get more labels, and of those that get fewer


def information_text(plan: Mapping[str, Any]) -> str:
    """Say what knowing everything, and knowing the input that matters most, would be worth."""
    rows, unit = plan["information"]["rows"], plan[names.UNIT]
    evpi = plan["information"][names.EVPI]
    if not rows:
        return "Nothing that the net benefit depends on is uncertain."
    if evpi <= 0:
        return "Nothing that could be learnt would change the plan: the same one is best in every draw."
    first, known = rows[0], estimated(evpi, plan["information"].get(names.MCSE))
    if first[names.EVPPI] <= 0:
        return (
            f"Knowing everything exactly would be worth {known} {unit} (EVPI), but no single input would "
            "change the plan."
        )
    return f"Knowing everything exactly before deciding would be worth {known} {unit} (EVPI)."


def uncertainty_text(plan: Mapping[str, Any]) -> str:
    """Say where uncertainty is highest, in money, and how resolving it would move the budget."""
    unit = plan[names.UNIT]
    rows = [row for row in plan["information"]["rows"] if row[names.EVPPI] > 0]
    if not rows:
        return ""
    first = rows[0]
    said = [
        f"Uncertainty is highest in {spoken(first['input'])}: knowing it would be worth {evppi_text(first)} {unit}, "
        "the most that a measurement of it may cost, and make another plan best with probability "
        f"{first['changes']:.2f}."
    ]
    if first["moves"] is not None:
        said.append(_moves(first, plan["information"]["plans"], unit))
    others = [f"{spoken(row['input'])} ({evppi_text(row)} {unit})" for row in rows[1:3]]
    if others:
        said.append(f"Next: {' and '.join(others)}.")
    return " ".join(said)


def evppi_text(row: Mapping[str, Any]) -> str:
    """Write what knowing one input exactly would be worth; 0 where that is within its Monte Carlo error."""
    return estimated(row[names.EVPPI], row.get(names.MCSE))


def _moves(row: Mapping[str, Any], plans: Mapping[str, Mapping[str, Any]], unit: str) -> str:
    """What is bought where the input is low and where it is high; where the total stays, what moves within it."""
    low, high = row["moves"]["low"], row["moves"]["high"]
    if low[names.LABELS] != high[names.LABELS]:
        return (
            f"Where it is lowest, in a tenth of the draws, the best of the plans compared buys {_purchase(low, unit)}; "
            f"where it is highest, {_purchase(high, unit)}."
        )
    bought = f"{low[names.LABELS]:,} labels" if low[names.LABELS] else "nothing"
    lead = f"Be it low or high, the best of the plans compared buys {bought}"
    where, to = "where it is high", high[names.PLAN]
    if low[names.PLAN] == high[names.PLAN]:
        where, to = "where another plan is best", row["instead"]
    if not to or to == low[names.PLAN]:
        return f"{lead}."
    other = {key: sum(one[key] for one in plans[to].values()) for key in (names.LABELS, names.COST)}
    if other[names.LABELS] != low[names.LABELS]:
        return f"{lead}; {where}, it is {_purchase(other, unit)}."
    return f"{lead}; {where}, {_shift(plans[low[names.PLAN]], plans[to], unit)}."


def _shift(before: Mapping[str, Any], after: Mapping[str, Any], unit: str) -> str:
    """Which slices get more or fewer labels, and what these labels cost."""
    none = {names.LABELS: 0, names.COST: 0.0}
    rows = []
    for name in sorted({*before, *after}):
        old, new = before.get(name, none), after.get(name, none)
        rows.append((name, new[names.LABELS] - old[names.LABELS], new[names.COST] - old[names.COST]))
    said: list[str] = []
    for sign, word in ((1, "more"), (-1, "fewer")):
        moved = sorted((row for row in rows if row[1] * sign > 0), key=lambda row: -abs(row[1]))
        rest = moved[NAMED:]
        if len(rest) > 1:
            others = f"{len(rest)} other slices"
            moved = [*moved[:NAMED], (others, sum(row[1] for row in rest), sum(row[2] for row in rest))]
        for name, labels, cost in moved:
            of_them = f" {word}{' of them go' if not said else ''}" if name == moved[0][0] else ""
            said.append(f"{abs(labels):,}{of_them} to {name} ({significant(abs(cost))} {unit})")
    return f"{', '.join(said[:-1])} and {said[-1]}" if len(said) > 1 else said[0]


def _purchase(move: Mapping[str, Any], unit: str) -> str:
    if not move[names.LABELS]:
        return "nothing"
    return f"{move[names.LABELS]:,} labels for {significant(move[names.COST])} {unit}"
