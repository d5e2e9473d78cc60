"""Reasons to doubt a plan, the strongest first; what limits it, what would change it, and what else there is."""

from collections.abc import Iterator, Mapping
from typing import Any

from labelvalue import names
from labelvalue.decisions.advice.decision import BUY, MEASURE, NO_PLAN, QUALITY, WAIT
from labelvalue.decisions.advice.rules import TO_DECIDE
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.guardrails import TAKEN
from labelvalue.decisions.search.listing import HALF
from labelvalue.decisions.sensitivity.offers import AS_PLANNED
from labelvalue.decisions.sensitivity.what_if import PRICE
from labelvalue.forecast.backtesting.trust import backtest_verdict, distrust, trusted_distance
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS
from labelvalue.forecast.gains.prior_sensitivity import REFIT
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import estimated, significant
from labelvalue.report.numbers.tables import LOWER, MEAN, P_POSITIVE, UPPER
from labelvalue.report.words.wording import CLEAR, percent, probability, spoken

type Limit = tuple[str, str, str]
"""A limitation: id of the check that found it, topic, text."""
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


def planning_limits(case: Case, plan: Mapping[str, Any]) -> Iterator[Limit]:
    """Generate what limits a decision, check by check."""
    for row in (row for row in plan["rules"] if not row["kept"]):
        holds = f"holds with probability {row['p_kept']:.2f}, asked for {row['required']:g}."
        of = f" of {row[names.SLICE]}" if row[names.SLICE] else ""
        yield "guardrails", "a guardrail is not met", f"{row['rule']}{of} {holds}"
    rows, bought = plan["stability"]["rows"], plan["plan"][names.LABELS]
    if unknown := sum(row["advice"] == REFIT for row in rows):
        text = (
            f"{unknown} of {len(rows)} perturbations of data and priors need a new fit, and are not counted as stable."
        )
        yield "stability", "stability not wholly known", text
    if blind := [row[names.SLICE] for row in plan["detection"] if row["p_detected"] < 0.5 and bought[row[names.SLICE]]]:
        text = f"The evaluation sets at hand would more likely than not miss the plan's gain in {', '.join(blind)}."
        yield "detection", "gains that could go unseen", text
    if case.label_errors == 0.0 and case.label_noise is None:
        text = "New labels are taken to be as right as those of the runs: the case states no label_errors, and "
        text += "inconsistent labelling would lower every gain."
        yield "labelling-consistency", "labels as good as before", text
    if not plan["plan"]["total"]:
        yield "no-purchase", "nothing is bought", "Limits below concern a purchase that is not advised."
    text = "Intervals hold no doubt about what the case states as exact."
    yield "money-as-stated", "money is as the case says", text


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


OTHERS = (names.LABELS_ONLY, names.EQUAL_SPLIT)  # of those, what may stand beside a plan that is more than labels
MULTIPLES = {"÷ 2": "half as large", "× 2": "twice as large"}
AXES = {PRICE: ("a label", "costs"), names.VALUE: ("an error point", "is worth")}


