"""What stands on the first page, for whoever pays: rows of the picture, three scenarios, and what would change it."""

from collections.abc import Iterator, Mapping
from typing import Any

from labelvalue import names
from labelvalue.decisions.advice.decision import BUY, MEASURE, NO_PLAN, QUALITY, WAIT
from labelvalue.decisions.case.costs import learner_names
from labelvalue.decisions.case.guardrails import TAKEN
from labelvalue.decisions.search.listing import HALF
from labelvalue.decisions.sensitivity.offers import AS_PLANNED
from labelvalue.decisions.sensitivity.what_if import PRICE
from labelvalue.report.numbers.tables import LOWER, MEAN, UPPER
from labelvalue.report.words.doubts import evppi_text
from labelvalue.report.words.wording import decimals, spoken

ROWS = 10  # slices of the picture; it says how many more there are
TITLES = {BUY: "Labels to buy", QUALITY: "Labels to buy", WAIT: "Best purchase", MEASURE: "If decided now"}
OTHERS = (names.LABELS_ONLY, names.EQUAL_SPLIT)  # of those, what may stand beside a plan that is more than labels
MULTIPLES = {"÷ 2": "half as large", "× 2": "twice as large"}
AXES = {PRICE: ("a label", "costs"), names.VALUE: ("an error point", "is worth")}


def purchase_rows(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Lay out the picture of slices: labels bought, error today, gain; if nothing is bought, gains at a ``budget``."""
    plan = numbers[names.PLAN]
    if plan is not None and plan["plan"]["total"]:
        now = {row[names.SLICE]: row for row in plan["today"]}
        rows = [_row(row[names.SLICE], now[row[names.SLICE]], row, "low", "high") for row in plan[names.GAIN]]
        return _shown(rows, None) | {"title": TITLES[plan["verdict"]]}
    compared = numbers["decision"]["by_learner"]
    if numbers["decision"]["status"] != "published" or not compared:
        return _shown([], None)
    budget, several = compared[0][names.BUDGET], len(numbers["learners"]) > 1
    rows = []
    for row in numbers["slices"] if plan is None else _of_learners(numbers, plan["learner"]):
        gain = next(g for g in row["gains"] if g[names.BUDGET] == budget)
        title = f"{row[names.SLICE]} · {row[names.LEARNER]}" if several and plan is None else row[names.SLICE]
        rows.append(_row(title, row, {names.GAIN: gain[MEAN], **gain, names.LABELS: 0}, LOWER, UPPER))
    return _shown(rows, budget)


def _of_learners(numbers: Mapping[str, Any], learner: Any) -> list[Mapping[str, Any]]:
    """The row of each slice under the learner that decides, of several under the one with the lowest error now."""
    wanted = learner_names(learner) if learner else numbers["learners"][:1]
    rows = [row for row in numbers["slices"] if row.get(names.LEARNER) in (None, *wanted)]
    lowest = {row[names.SLICE]: row for row in sorted(rows, key=lambda row: -row[names.ERROR_NOW][MEAN])}
    return [row for row in rows if lowest[row[names.SLICE]] is row]


def _row(title: str, now: Mapping[str, Any], gain: Mapping[str, Any], low: str, high: str) -> dict[str, Any]:
    error = now[names.ERROR_NOW]
    found = {names.SLICE: title, names.LABELS: gain[names.LABELS], names.GAIN: gain[names.GAIN]}
    found |= {LOWER: gain[low], UPPER: gain[high]}
    return found | {names.ERROR_NOW: error[MEAN], "width": error[UPPER] - error[LOWER]}


def _shown(rows: list[dict[str, Any]], budget: int | None) -> dict[str, Any]:
    rest = rows[ROWS:] if len(rows) > ROWS + 1 else []
    shown = rows[: len(rows) - len(rest)]
    found = {"rows": shown, names.BUDGET: budget, "digits": decimals(row["width"] for row in rows)}
    return found | {"more": len(rest), "more_labels": sum(row[names.LABELS] for row in rest)}


def three_scenarios(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Hold the decision against doing nothing and another candidate: the case's own plans where it names them."""
    advised = ", as advised" if plan["verdict"] in (WAIT, NO_PLAN) else ""
    none = {"title": f"Buy nothing{advised}", names.LABELS: 0, names.COST: 0.0, "net": None}
    total, weighed = plan["plan"]["total"], {row[names.PLAN]: row for row in plan["plans"]}
    tried = [row for row in plan["ladder"] if row["split"] == AS_PLANNED and row[names.LABELS]]
    if not total and not plan["plan"][names.INTERVENTIONS]:
        most = plan["plan"]["max_labels"]
        shown = {row[names.LABELS]: row for row in [*tried[:1], *_nearest(tried, most)]}
        return [none, *(_of_ladder(row, "Labels split evenly") for row in shown.values())]
    named = [_of_plan(row, row[names.PLAN]) for name, row in weighed.items() if name not in TAKEN][:2]
    half = [_of_ladder(row, HALF.capitalize()) for row in _nearest(tried, total / 2)]
    split = [_of_plan(weighed[name], name.capitalize()) for name in OTHERS if name in weighed]
    title = {WAIT: "The best purchase", MEASURE: "The plan, if decided now"}.get(plan["verdict"], "The plan")
    own = _of_plan(weighed[names.RECOMMENDED], title)
    return [own, *(named or half or split[:1]), none]


def _nearest(rows: list[Mapping[str, Any]], labels: float) -> list[Mapping[str, Any]]:
    """The plan of the ladder that buys about so many labels, if any does."""
    close = sorted(rows, key=lambda row: abs(row[names.LABELS] - labels))
    return [row for row in close[:1] if abs(row[names.LABELS] - labels) <= 0.1 * labels]


def _of_plan(row: Mapping[str, Any], title: str) -> dict[str, Any]:
    net = {MEAN: row["enb"], LOWER: row[LOWER], UPPER: row[UPPER], names.MCSE: row[names.MCSE]}
    return {"title": title, names.LABELS: row[names.LABELS], names.COST: row[names.COST], "net": net}


def _of_ladder(row: Mapping[str, Any], title: str) -> dict[str, Any]:
    net = {key: row[key] for key in (MEAN, LOWER, UPPER)} | {names.MCSE: None}
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
