"""What a plan hangs on and how it is carried out, as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelvalue import names
from labelvalue.forecast.reweighting import REFIT, REFITTED
from labelvalue.numerals import significant
from labelvalue.report.plan_text import STANDS
from labelvalue.report.terminal import Rows, Sheet
from labelvalue.report.verdicts import not_perturbed

SHOWN = 8
"""Rows of a sensitivity that are printed; JSON has all."""


def details_text(details: Mapping[str, Any], unit: str) -> str:
    """Lay sensitivity, stability, milestones and detection out in 80 columns.

    Parameters
    ----------
    details : mapping
        ``sensitivity``, ``stability``, ``milestones``, ``detection`` and ``stress`` as lists of rows;
        ``cheapest``, what :func:`labelvalue.cheapest_plan` finds, where the case has a target.
    unit : str
        Currency.

    Returns
    -------
    str
        Lines of at most 80 columns.

    Examples
    --------
    >>> nothing = {"sensitivity": [], "stability": {"index": None, "left_out": 0, "rows": []}, "milestones": []}
    >>> nothing |= {"detection": [], "stress": [], "slices_left_out": 0}
    >>> details_text(nothing, "USD").splitlines()[0]
    'Where to look first: expected net benefit (USD) with each low and high'
    """
    sheet = Sheet()
    sheet.write(f"Where to look first: expected net benefit ({unit}) with each low and high", "")
    table = Rows(["what"], ["low", "high", "share of variance"])
    for row in details["sensitivity"][:SHOWN]:
        share = "" if row["first_order"] is None else f"{100 * row['first_order']:.0f} %"
        table.add_row(row["what"], significant(row["low"]), significant(row["high"]), share)
    sheet.lay(table)
    if (every := len(details["sensitivity"])) > SHOWN:
        sheet.write(f"{SHOWN} of {every} inputs; --json has all.")
    if details["slices_left_out"]:
        sheet.write(f"The gains of {details['slices_left_out']:,} more slices, which vary least, are no inputs here.")
    stability = details["stability"]
    rows = stability["rows"]
    trusted = [row for row in rows if row["advice"] != REFIT]
    changed = [f"{row['change']} {row['what']}" for row in trusted if row["changes"]]
    said = f"the advice changes in {len(changed)} of {len(trusted)} perturbations of data and priors;"
    sheet.write("", f"Stability: {said}")
    again = sum(row["advice"] == REFITTED for row in rows)
    untold = f"; {len(rows) - len(trusted)} of {len(rows)} cannot be told" if len(trusted) < len(rows) else ""
    sheet.write(f"{again} of {len(rows)} were fitted again, the others re-weighted{untold}.{not_perturbed(stability)}")
    sheet.write(*(f"- changes with: {name}" for name in changed))
    if details["milestones"]:
        sheet.write("", "Batch by batch: go on if the mean error has dropped by at least that much", "")
        table = Rows([], ["step", names.LABELS, names.COST, "error", "low", "high", "go if", "P(go)", "P(false stop)"])
        for row in details["milestones"]:
            error = [f"{row[key]:.4f}" for key in (names.ERROR, "low", "high")]
            rule = ["", "", ""]
            if row["p_go"] is not None:
                go = "always" if row["p_go"] == 1 else "never" if row["p_go"] == 0 else f"{row['go_if_gain']:.4f}"
                rule = [go, f"{row['p_go']:.2f}", f"{row['false_stop']:.2f}"]
            table.add_row(str(row["step"]), f"{row[names.LABELS]:,}", significant(row[names.COST]), *error, *rule)
        sheet.lay(table)
    if details["detection"]:
        sheet.write("", "Would the evaluation sets at hand show the gain? Items needed for 80 %", "")
        table = Rows([names.SLICE], ["P(detected)", "items", "needed"])
        for row in details["detection"]:
            needed = "more than trainings allow" if row["trials_needed"] is None else f"{row['trials_needed']:,.0f}"
            items = "" if row[names.TRIALS] is None else f"{row[names.TRIALS]:,.0f}"
            table.add_row(row[names.SLICE], f"{row['p_detected']:.2f}", items, needed)
        sheet.lay(table)
    if details["stress"]:
        sheet.write("", "If new labels are wrong, as many as is plausible (95 %): errors and rules", "")
        table = Rows(["wrong labels"], ["share", "mean error", "worst slice", "net benefit", "rules"])
        for row in details["stress"]:
            errors = [f"{row[names.ERROR]:.4f}", f"{row['worst']:.4f} {row['worst_slice']}"]
            share = f"{100 * row[names.WRONG_SHARE]:.0f} %"
            table.add_row(row["stress"], share, *errors, significant(row[names.NET_BENEFIT]), STANDS[row["state"]])
        sheet.lay(table)
    if "cheapest" in details:
        found = details["cheapest"]
        labels = ", ".join(
            f"{row[names.LABELS]:,} for {row[names.SLICE]}" for row in found["rows"] if row[names.LABELS]
        )
        reached = f"P(target) {found['p_target']:.2f}, asked for {found[names.PROBABILITY]:g}"
        lead = "The cheapest plan for the target" if found["found"] else "No plan reaches the target; the nearest"
        sheet.write("", f"{lead}: {labels or 'nothing'}, {significant(found[names.COST])} {unit}, {reached}.")
    return sheet.text()