def three_scenarios(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Hold the decision against doing nothing and another candidate: the case's own plans where it names them."""
    advised = ", as advised" if plan["verdict"] in (WAIT, NO_PLAN) else ""
    none = {"title": f"Buy nothing{advised}", names.LABELS: 0, names.COST: 0.0, "net": None}
    total, weighed = plan["plan"]["total"], {row[names.PLAN]: row for row in plan["plans"]}
    tried = [row for row in plan["ladder"] if row["split"] == AS_PLANNED and row[names.LABELS]]
    if not total and not plan["plan"][names.INTERVENTIONS]:
        most = plan["plan"]["max_labels"]
        shown = {row[names.LABELS]: row for row in [*tried[:1], *_nearest(tried, most)]}
        return [none, *(_scenario(row, "Labels split evenly") for row in shown.values())]
    named = [_scenario(row, row[names.PLAN]) for name, row in weighed.items() if name not in TAKEN][:2]
    half = [_scenario(row, HALF.capitalize()) for row in _nearest(tried, total / 2)]
    split = [_scenario(weighed[name], name.capitalize()) for name in OTHERS if name in weighed]
    title = {WAIT: "The best purchase", MEASURE: "The plan, if decided now"}.get(plan["verdict"], "The plan")
    own = _scenario(weighed[names.RECOMMENDED], title)
    return [own, *(named or half or split[:1]), none]


def _nearest(rows: list[Mapping[str, Any]], labels: float) -> list[Mapping[str, Any]]:
    """The plan of the ladder that buys about so many labels, if any does."""
    close = sorted(rows, key=lambda row: abs(row[names.LABELS] - labels))
    return [row for row in close[:1] if abs(row[names.LABELS] - labels) <= 0.1 * labels]


def _scenario(row: Mapping[str, Any], title: str) -> dict[str, Any]:
    """A candidate, or a step of the ladder, as one of the scenarios."""
    net = {MEAN: row["enb"] if "enb" in row else row[MEAN], LOWER: row[LOWER], UPPER: row[UPPER]}
    net |= {names.MCSE: row.get(names.MCSE)}
    return {"title": title, names.LABELS: row[names.LABELS], names.COST: row[names.COST], "net": net}


def turning_points(plan: Mapping[str, Any]) -> list[str]:
    """Say what would change the decision: price and worth of an error point, knowledge, other numbers of the case."""
    return [*_by_grid(plan), *_by_knowledge(plan), *_by_case(plan)]


def along(grid: Mapping[str, Any], axis: str) -> dict[float, Mapping[str, Any]]:
    """The points of a grid of other decisions by one axis, the others at what they are."""
    order = [names.BUDGET, PRICE, names.VALUE]
    at = {name: grid[name][place] for name, place in zip(order, grid["at"], strict=True) if name != axis}
    return {row[axis]: row for row in grid["rows"] if all(row[name] == value for name, value in at.items())}


def _by_grid(plan: Mapping[str, Any]) -> Iterator[str]:
    """Where on the grid of other decisions the verdict turns, and how much is bought at its ends."""
    grid, verdict = plan["what_if"], plan["verdict"]
    if verdict not in (BUY, QUALITY, WAIT):
        return
    lines = {axis: along(grid, axis) for axis in AXES}
    if lines[PRICE][grid[PRICE][grid["at"][1]]]["verdict"] != verdict:  # the grid asks what to buy, not when
        return
    steady = []
    for axis, (what, verb) in AXES.items():
        line = lines[axis]
        if len(line) < 2:
            continue
        turns = [factor for factor, point in line.items() if point["verdict"] != verdict]
        for some in ([f for f in turns if f > 1][:1], [f for f in turns if f < 1][-1:]):
            for factor in some:
                yield f"The advice becomes “{line[factor]['verdict']}” where {what} {verb} {factor:g} times as much."
        if not turns:
            steady.append(f"{what} {verb} half or twice as much")
        if axis == PRICE and verdict == BUY and not turns:
            ends = [sum(grid["plans"][line[factor]["plan"]]) for factor in (min(line), max(line))]
            if len({*ends, plan["plan"]["total"]}) > 1:
                yield f"At half the price the plan is {ends[0]:,} labels, at twice the price {ends[1]:,}."
    if steady:
        yield f"The advice stays “{verdict}” where {' or where '.join(steady)}."


def _by_knowledge(plan: Mapping[str, Any]) -> Iterator[str]:
    """What it would help most to know before deciding."""
    rows = [row for row in plan["information"]["rows"] if row["evppi"] > 0 and row["changes"] >= 0.005]
    if rows and rows[0]["evppi"] > (rows[0]["mcse"] or 0.0):
        worth = f"{evppi_text(rows[0])} {plan[names.UNIT]}"
        yield (
            f"Uncertainty is highest in {_named(rows[0]['input'])}: knowing it exactly would be worth {worth} at most, "
            f"and make another plan best with probability {rows[0]['changes']:.2f}."
        )


def _named(key: str) -> str:
    """An uncertain input as a reader without the case at hand would call it."""
    said = spoken(key)
    return said if said.startswith("whether") else f"the {said.partition(': ')[2] or said}"


def _by_case(plan: Mapping[str, Any]) -> Iterator[str]:
    """What a single other number of the case would do."""
    seen: dict[str, str] = {}
    for row in plan.get("varied", []):
        if row[names.PLAN] != names.RECOMMENDED and row[names.LABELS] != plan["plan"][names.LABELS]:
            total = sum(row[names.LABELS].values())
            otherwise = ", split otherwise" if total == plan["plan"]["total"] else ""
            bought = f"the plan would be {total:,} labels{otherwise}" if total else "nothing would be bought"
            seen.setdefault(row["key"], f"{_supposed(row)}, {bought}")
    if seen:
        rest = len(seen) - 2
        numbers = "numbers stand" if rest > 1 else "number stands"
        more = f" {rest} more such {numbers} under “Assumptions and limitations”." if rest > 0 else ""
        yield " ".join(f"{said}." for said in [*seen.values()][:2]) + more


def _supposed(row: Mapping[str, Any]) -> str:
    """Another number of the case as the beginning of a sentence."""
    said = _named(row["key"])
    if row["end"] == "without it":
        return f"Without {said}"
    return f"Were {said} {MULTIPLES.get(row['end']) or row['end'].removeprefix('were it ')}"


def errors_today(numbers: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return mean and worst error of the slices now, where no plan says so."""
    rows = [row for row in numbers["slices"] if names.ERROR_NOW in row]
    if not rows:
        return None
    worst = max(rows, key=lambda row: row[names.ERROR_NOW][MEAN])
    return {
        MEAN: sum(row[names.ERROR_NOW][MEAN] for row in rows) / len(rows),
        "worst": worst[names.ERROR_NOW][MEAN],
        names.SLICE: worst[names.SLICE],
    }
