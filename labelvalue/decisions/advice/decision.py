"""A decision: whole labels by slice, what they bring, how the rules stand, and the verdict with its reasons."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.case.guardrails import Approval
from labelvalue.decisions.search.optimise import Certificate
from labelvalue.forecast.gains.curves import VALIDATED_DOUBLINGS
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import tails
from labelvalue.printing import shown
from labelvalue.problems import Problem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BUY, WAIT, MEASURE, QUALITY, NO_PLAN = "buy", "wait", "measure first", "spend on quality", "no plan"
SURE = 2.0  # Monte Carlo standard errors beyond which a difference is one


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What to do, and why.

    Parameters
    ----------
    advice : {"buy", "wait", "measure first", "spend on quality", "no plan"}
        The advice; ``no plan`` where nothing keeps every limit of the case.
    reasons : tuple of str
        Sentences, the weightiest first.
    pilot : mapping of str to object
        Where a measurement comes first: ``kind``, ``slice``, ``size``, and its ``enbs`` in money; empty otherwise.

    Examples
    --------
    >>> Verdict("wait", ("expected net benefit -3",)).advice
    'wait'
    """

    advice: str
    reasons: tuple[str, ...]
    pilot: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.reasons)
        return f"<p>Verdict: <strong>{html.escape(self.advice)}</strong></p><ul>{reasons}</ul>"


