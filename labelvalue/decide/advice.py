"""The verdict on a plan: buy, wait, or measure first."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd

from labelvalue import names
from labelvalue.decide.audits import MEASURED, price_audits
from labelvalue.decide.case import Case
from labelvalue.decide.pilots import price_measurements
from labelvalue.decide.plan import BUY, MEASURE, QUALITY, Plan, Verdict
from labelvalue.decide.promises import GAIN
from labelvalue.decide.targeting import beside_plan, target_slices
from labelvalue.model import Fit
from labelvalue.numerals import estimated, readable

NOTHING = 1e-9
"""Share of a plan's worth below which a difference is one of rounding."""
SURE = 2.0
"""Monte Carlo standard errors by which a measurement's worth must exceed 0."""
TRIFLE = 0.01
"""Share of the expected net benefit of deciding now below which a measurement is not worth the trouble."""


def advise(fit: Fit, case: Case, plan: Plan) -> Plan:
    """Give a plan its last word: whether to buy it now, to wait, or to measure first.

    ``measure first`` where the best measurement's ENBS is above 0 by more than Monte Carlo error and by one percent of
    what deciding now is worth; a rule on the gain that is not kept stays ``wait``.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case.
    plan : Plan
        From :func:`labelvalue.decide.allocate`.

    Returns
    -------
    Plan
        The same plan with its verdict; ``measurements``, the table that it rests on; and ``target``, which slice the
        next labels are worth most in, a tie called a tie.

    Raises
    ------
    InputError
        If the case does not belong to the fit.

    Examples
    --------
    >>> from labelvalue.decide import allocate
    >>> from labelvalue.testing import fake_fit
    >>> fit, case = fake_fit(seed=1), Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> advise(fit, case, allocate(fit, case, max_labels=2000)).verdict.advice
    'buy'
    """
    measurements = price_audits(fit, case, plan)
    if plan.verdict.advice != QUALITY:  # a pilot does not tell what quality brings, an audit does
        priced = price_measurements(fit, case, plan)
        both = pd.concat([priced, measurements]) if len(measurements) else priced
        measurements = both.sort_values(names.ENBS, ascending=False, kind="stable", ignore_index=True)
        measurements.attrs = priced.attrs
    labels = max(1, plan.total // max(1, fit.slices.size)) if plan.total else max(1, plan.max_labels // 10)
    target = target_slices(fit, case, labels)
    verdict = _verdict(plan, measurements)
    target.attrs["sentence"] = beside_plan(target, plan)
    verdict = dataclasses.replace(verdict, reasons=(*verdict.reasons, target.attrs["sentence"]))
    return dataclasses.replace(plan, verdict=verdict, measurements=measurements, target=target)


def _verdict(plan: Plan, measurements: pd.DataFrame) -> Verdict:
    """The plan's own verdict, or ``measure first``."""
    broken = not plan.promises.empty and bool((~plan.promises["kept"] & (plan.promises["kind"] == GAIN)).any())
    if measurements.empty or broken:
        return plan.verdict
    best: Any = measurements.iloc[0]
    worth = max(float(plan.advantage().mean()), 0.0)
    unit = measurements.attrs[names.UNIT]
    what = f"{best['size']:,} {MEASURED[best['kind']]} for {best[names.SLICE]}"
    if best[names.ENBS] <= max(SURE * best[names.MCSE], TRIFLE * worth):
        enbs = 0.0 if abs(best[names.ENBS]) < NOTHING * max(worth, 1.0) else float(best[names.ENBS])
        left = f"worth {estimated(enbs, best[names.MCSE], readable(enbs, 3))} {unit} after it is paid"
        said = f"no measurement is worth more than it costs (best: {what}, {left})"
        return dataclasses.replace(plan.verdict, reasons=(*plan.verdict.reasons, said))
    said = (
        f"{what} first, then decide: worth {readable(best[names.ENBS], 3)} {unit} more than deciding now "
        f"(90 % {readable(best['lower'], 3)} to {readable(best['upper'], 3)}); "
        f"another plan will look best with probability {best['changes']:.2f}"
    )
    keys = ("kind", names.SLICE, "size", names.EVSI, names.COST, names.ENBS, "lower", "upper", "changes")
    pilot = {key: best[key].item() if hasattr(best[key], "item") else best[key] for key in keys}
    now = f"{BUY} {plan.total:,} labels" if plan.verdict.advice == BUY else plan.verdict.advice
    return Verdict(MEASURE, (said, f"deciding now would be: {now}", *plan.verdict.reasons), pilot)
