"""The decision on a plan as people read it: where labels are worth most, how sure that is, and reasons to doubt it."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.deciding import NONE_CAN_BE_BOUGHT
from labelvalue.decisions.advice.decision import BUY, MEASURE, NO_PLAN, QUALITY, WAIT
from labelvalue.decisions.advice.rules import TO_DECIDE
from labelvalue.decisions.measuring.pilots import MEASURED
from labelvalue.forecast.backtesting.trust import trusted_distance
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS, best_of
from labelvalue.forecast.gains.prior_sensitivity import REFIT, REFITTED
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import counted, estimated, number, significant
from labelvalue.report.numbers.tables import LOWER, MEAN, P_POSITIVE, UPPER, beyond
from labelvalue.report.words.doubts import information_text, reservations, uncertainty_text
from labelvalue.report.words.wording import (
    CLEAR,
    decimals,
    interval,
    likely,
    percent,
    probability,
    spoken,
)

TIE = 0.7  # P(best) below which the best slice counts as tied with others


def best_slices(fit: Fit, gain: xr.DataArray, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Say for each learner in which slice labels are worth most, at the largest budget validated for all."""
    positive = [int(b) for b in gain[names.BUDGET].values if b > 0]
    if not positive:
        return []
    budget = _common_budget(gain, positive)
    learners = gain[names.LEARNER].values if names.LEARNER in gain.dims else [None]
    return [_for_learner(fit, gain, table, learner, budget, sorted(positive)) for learner in learners]


def _common_budget(gain: xr.DataArray, budgets: list[int]) -> int:
    """Largest budget at which every slice is within the validated distance, else the smallest."""
    farthest = gain[names.DOUBLINGS].max([d for d in gain[names.DOUBLINGS].dims if d != names.BUDGET])
    within = [b for b in budgets if float(farthest.sel({names.BUDGET: b})) <= VALIDATED_DOUBLINGS]
    return max(within) if within else min(budgets)


def _for_learner(
    fit: Fit, gain: xr.DataArray, table: pd.DataFrame, learner: Any, budget: int, budgets: list[int]
) -> dict[str, Any]:
    if learner is not None:
        gain = gain.sel({names.LEARNER: learner})
        table = table[table[names.LEARNER] == learner]
    rows = table[table[names.BUDGET] == budget].sort_values(MEAN, ascending=False, kind="stable")
    best = rows.iloc[0]
    name = best[names.SLICE]
    now = fit.posterior[names.ERROR_NOW].sel({names.SLICE: name})
    now = now if learner is None else now.sel({names.LEARNER: learner})
    own = gain.sel({names.SLICE: name, names.BUDGET: budget})
    chances = p_best(gain.sel({names.BUDGET: budget}))
    rivals: list[dict[str, Any]] = [
        {names.SLICE: str(row[names.SLICE]), names.P_BEST: chances[row[names.SLICE]], MEAN: float(row[MEAN])}
        for _, row in rows.iloc[1:].iterrows()
    ]
    rivals.sort(key=lambda r: (-r[names.P_BEST], -r[MEAN]))
    runner = None
    if len(rows) > 1:
        second = rows.iloc[1]
        other = gain.sel({names.SLICE: second[names.SLICE], names.BUDGET: budget})
        ahead = float((own > other).mean())
        runner = {names.SLICE: str(second[names.SLICE]), MEAN: float(second[MEAN]), "p_ahead": ahead}
    said: dict[str, Any] = {
        names.LEARNER: None if learner is None else str(learner),
        names.BUDGET: budget,
        names.SLICE: str(name),
        **{key: float(best[key]) for key in (MEAN, LOWER, UPPER, P_POSITIVE, names.MCSE)},
        names.ERROR_NOW: float(now.mean()),
        "share_of_error": float((own / now).mean()),
        names.P_BEST: chances[name],
        "tie": len(rows) > 1 and chances[name] < TIE,
        "runner_up": runner,
        "rivals": rivals[:4],
        "within_validated": float(gain[names.DOUBLINGS].sel({names.BUDGET: budget}).max()) <= VALIDATED_DOUBLINGS,
        "by_budget": [_leader(gain, table, b) for b in budgets],
    }
    said["reservations"] = _reservations(fit, said, float(best[names.DOUBLINGS]))
    return said


