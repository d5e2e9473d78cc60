"""A plan as plain text that fits a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelvalue import names
from labelvalue.numerals import endless, estimated, significant
from labelvalue.report.render.terminal import Rows, Sheet

AIMS = {"mean": "mean error", "worst": "error of the worst slice", "gap": "gap between slices"}
"""What a target is about, in words."""
ENDS = ("median", "lower", "upper")
STANDS = {names.PASS: "kept", names.STOP: "NOT KEPT", names.INCONCLUSIVE: "NOT KNOWN"}  # a rule's state in a word


def plan_text(numbers: Mapping[str, Any]) -> str:
    """Lay a plan out in 80 columns: verdict and why, what is bought, what it brings and costs, what else there was."""
    sheet, share = Sheet(), f"{100 * numbers[names.CI_PROB]:g} %"
    sheet.write(*([f"Case: {numbers['case']}"] if numbers["case"] else []))
    sheet.write(f"Verdict: {numbers['verdict'].upper()}", *(f"- {reason}" for reason in numbers["reasons"]))
    if numbers["plan"]["total"]:
        sheet.write("")
        sheet.lay(bought_rows(numbers[names.GAIN]))
    sheet.write("", *_money(numbers), "")
    sheet.lay(_plans(numbers))
    worst = f"{100 * (1 - numbers['risk'][names.LEVEL]):.3g} %"
    sheet.write(
        "",
        f"All money in {numbers[names.UNIT]}. enb: expected net benefit. MC error: its Monte Carlo error. cvar: mean "
        f"of the worst {worst} of losses against doing nothing. P(best): no plan here is better.",
    )
    sheet.write(weights_text(numbers["weights"]))
    for row in numbers.get("offers", ()):
        worth = (row[names.EQUIVALENT_LABELS], row[names.BREAK_EVEN])
        labels, money = ([endless(one[end]) for end in ENDS] for one in worth)
        sheet.write(
            f"Offer {row['name']}: worth {labels[0]} plain labels ({share}: {labels[1]} to {labels[2]}), break-even "
            f"price {money[0]} ({money[1]} to {money[2]}); {'in the plan' if row['done'] else 'not in the plan'}"
        )
    for row in numbers["rules"]:
        asked = f"probability {row['p_kept']:.2f}, asked for {row['required']:g}: "
        sheet.write(f"Rule {row['words']}: {'' if row['required'] == 1 else asked}{STANDS[row['state']]}")
    for row in numbers["approvals"]:
        said = f"Needs the approval of {row['approver']}: costs more than {significant(row['above'])}"
        sheet.write(said + (f" ({row['reason']})" if row["reason"] else ""))
    for row in numbers["prices"]:
        sheet.write(f"Limit {row['limit']}: worth {significant(row['price'])} per {row['per']} if it were looser")
    sheet.write(*(f"Note: {note}" for note in numbers["notes"]))
    return sheet.text()


def bought_rows(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Lay out what a plan buys in each slice and what that brings."""
    flagged = any(row[names.FLAGS] for row in rows)
    table = Rows([names.SLICE], [names.LABELS, names.GAIN, "lower", "upper", "P(gain>0)", "error then"])
    if flagged:
        table.add_column("flags", overflow="fold")
    for row in rows:
        cells = [f"{row[names.LABELS]:,}", *(f"{row[key]:z.4f}" for key in (names.GAIN, "low", "high"))]
        cells += [f"{row[names.P_GAIN]:.2f}", f"{row[names.ERROR]:.4f}"]
        table.add_row(row[names.SLICE], *cells, *([row[names.FLAGS]] if flagged else []))
    return table


def _money(numbers: Mapping[str, Any]) -> list[str]:
    unit, share = numbers[names.UNIT], f"{100 * numbers[names.CI_PROB]:g} %"
    cost, net, days = (numbers[key] for key in (names.COST, names.NET_BENEFIT, names.DAYS))

    def within(part: Mapping[str, float]) -> str:
        if part["upper"] - part["lower"] < 1e-9 * max(abs(part["mean"]), 1.0):
            return ""
        return f" ({share}: {significant(part['lower'])} to {significant(part['upper'])})"

    lines = [
        f"Net benefit  {estimated(net['mean'], net[names.MCSE])} {unit}{within(net)}, P(> 0) = {net['p_positive']:.2f}",
        f"Cost         {significant(cost['mean'])} {unit}{within(cost)}",
    ]
    if cost["reserve"] > 0:
        lines.append(
            f"Reserve      {significant(cost['reserve'])} {unit} more keeps P(overrun) at {cost['p_overrun']:g}"
        )
    mean, worst = (numbers["trade_off"][key] for key in ("mean", "worst"))
    other = "" if worst["slice_now"] == worst["slice_then"] else f" ({worst['slice_then']})"
    lines.append(
        f"Error        mean of slices {mean['now']:.4f} → {mean['then']:.4f}, worst ({worst['slice_now']}) "
        f"{worst['now']:.4f} → {worst['then']:.4f}{other}"
    )
    lines += [
        f"Other mix    {row['change']}: mean gain {row['mean']:.4f} ({share}: {row['lower']:.4f} to {row['upper']:.4f})"
        for row in numbers["mixes"]
    ]
    if (aim := numbers[names.TARGET_REACHED]) is not None:
        reached = f"P(reached) {aim['now']:.2f} → {aim['then']:.2f}"
        lines.append(f"Target       {AIMS[aim['of']]} ≤ {aim['error']:g}: {reached}")
    if days["upper"] > 0:
        lines.append(f"Last label   in {significant(days['mean'])} days{within(days)}")
    return lines


def cheapest_text(found: Mapping[str, Any]) -> str:
    """Say in 80 columns with which labels a target is reached for the least money, or how near one comes."""
    labels = ", ".join(f"{row[names.LABELS]:,} for {row[names.SLICE]}" for row in found["rows"] if row[names.LABELS])
    lead = "The cheapest plan for" if found["found"] else "No plan reaches"
    also = "" if found["found"] else "; the nearest"
    reached = f"P(reached) {found['p_target']:.2f}, asked for {found[names.PROBABILITY]:g}"
    money = f"{significant(found[names.COST])} {found[names.UNIT]}"
    sheet = Sheet()
    sheet.write(
        f"{lead} {AIMS[found['of']]} ≤ {found[names.TARGET]:g}{also}: {labels or 'no labels'}, {money}, {reached}."
    )
    return sheet.text()


def weights_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say which plan has the best score at which weights of the risk."""
    best: dict[str, list[str]] = {}
    for row in rows:
        best.setdefault(row["best"], []).append(f"{row['weight']:g}{' (the case)' if row['own'] else ''}")
    said = "; ".join(f"{name} at λ = {', '.join(weights)}" for name, weights in best.items())
    return f"Best by the score enb − λ · cvar: {said}."


def _plans(numbers: Mapping[str, Any]) -> Rows:
    table = Rows([names.PLAN], [names.LABELS, names.COST, "enb", "MC error", "cvar", "P(best)"])
    for row in numbers["plans"]:
        enb = estimated(row["enb"], row[names.MCSE])
        money = [significant(row[names.COST]), enb, *(significant(row[key]) for key in (names.MCSE, "cvar"))]
        table.add_row(row[names.PLAN], f"{row[names.LABELS]:,}", *money, f"{row[names.P_BEST]:.2f}")
    return table
