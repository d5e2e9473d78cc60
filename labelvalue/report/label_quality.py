"""What hangs on the labels' quality: the plan, and the advice, with better or worse labels among those bought."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelvalue import names
from labelvalue.decisions import Decision, noise_sensitivity
from labelvalue.decisions.decision import NO_PLAN, worst_state
from labelvalue.decisions.quality import noise_known
from labelvalue.decisions.rules import STATE, rules_of
from labelvalue.decisions.stress import stressed
from labelvalue.decisions.value import volumes
from labelvalue.numerals import number, significant
from labelvalue.report.plans import records
from labelvalue.report.wording import decimals, percent

ORIGINS = {
    names.ELICITED: "from an elicited prior: the case states it",
    names.FROM_ANNOTATIONS: "from data: judgements of the annotations",
    names.FROM_RUNS: "from data: the wrong evaluation labels that the fit found",
}
FACTORS = {0.5: "half as many", 1.0: "as many as now", 2.0: "twice as many"}


def quality_numbers(plan: Decision, *, ci_prob: float = 0.9) -> dict[str, Any] | None:
    """Collect what becomes of a plan, and of the advice, at other shares of wrong labels among new ones.

    Parameters
    ----------
    plan : Decision
        Plan.
    ci_prob : float
        Probability of the equal-tailed intervals, 0 < ci_prob < 1.

    Returns
    -------
    dict or None
        ``rows`` of :func:`labelvalue.decisions.noise_sensitivity`, each with ``title``, ``digits`` of its gain, and
        ``plan``, labels by slice; ``moved``, the slices whose labels differ anywhere; ``origin`` of the share of wrong
        labels, in words; ``sentence``. ``None`` where nothing says how many labels are wrong.

    Examples
    --------
    >>> from labelvalue.decisions import Case, decide
    >>> from labelvalue.testing import fake_fit
    >>> fit = fake_fit(seed=1)
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, label_noise=0.15)
    >>> found = quality_numbers(decide(fit, case, max_labels=900, measure=False))
    >>> [row["title"] for row in found["rows"]]
    ['half as many', 'as many as now', 'twice as many']
    """
    if noise_known(plan.fit, plan.case)[0] is None:
        return None
    table = noise_sensitivity(plan, factors=tuple(FACTORS), ci_prob=ci_prob)
    plans = table.attrs["plans"]
    digits = decimals(table["gain_upper"] - table["gain_lower"])
    rows = [
        row | {"title": FACTORS[row[names.NOISE_FACTOR]], "digits": digits, "plan": labels}
        for row, labels in zip(records(table), plans, strict=True)
    ]
    moved = [name for name in plan.labels if len({labels[name] for labels in plans}) > 1]
    found = {
        "rows": rows,
        "moved": moved,
        "origin": ORIGINS[table.attrs["origin"]],
        names.UNIT: table.attrs[names.UNIT],
    }
    return found | {"sentence": _sentence(found)}


def stress_numbers(plan: Decision) -> list[dict[str, Any]]:
    """Collect the errors that matter under as many wrong labels as are plausible: none, everywhere, or in one slice.

    Parameters
    ----------
    plan : Decision
        From :func:`labelvalue.decisions.decide`.

    Returns
    -------
    list of dict
        One a stress of :func:`labelvalue.decisions.stress_label_errors`: ``stress``; ``wrong_share``, the highest of a
        slice, and the ``slice`` it is in; the mean ``error`` over slices by volume, and that of the ``worst`` slice
        with its name ``worst_slice``; ``net_benefit`` over doing nothing; ``state`` of the case's rules. Empty where
        nothing is bought or wrong labels are not modelled.

    Examples
    --------
    >>> from labelvalue.decisions import Case, decide
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, label_errors=0.15)
    >>> rows = stress_numbers(decide(fake_fit(seed=1), case, max_labels=900, measure=False))
    >>> rows[0]["error"] < rows[1]["error"], rows[0]["net_benefit"] > rows[2]["net_benefit"]
    (True, True)
    """
    drawn = stressed(plan) if plan.total else None
    if drawn is None:
        return []
    rows, weights = [], volumes(plan.fit, plan.case.value)
    for stress in drawn[names.STRESS].values:
        at = drawn.sel({names.STRESS: stress}, drop=True)
        own = at.sel({names.PLAN: names.RECOMMENDED}, drop=True)
        error, wrong = own[names.ERROR].mean(names.SAMPLE).to_series(), own[names.WRONG_SHARE].to_series()
        net = own[names.NET_BENEFIT] - at[names.NET_BENEFIT].sel({names.PLAN: names.NOTHING}, drop=True)
        rows.append(
            {
                names.STRESS: str(stress),
                names.WRONG_SHARE: float(wrong.max()),
                names.SLICE: str(wrong.idxmax()) if wrong.any() else "",
                names.ERROR: float((error * weights.to_series()).sum()),
                "worst": float(error.max()),
                "worst_slice": str(error.idxmax()),
                names.NET_BENEFIT: float(net.mean()),
                STATE: worst_state(rules_of(plan.fit, plan.case, at)[STATE]),
            }
        )
    return rows


def _sentence(found: Mapping[str, Any]) -> str:
    """What the plan gains with better and worse labels, and whether it would still be the advice."""
    fewer, now, more = found["rows"]
    gains = [number(row[names.GAIN], row["digits"]) for row in (fewer, now, more)]
    said = (
        f"Of the new labels, {percent(now[names.WRONG_SHARE])} are taken to be wrong. With half as many wrong ones the "
        f"plan would gain {gains[0]} in mean error instead of {gains[1]}, with twice as many {gains[2]}."
    )
    return " ".join([said, *(_instead(row, now, found[names.UNIT]) for row in (fewer, more))])


def _instead(row: Mapping[str, Any], now: Mapping[str, Any], unit: str) -> str:
    lead = f"With {row['title']},"
    if row["advice"] == NO_PLAN:
        return f"{lead} no plan that was tried keeps the rules of the case."
    broken = "" if row["kept"] else "the plan would no longer keep the rules of the case, and "
    if row["same"]:
        same = row["advice"] == now["advice"]
        return (
            f"{lead} {broken}the advice would be the same." if same else f"{lead} the advice would be: {row['advice']}."
        )
    done = f"{row[names.INTERVENTIONS]} and " if row[names.INTERVENTIONS] else ""
    beside = f"{significant(abs(row['more']))} {'more' if row['more'] >= 0 else 'less'} than the plan's"
    return (
        f"{lead} {broken}the advice would be: {row['advice']}, {done}{row[names.LABELS]:,} labels, for a net benefit "
        f"of {significant(row['best'])} {unit} ({beside})."
    )