def _leader(gain: xr.DataArray, table: pd.DataFrame, budget: int) -> dict[str, Any]:
    rows = table[table[names.BUDGET] == budget]
    best = rows.sort_values(MEAN, ascending=False, kind="stable").iloc[0]
    chance = p_best(gain.sel({names.BUDGET: budget}))[best[names.SLICE]]
    numbers = {key: float(best[key]) for key in (MEAN, LOWER, UPPER, P_POSITIVE)}
    far = beyond(float(best[names.DOUBLINGS]))
    leader = {names.BUDGET: budget, names.SLICE: str(best[names.SLICE])}
    return leader | numbers | {names.P_BEST: chance, names.FLAGS: far}


def p_best(gain: xr.DataArray) -> dict[str, float]:
    """Share of draws in which each slice's gain is the largest."""
    shares = best_of(gain, names.SLICE).mean(names.SAMPLE).to_series()
    return {str(name): float(share) for name, share in shares.items()}


def _reservations(fit: Fit, said: dict[str, Any], doublings: float) -> list[str]:
    """Reasons to doubt the sentence, the strongest first; the last always holds."""
    flags = fit.diagnostics.flags.get(said[names.SLICE], ())
    found = []
    if fit.diagnostics.verdict != "ok":
        found.append(f"The fit is {fit.diagnostics.verdict}: {'; '.join(fit.diagnostics.reasons)}.")
    if fit.backtest is not None and not trusted_distance(fit.backtest):
        found.append("The check of forecasts on these runs, below, gives no ground to trust them.")
    if names.MOSTLY_ASSUMPTION in flags:
        found.append("The data say little about this slice: its impact is mostly assumption.")
    if names.SHAPE_MISFIT in flags:
        found.append("The observed errors of this slice do not follow a learning curve of this model.")
    if beyond(doublings):
        found.append(
            f"The forecast reaches {doublings:.1f} doublings beyond the largest size observed for this "
            f"slice; forecasts were checked on real curves up to {VALIDATED_DOUBLINGS:g}."
        )
    if names.BORROWED in flags:
        found.append("Fewer than three sizes were measured in this slice, so the forecast leans on the other slices.")
    if said[P_POSITIVE] < CLEAR:
        found.append(f"There may be no gain at all: P(gain > 0) is only {said[P_POSITIVE]:.2f}.")
    every = fit.diagnostics.flags.values()
    count = sum(bool(f) for f in every)
    if count:
        found.append(
            f"{count} of {len(fit.slices)} slices carry a flag; their gains may be worth more or less than said."
        )
    found.append(
        "Gains of different slices are compared as they are: neither the share nor the stakes of a slice, "
        "nor the price of a label, is known to this page."
    )
    return found


NAMED = 4  # slices that a sentence names; it says how many more there are
UNPUBLISHED = "No decision is published; by its forecasts alone it would be:"
AIMS = {
    "mean": "mean error",
    "worst": "error of the worst slice",
    "gap": "gap between slices",
}  # what a target is about
VERDICTS = {
    BUY: "Buy now:",
    WAIT: "Wait: buy nothing now.",
    MEASURE: "Measure first, then decide:",
    QUALITY: "Spend on quality:",
    NO_PLAN: "No plan keeps the rules: buy nothing until one is loosened.",
}
NOT_WORTH_IT = "No purchase within the limits is worth more than it costs."