@dataclasses.dataclass(frozen=True)
class Decision:
    """What to do: labels to buy for every slice, what they bring beside other plans, the rules, and the verdict.

    Parameters
    ----------
    fit : Fit
        Fit that it was made from.
    case : Case
        Case that it was made for.
    labels : mapping of str to int
        Whole labels of every slice.
    max_labels : int
        Labels that were allowed.
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`: the plan (``recommended``), ``do nothing``, ``equal split`` and
        ``proportional split`` under the same draws.
    certificate : Certificate
        Objective of the plan beside others', and the solver's status.
    rules : pandas.DataFrame
        From :func:`labelvalue.rules.check_guardrails`: how every rule of the case stands for the plan; and
        ``labels_to_decide``, the labels of every slice after which one that is open would be decided, missing elsewhere
        and where none within reach would.
    max_spend : float
        Money that was allowed, the reserve included.
    lot : int
        Labels are bought in multiples of it.
    verdict : Verdict
        What to do.
    prices : pandas.DataFrame
        Shadow prices of the limits that bind.
    interventions : tuple of str
        What of the case's interventions is done beside buying labels.
    weighed : pandas.DataFrame
        What of the case's interventions was weighed beside labels alone: ``option``, ``labels``, ``cost``,
        ``net_benefit`` over doing nothing, ``less`` than the decision with its ``mcse``, whether ``chosen``, and
        ``why``.
    evaluation : mapping of str to int
        Evaluation labels that come with the plan, by a rule of the case or one of its interventions.
    notes : tuple of str
        What must be said beside the plan.
    measurements : pandas.DataFrame
        What could be measured first; empty where that was not asked.
    target : pandas.DataFrame
        Which slice the next labels are worth most in; empty as well.
    waiting : mapping of str to float
        What putting the plan off is worth: ``days``, ``value`` (negative: it costs so much) with ``mcse``, and
        ``learnt``, whether dated changes are known by then; empty where days cost nothing or that was not asked.
    cheapest : pandas.DataFrame
        The cheapest labels that reach the target of the case, from :func:`labelvalue.plans.cheapest_plan`; empty where
        it has none or that was not asked.
    problems : tuple of Problem
        Why no plan keeps every limit, with the smallest change that frees it; empty where one does.

    Examples
    --------
    >>> from labelvalue import Case, decide
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> decision = decide(fake_fit(seed=1), case, max_labels=2000, measure=False)
    >>> decision.verdict.advice, decision.total <= 2000, decision.state
    ('buy', True, 'PASS')
    """

    fit: Fit = dataclasses.field(repr=False)
    case: Case = dataclasses.field(repr=False)
    labels: Mapping[str, int]
    max_labels: int
    outcomes: xr.Dataset
    certificate: Certificate
    rules: pd.DataFrame
    max_spend: float = np.inf
    lot: int = 1
    verdict: Verdict = Verdict(WAIT, ())
    prices: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    interventions: tuple[str, ...] = ()
    weighed: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    evaluation: Mapping[str, int] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    measurements: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    target: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    waiting: Mapping[str, float] = dataclasses.field(default_factory=dict)
    cheapest: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    problems: tuple[Problem, ...] = ()

    @property
    def state(self) -> str:
        """How the case's rules stand: ``STOP``, also where no plan keeps them, ``INCONCLUSIVE`` or ``PASS``."""
        return worst_state([names.STOP] if self.problems else self.rules["state"])

    @property
    def approvals(self) -> tuple[Approval, ...]:
        """Who must agree before the plan is carried out."""
        if self.verdict.advice not in (BUY, QUALITY):
            return ()
        cost = self.outcomes[names.COST].sel({names.PLAN: names.RECOMMENDED})
        return tuple(one for one in self.case.approvals if one.is_needed(float(cost.mean())))

    def __repr__(self) -> str:
        return f"<labelvalue.Decision {self.verdict.advice!r}: {self.total:,} of {self.max_labels:,} labels>"

    def __str__(self) -> str:
        return shown("report.decision_text", self)

    def plot(self) -> Figure:
        """Plot what the plan is worth: :func:`labelvalue.report.plot_decision`.

        Returns
        -------
        matplotlib.figure.Figure
            Not known to pyplot.
        """
        return shown("report.plot_decision", self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict, and every slice with its 90 % interval."""
        table = self.table().sort_values(names.LABELS, ascending=False, kind="stable")
        shown = table.to_html(index=False, escape=True, border=0, float_format="{:.4f}".format)
        return f"{self.verdict._repr_html_()}<p>{self.total:,} of {self.max_labels:,} labels allowed.</p>{shown}"

    @property
    def total(self) -> int:
        """Labels of all slices together."""
        return sum(self.labels.values())

    def advantage(self, plan: str = names.RECOMMENDED) -> xr.DataArray:
        """Draw the net benefit of a plan less that of doing nothing.

        Parameters
        ----------
        plan : str
            A plan of ``outcomes``.

        Returns
        -------
        xarray.DataArray
            Dims chain, draw; money.
        """
        net = self.outcomes[names.NET_BENEFIT]
        return net.sel({names.PLAN: plan}, drop=True) - net.sel({names.PLAN: names.NOTHING}, drop=True)

    def table(self, ci_prob: float = 0.9) -> pd.DataFrame:
        """Return what the plan buys and what that brings, slice by slice.

        Parameters
        ----------
        ci_prob : float
            Probability of the equal-tailed intervals, 0 < ci_prob < 1.

        Returns
        -------
        pandas.DataFrame
            One row a slice: ``slice``, ``labels``, mean ``gain`` with ``low`` and ``high``, ``p_gain`` (of the curve,
            retraining taken to work), ``error``
            after the plan, ``doublings`` beyond the data and ``flags``, ``beyond validated distance`` among them.
            Attributes: ``ci_kind``, ``ci_prob``, ``unit``.

        Raises
        ------
        ValueError
            If ``ci_prob`` is not inside (0, 1).
        """
        if not 0 < ci_prob < 1:
            raise ValueError(f"ci_prob must satisfy 0 < ci_prob < 1, got {ci_prob!r}")
        own = self.outcomes[[names.GAIN, names.ERROR]].sel({names.PLAN: names.RECOMMENDED}, drop=True)
        gain = own[names.GAIN]
        ends = gain.quantile(tails(ci_prob), names.SAMPLE).values
        order = [str(name) for name in gain[names.SLICE].values]
        columns = {
            names.SLICE: order,
            names.LABELS: [self.labels[name] for name in order],
            names.GAIN: gain.mean(names.SAMPLE).values,
            "low": ends[0],
            "high": ends[1],
            names.P_GAIN: chance_of_gain(gain, self.outcomes[names.RETRAINING_WORKS]).values,
            names.ERROR: own[names.ERROR].mean(names.SAMPLE).values,
            names.DOUBLINGS: own[names.DOUBLINGS].values,
        }
        table = pd.DataFrame(columns)
        far = np.where(table[names.DOUBLINGS] > VALIDATED_DOUBLINGS, names.BEYOND_VALIDATED, "")
        flags = zip(own[names.FLAGS].values.astype(str), far, strict=True)
        table[names.FLAGS] = ["; ".join(filter(None, both)) for both in flags]
        table.attrs = {names.CI_KIND: "eti", names.CI_PROB: ci_prob, names.UNIT: "error"}
        return table


def worst_state(states: Iterable[str]) -> str:
    """Return one state for several rules: STOP before INCONCLUSIVE before PASS; PASS where there is none."""
    given = {*states}
    return next((state for state in (names.STOP, names.INCONCLUSIVE) if state in given), names.PASS)


def chance_of_gain(gain: xr.DataArray, works: xr.DataArray) -> xr.DataArray:
    """P(gain > 0) of the curves: over the draws in which retraining works, whose own chance is another number."""
    return (gain > 0).where(works > 0).mean(names.SAMPLE)


def standard_error(draws: xr.DataArray) -> float:
    """Return the Monte Carlo standard error of a mean over independent draws."""
    return float(draws.std(names.SAMPLE, ddof=1) / np.sqrt(draws.size))
