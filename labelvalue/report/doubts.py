"""Reasons to doubt a plan, the strongest first, and what limits it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from labelvalue import names
from labelvalue.decisions import Case
from labelvalue.forecast import VALIDATED_DOUBLINGS
from labelvalue.forecast.reweighting import REFIT
from labelvalue.forecast.trust import trusted_distance
from labelvalue.model import Fit
from labelvalue.numerals import significant
from labelvalue.report.tables import P_POSITIVE
from labelvalue.report.wording import percent, probability

SURE = 0.95
"""P(net benefit > 0) below which the page says that money may be lost."""


def reservations(fit: Fit, plan: Mapping[str, Any]) -> list[str]:
    """List reasons to doubt a plan, the strongest first.

    Parameters
    ----------
    fit : Fit
        Fit.
    plan : mapping
        From :func:`labelvalue.report.planning.decision_numbers`.

    Returns
    -------
    list of str
        At least one sentence.

    Examples
    --------
    >>> from labelvalue.decisions import decide
    >>> from labelvalue.report.planning import decision_numbers
    >>> from labelvalue.testing import fake_fit
    >>> fit, case = fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> reservations(fit, decision_numbers(decide(fit, case, max_labels=900, measure=False)))[-1][:12]
    'What a label'
    """
    return [*_of_plan(plan), *_of_forecast(fit, plan), *_always()]


def _of_plan(plan: Mapping[str, Any]) -> Iterator[str]:
    unit, net = plan[names.UNIT], plan[names.NET_BENEFIT]
    broken = [row for row in plan["rules"] if not row["kept"]]
    if broken:
        yield f"{len(broken)} of {len(plan['rules'])} guardrails are not met with the probability asked for."
    bought = plan["plan"]["total"] or plan["plan"][names.INTERVENTIONS]
    if bought and net[P_POSITIVE] < SURE:
        yield f"The money may be lost: P(net benefit > 0) {probability(net[P_POSITIVE])}."
    stress = plan["scenarios"][0]
    if bought and stress[names.NET_BENEFIT] < 0:
        yield (
            f"In the worst {percent(stress[names.PROBABILITY])} of cases the plan loses "
            f"{significant(-stress[names.NET_BENEFIT])} {unit} on average."
        )
    trusted = [row for row in plan["stability"]["rows"] if row["advice"] != REFIT]
    changed = [row for row in trusted if row["changes"]]
    if changed:
        first = ", ".join(f"{row['change']} {row['what']}" for row in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        yield f"The advice changes in {len(changed)} of {len(trusted)} perturbations of data and priors: {first}{more}."


def _of_forecast(fit: Fit, plan: Mapping[str, Any]) -> Iterator[str]:
    bought = [row for row in plan[names.GAIN] if row[names.LABELS]]
    total = sum(row[names.LABELS] for row in bought)
    far = [row for row in bought if row[names.DOUBLINGS] > VALIDATED_DOUBLINGS]
    if far:
        share = sum(row[names.LABELS] for row in far) / total
        yield (
            f"{percent(share)} of the labels go to {len(far)} slice{'s' if len(far) > 1 else ''} whose forecast lies "
            f"beyond the validated distance of {VALIDATED_DOUBLINGS:g} doublings."
        )
    flagged = [row for row in bought if fit.diagnostics.flags.get(row[names.SLICE])]
    if flagged:
        share = sum(row[names.LABELS] for row in flagged) / total
        yield f"{percent(share)} of the labels go to {len(flagged)} flagged slice{'s' if len(flagged) > 1 else ''}."
    if fit.backtest is not None and not trusted_distance(fit.backtest):
        yield "The check of forecasts on these runs, below, gives no ground to trust them."
    if fit.backtest is None:
        yield "How far such forecasts came true on these runs was not checked (no backtest)."


def _always() -> Iterator[str]:
    yield "What a label costs and what an error point is worth are taken from the case; no data here can confirm them."


def planning_limits(case: Case, plan: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Generate what limits a decision, check by check.

    Parameters
    ----------
    case : Case
        Case.
    plan : mapping
        From :func:`labelvalue.report.planning.decision_numbers`.

    Returns
    -------
    list of (check, topic, text)
        Found by checks first, standing assumptions last.

    Examples
    --------
    >>> from labelvalue.decisions import decide
    >>> from labelvalue.report.planning import decision_numbers
    >>> from labelvalue.testing import fake_fit
    >>> fit, case = fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> plan = decision_numbers(decide(fit, case, max_labels=900, measure=False))
    >>> planning_limits(case, plan)[-1][0]
    'money-as-stated'
    """
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
            f"{len(unknown)} of {len(rows)} perturbations of data and priors can only be judged by fitting again; they "
            "are not counted as stable."
        )
        found.append(("stability", "stability not wholly known", text))
    blind = [
        row for row in plan["detection"] if row["p_detected"] < 0.5 and plan["plan"][names.LABELS][row[names.SLICE]]
    ]
    if blind:
        text = (
            f"In {len(blind)} of the slices that get labels, the evaluation sets at hand would more likely than not "
            f"miss the gain that the plan promises there: {', '.join(row[names.SLICE] for row in blind)}."
        )
        found.append(("detection", "gains that could go unseen", text))
    if case.label_errors == 0.0 and case.label_noise is None:
        text = (
            "New labels are taken to be as right as those of the runs: the case states no share of wrong labels "
            "(label_errors), and inconsistent labelling would lower every gain."
        )
        found.append(("labelling-consistency", "labels as good as before", text))
    if not plan["plan"]["total"]:
        found.append(("no-purchase", "nothing is bought", "Limits below concern a purchase that is not advised."))
    text = (
        "Prices, values, volumes and stakes are those of the case. The intervals hold what the case states as "
        "uncertain, and no doubt about what it states as exact."
    )
    found.append(("money-as-stated", "money is as the case says", text))
    return found