def decision_sentence(plan: Mapping[str, Any]) -> str:
    """Put the decision into two sentences: what to do for what money, and what that is expected to bring."""
    verdict, some = plan["verdict"], plan["plan"]["total"] or plan["plan"][names.INTERVENTIONS]
    lead = VERDICTS[verdict] if plan["published"] else f"{UNPUBLISHED} {VERDICTS[verdict]}"
    reasons, brings = plan["reasons"], f"expected to {_brings(plan)}."
    if verdict == NO_PLAN:
        return f"{lead} {' '.join(reasons)}"
    if verdict == MEASURE:
        first = f"{lead} {_pilot(plan)} Decided now, "
        return (
            f"{first}the plan would be {_bought(plan)}; it is {brings}" if some else f"{first}nothing would be bought."
        )
    if not some:
        none = next((why for why in reasons if why.startswith(NONE_CAN_BE_BOUGHT)), None)
        return f"{lead} {f'{none[0].upper()}{none[1:]}.' if none else NOT_WORTH_IT}"
    if verdict == WAIT and reasons[0].startswith(names.WAITING):
        why = reasons[0].removeprefix(names.WAITING)
        return f"{lead} Waiting{why}. Decided now, the plan would be {_bought(plan)}; it is {brings}"
    if verdict == WAIT:
        return f"{lead} The best purchase found is {_bought(plan)}; it is {brings}"
    return f"{lead} {_bought(plan)}. This is {brings}"


def _pilot(plan: Mapping[str, Any]) -> str:
    pilot, unit = plan["pilot"], plan[names.UNIT]
    return (
        f"{pilot['size']:,} {MEASURED[pilot['kind']]} for slice “{pilot[names.SLICE]}”, which is worth "
        f"{significant(pilot[names.ENBS])} {unit} more than deciding now (90 % interval {_money(pilot)}) and will make "
        f"another plan look best with probability {pilot['changes']:.2f}."
    )


def _bought(plan: Mapping[str, Any]) -> str:
    unit, cost, total = plan[names.UNIT], plan[names.COST], plan["plan"]["total"]
    done = " and ".join(plan["plan"][names.INTERVENTIONS])
    what = counted(total, "label") if total else "no labels"
    what = f"{f'{done}, with {what},' if done else what} for {significant(cost[MEAN])} {unit}"
    bought = sorted(((n, name) for name, n in plan["plan"][names.LABELS].items() if n), key=lambda one: -one[0])
    if len(bought) == 1:
        return f"{what}, all in slice “{bought[0][1]}”"
    said = [f"{labels:,} for “{name}”" for labels, name in bought[:NAMED]]
    if rest := bought[NAMED:]:
        said.append(f"{sum(labels for labels, _ in rest):,} for {counted(len(rest), 'more slice')}")
    return f"{what}: {', '.join(said[:-1])} and {said[-1]}" if said else what


def _brings(plan: Mapping[str, Any]) -> str:
    net, unit, gain = plan[names.NET_BENEFIT], plan[names.UNIT], plan["mean_gain"][MEAN]
    now, then = mean_errors(plan)
    worth = f"{estimated(net[MEAN], net[names.MCSE])} {unit}"
    return (
        f"{'lower' if gain >= 0 else 'raise'} the {_of_slices(plan)} from {now} to {then} and to "
        f"{f'bring {worth} more than it costs' if net[MEAN] >= 0 else f'leave a net benefit of {worth}'} "
        f"({percent(plan[names.CI_PROB])} credible interval {_money(net)}; it pays with probability "
        f"{likely(net[P_POSITIVE])})"
    )


def _of_slices(plan: Mapping[str, Any]) -> str:
    """The error that a plan lowers: of one slice, or the mean over several."""
    return "mean error over slices" if len(plan["plan"][names.LABELS]) > 1 else "error"


def mean_errors(plan: Mapping[str, Any]) -> tuple[str, str]:
    """The mean error over slices now and with the plan, with as many decimals as its gain needs."""
    digits = decimals([plan["mean_gain"][UPPER] - plan["mean_gain"][LOWER]])
    now, then = (number(plan["mean_error"][when][MEAN], digits) for when in ("now", "then"))
    return now, then


