"""The one place where a decision is made: from a fit and a case to what to buy, and whether."""

from __future__ import annotations

import contextlib
import dataclasses

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.decisions.advice.decision import QUALITY, Decision
from labelvalue.decisions.advice.rules import with_labels_to_decide
from labelvalue.decisions.advice.verdicts import measured_verdict, verdict_of
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.measuring.information import beside_plan, target_slices
from labelvalue.decisions.measuring.pilots import price_audits, price_measurements
from labelvalue.decisions.outcomes.errors import evaluation_notes, labels_today
from labelvalue.decisions.outcomes.portfolio import portfolio_notes
from labelvalue.decisions.outcomes.spending import notes_of
from labelvalue.decisions.outcomes.waiting import with_waiting
from labelvalue.decisions.search.allocation import find_plan, no_plan
from labelvalue.decisions.search.cheapest import cheapest_plan
from labelvalue.decisions.search.mixtures import weigh_interventions
from labelvalue.decisions.search.optimise import NoPlanError
from labelvalue.forecast.gains.gains import whole_numbers
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import MAX_COUNT
from labelvalue.problems import quote

NEARLY_ALL = 0.98  # share of the labels allowed by default from which a plan may be no larger for want of more


def decide(
    fit: Fit,
    case: Case,
    max_labels: int | None = None,
    *,
    max_spend: float = np.inf,
    lot: int = 1,
    measure: bool = True,
) -> Decision:
    """Decide what to buy: labels slice by slice, what the case offers beside them, nothing yet, or a measurement first.

    Whole labels, at most ``max_labels`` together and within every limit and rule of the case. The plan is valued as a
    whole under the same draws as doing nothing, an equal and a proportional split, and is never worse than they are.
    Interventions of the case are tried with all, part or none of its labels. Evaluation labels that the case asks for
    and that are not there come first: they count among ``max_labels`` and are paid for by any plan, unless an
    intervention brings them. Pilots, evaluation labels and audits are then priced by what they would change.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Costs, value, rules, limits, risk appetite.
    max_labels : int, optional
        Most labels in all, ≥ 0; as many as there are today where it is not given.
    max_spend : float
        Most money, > 0: expected cost and reserve together.
    lot : int
        Labels are bought in multiples of it, ≥ 1.
    measure : bool
        Whether to price waiting and measurements, without which the verdict is never ``measure first``, and to look for
        the cheapest plan where the case has a target.

    Returns
    -------
    Decision
        Labels, outcomes under paired draws, certificate, shadow prices, rules and verdict: ``buy``, ``wait``,
        ``measure first``, ``spend on quality``, or ``no plan`` where nothing keeps every limit, with each that binds
        and the smallest change that frees it.

    Raises
    ------
    InputError
        If the case does not belong to the fit, or an intervention lacks what it needs.
    ValueError
        If a number is not whole or out of range.

    Examples
    --------
    >>> from labelvalue import Case
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400}, slices={"west": {"minimum": 100}})
    >>> decision = decide(fake_fit(seed=1), case, max_labels=2000)
    >>> decision.labels["west"] >= 100, decision.verdict.advice
    (True, 'buy')
    """
    most = labels_today(fit) if max_labels is None else int(whole_numbers([max_labels], "max_labels")[0][0])
    if isinstance(lot, bool) or not isinstance(lot, (int, np.integer)) or not 1 <= lot <= MAX_COUNT:
        why = f"lot must be a whole number ≥ 1, at most {MAX_COUNT:,}, got {quote(lot)}"
        raise ValueError(f"{why}. Fix: give the labels of a lot, such as 100.")
    if not max_spend > 0:
        raise ValueError(f"max_spend must be > 0, got {max_spend!r}. Fix: give the most money that may be spent.")
    case.check(fit)
    try:
        made = find_plan(fit, case, most, max_spend=max_spend, lot=lot)
    except NoPlanError as error:
        notes = (*notes_of(fit, case.costs, case.learner), *evaluation_notes(fit, case))
        made = no_plan(fit, case, most, error.problems, notes)
        return dataclasses.replace(made, verdict=verdict_of(made))
    if case.interventions or case.scenarios:
        made = weigh_interventions(made)
    made = dataclasses.replace(made, notes=(*made.notes, *portfolio_notes(made)))
    rules = with_labels_to_decide(fit, case, made.outcomes, made.rules)
    made = dataclasses.replace(made, rules=rules)
    if max_labels is None and made.total > NEARLY_ALL * most:
        said = f"at most {most:,} labels were weighed, as many as there are today; max_labels allows others"
        made = dataclasses.replace(made, notes=(*made.notes, said))
    made = dataclasses.replace(made, verdict=verdict_of(made))
    if measure and case.value.target is not None:
        with contextlib.suppress(NoPlanError):
            made = dataclasses.replace(made, cheapest=cheapest_plan(fit, case, max_labels=max_labels))
    return _measured(made) if measure else made


def _measured(made: Decision) -> Decision:
    """Price waiting and what could be measured first, and rank the slices that the next labels are worth most in."""
    found = price_audits(made)
    if made.verdict.advice != QUALITY:  # a pilot does not tell what quality brings, an audit does
        priced = price_measurements(made)
        both = pd.concat([priced, found]) if len(found) else priced
        found = both.sort_values(names.ENBS, ascending=False, kind="stable", ignore_index=True)
        found.attrs = priced.attrs
    labels = max(1, made.total // max(1, made.fit.slices.size)) if made.total else max(1, made.max_labels // 10)
    target = target_slices(made.fit, made.case, labels)
    target.attrs["sentence"] = beside_plan(target, made)
    made = dataclasses.replace(with_waiting(made), measurements=found, target=target)
    verdict = measured_verdict(made)
    return dataclasses.replace(
        made, verdict=dataclasses.replace(verdict, reasons=(*verdict.reasons, target.attrs["sentence"]))
    )