def gain_text(plan: Mapping[str, Any]) -> str:
    """Say what the whole plan gains in the mean error, and how sure that is."""
    gain = plan["mean_gain"]
    now, then = mean_errors(plan)
    digits = decimals([gain[UPPER] - gain[LOWER]])
    return (
        f"The {_of_slices(plan)} goes from {now} to {then}: a gain of {number(gain[MEAN], digits)} "
        f"({percent(plan[names.CI_PROB])} credible interval {interval(gain, digits)}; P(gain > 0) "
        f"{probability(gain[P_POSITIVE])})."
    )


def rules_text(plan: Mapping[str, Any]) -> str:
    """Say whether the plan keeps the case's rules, all of them at once."""
    rules = plan["rules"]
    if not rules:
        return "The case sets no guardrails."
    broken = [row for row in rules if not row["kept"]]
    together = f"all at once with probability {likely(plan['kept_together'])}"
    if not broken:
        if len(rules) == 1:
            return f"The guardrail is kept, with probability {likely(plan['kept_together'])}."
        return f"All {len(rules)} guardrails are kept as asked, {together}."
    said = "; ".join(
        f"{row['rule']}{' of ' + row[names.SLICE] if row[names.SLICE] else ''} holds with probability "
        f"{likely(row['p_kept'])}, asked for {row['required']:g}{_would_decide(row)}"
        for row in broken
    )
    if len(rules) == 1:
        return f"The guardrail is not met as asked: {said}."
    return f"{len(broken)} of {len(rules)} guardrails not met as asked: {said}. They hold {together}."


def _would_decide(rule: Mapping[str, Any]) -> str:
    """How many labels would decide a rule that is open, where some within reach would."""
    labels = rule.get(TO_DECIDE)
    return f" (measured after {labels:,.0f} more labels of each slice, it would be decided)" if labels else ""


def scenario_text(row: Mapping[str, Any]) -> str:
    """Say what is most unusual in a case; nothing of the base case."""
    said = ", ".join(
        f"{spoken(one['what'])} {'high' if one['off'] > 0 else 'low'} ({significant(one[MEAN])}; usually "
        f"{significant(one['usual'])})"
        for one in row["drivers"]
    )
    return said if row[names.SCENARIO] != "base" else ""


def _money(row: Mapping[str, float]) -> str:
    return f"{significant(row[LOWER])} to {significant(row[UPPER])}"


def told(fit: Fit, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Add to the numbers of a decision what is said of them."""
    return {
        **plan,
        "sentence": decision_sentence(plan),
        "mean_errors": list(mean_errors(plan)),
        "gain_sentence": gain_text(plan),
        "rules_sentence": rules_text(plan),
        "risk_sentence": _risk(plan),
        "information_sentence": information_text(plan),
        "uncertainty_sentence": uncertainty_text(plan),
        "stability_sentence": _stability(plan),
        "weights_sentence": weights_text(plan["weights"]),
        "waits_sentence": waits_text(plan),
        "target_sentence": target_text(plan),
        "stays_with": _stays(plan["stability"]["rows"]),
        "reservations": reservations(fit, plan),
        "scenarios": [{**row, "words": scenario_text(row)} for row in plan["scenarios"]],
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
    untold = f"; {len(rows) - len(trusted)} of all {len(rows)} would need a new fit" if len(trusted) < len(rows) else ""
    return (
        f"The advice changes in {changed} of the {len(trusted)} perturbations of data and priors that the draws{said} "
        f"can judge{untold}.{more}"
    )


def _stays(rows: Sequence[Mapping[str, Any]]) -> str:
    """Name the perturbations under which the advice stays, powers of one kind together, and the worst Pareto k."""
    found: dict[str, list[str]] = {}
    kept = [row for row in rows if row["advice"] != REFIT and not row["changes"]]
    for row in kept:
        what, _, power = row["what"].partition(" to the power ")
        lead = f"{row['change']} to the power {power}" if power else row["change"]
        found.setdefault(lead, []).append(f"{what} ({REFITTED})" if row["advice"] == REFITTED else what)
    by_what: dict[str, list[str]] = {}
    for lead, what in found.items():
        by_what.setdefault(", ".join(what), []).append(lead)
    said = "; ".join(f"{' and '.join(leads)}: {what}" for what, leads in by_what.items())
    worst = [row[names.PARETO_K] for row in kept if row[names.PARETO_K] is not None]
    return f"{said} (Pareto k at most {max(worst):.2f})" if worst else said


def reached_text(numbers: Mapping[str, Any]) -> str:
    """Say how probably the target of the case is reached, now and with the plan; nothing where it has none."""
    if (aim := numbers[names.TARGET_REACHED]) is None:
        return ""
    return f"{AIMS[aim['of']]} ≤ {aim['error']:g}: P(reached) {aim['now']:.2f} → {aim['then']:.2f}"


def target_text(numbers: Mapping[str, Any]) -> str:
    """Say what becomes of the case's target with the plan, and the cheapest plan for it; nothing where it has none."""
    near = "" if numbers["cheapest"] is None else f" {cheapest_text(numbers['cheapest'])}"
    return f"{reached_text(numbers)} with the plan.{near}" if numbers[names.TARGET_REACHED] is not None else ""


def cheapest_text(found: Mapping[str, Any]) -> str:
    """Say with which labels a target is reached for the least money, or how near one comes."""
    bought = sorted((row for row in found["rows"] if row[names.LABELS]), key=lambda row: -row[names.LABELS])
    labels = ", ".join(f"{row[names.LABELS]:,} for {row[names.SLICE]}" for row in bought[:NAMED])
    labels += f" and more in {counted(len(bought) - NAMED, 'other slice')}" if len(bought) > NAMED else ""
    lead = "The cheapest plan for" if found["found"] else "No plan reaches"
    also = "" if found["found"] else "; the nearest"
    reached = f"P(reached) {found['p_target']:.2f}, asked for {found[names.PROBABILITY]:g}"
    money = f"{significant(found[names.COST])} {found[names.UNIT]}"
    return f"{lead} {AIMS[found['of']]} ≤ {found[names.TARGET]:g}{also}: {labels or 'no labels'}, {money}, {reached}."


def weights_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say which plan has the best score at which weights of the risk."""
    best: dict[str, list[str]] = {}
    for row in rows:
        best.setdefault(row["best"], []).append(f"{row['weight']:g}{' (the case)' if row['own'] else ''}")
    said = "; ".join(f"{name} at λ = {', '.join(weights)}" for name, weights in best.items())
    other = any(row["own"] and row["best"] != names.RECOMMENDED for row in rows)
    decides = " The score orders plans and decides nothing: the verdict goes by the case's appetite for risk."
    return f"Best by the score ENB − λ · CVaR: {said}.{decides if other else ''}"


def waits_text(numbers: Mapping[str, Any]) -> str:
    """Say which plan the candidate ``waiting`` is; nothing where there is none."""
    if not (told := numbers[names.WAITING]):
        return ""
    known = "the plan that is best once it is known which changes come" if told["learnt"] else "the plan"
    return f" {names.WAITING}: {known}, {told['days']:,.0f} days later."


def otherwise_text(numbers: Mapping[str, Any]) -> list[str]:
    """Say what the next best candidate, waiting and doing nothing would bring, where each is a candidate."""
    others = [row for row in numbers["plans"] if row[names.PLAN] != names.RECOMMENDED]
    told = others[:1] + [row for row in others[1:] if row[names.PLAN] in (names.WAITING, names.NOTHING)]
    said = ", ".join(f"{row[names.PLAN]} {estimated(row['enb'], row[names.MCSE])}" for row in told)
    return [f"Instead (ENB, {numbers[names.UNIT]}): {said}"] if said else []
