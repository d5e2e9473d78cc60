"""Which slice the next labels are worth most in, its runner-up, and whether it matters at all."""

from __future__ import annotations

import numpy as np
import pandas as pd

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.outcomes.benefit import slice_outcomes
from labelvalue.decisions.outcomes.spending import PRICE
from labelvalue.forecast.gains.curves import best_of, slice_draws
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import readable

SURE = 0.7  # P(best) from which a slice is named; below it, a tie is called a tie
TRIFLE = 0.1  # share of the best slice's expected net benefit by which the last may fall short where it hardly matters
MOSTLY = 0.6  # share of a plan's labels in one slice from which a tie needs a reason beside it


def target_slices(fit: Fit, case: Case, labels: int) -> pd.DataFrame:
    """Rank the slices by the net benefit of the same number of labels in each alone.

    Parameters
    ----------
    fit : Fit
        Fit.
    case : Case
        Case; fixed costs do not enter, since they are the same for each.
    labels : int
        Labels, ≥ 1.

    Returns
    -------
    pandas.DataFrame
        One row a slice, the best first: ``slice``, expected ``value``, ``cost`` and net benefit ``enb`` of these labels
        over all slices, ``per_money`` (net benefit per unit of money, NaN where labels are free), ``price`` of a label,
        ``p_best``, and ``behind``, the probability that the first is better than this one. Attributes: ``labels``,
        ``tie``, whether P(best) of the first is below 0.7, ``sentence``, ``unit``.

    Raises
    ------
    InputError
        If the case does not belong to the fit.
    ValueError
        If ``labels`` is not a whole number ≥ 0.

    Examples
    --------
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> table = target_slices(fake_fit(seed=1), case, 500)
    >>> round(float(table["p_best"].sum()), 6)
    1.0
    """
    found = slice_outcomes(fit, case, [labels]).isel({names.BUDGET: 0}, drop=True)
    net = found[names.VALUE] - found[names.COST]
    chance = best_of(net, names.SLICE).mean(names.SAMPLE)
    price = slice_draws(fit, PRICE, case.costs.price_per_label)
    price = price.mean([d for d in price.dims if d != names.SLICE])
    enb, cost = net.mean(names.SAMPLE), found[names.COST].mean(names.SAMPLE)
    best = net.isel({names.SLICE: int(np.argmax(enb.values))})
    columns = {
        names.SLICE: [str(name) for name in net[names.SLICE].values],
        names.VALUE: found[names.VALUE].mean(names.SAMPLE).values,
        names.COST: cost.values,
        "enb": enb.values,
        "per_money": np.divide(enb.values, cost.values, out=np.full(enb.size, np.nan), where=cost.values > 0),
        "price": price.values,
        names.P_BEST: chance.values,
        "behind": (best > net).mean(names.SAMPLE).values,
    }
    table = pd.DataFrame(columns).sort_values("enb", ascending=False, kind="stable", ignore_index=True)
    tie = len(table) > 1 and bool(table[names.P_BEST].iloc[0] < SURE)
    table.attrs = {names.LABELS: int(labels), "tie": tie, names.UNIT: found.attrs[names.UNIT]}
    table.attrs["sentence"] = _sentence(table, tie)
    return table


def _sentence(table: pd.DataFrame, tie: bool, *, cheap: bool = True) -> str:
    """What to say of it."""
    if len(table) == 1:
        return "There is only one slice."
    best, second = table.iloc[0], table.iloc[1]
    chance = f"P(best) {best[names.P_BEST]:.2f}"
    if not tie:
        ahead = f"better than {second[names.SLICE]} with probability {second['behind']:.2f}"
        return f"{best[names.SLICE]} is worth most ({chance}; {ahead})."
    matters = best["enb"] - table["enb"].iloc[-1] > TRIFLE * abs(best["enb"])
    what = "is not known" if matters else "hardly matters"
    leads = f"A tie: which slice gets them {what} ({best[names.SLICE]} leads with {chance}"
    prices = table["price"].to_numpy()
    if np.ptp(prices) > 0 and not matters and cheap:
        return f"{leads}); buy the cheap ones, {table[names.SLICE].iloc[int(np.argmin(prices))]} first."
    return f"{leads}, then {second[names.SLICE]})."


def beside_plan(table: pd.DataFrame, plan: Decision) -> str:
    """Return the sentence on the best slice as it stands beside a plan, which it must not contradict.

    Where the best slice is named, or the plan buys nothing, nothing is added. A tie beside a plan that puts most of its
    labels into one slice needs a reason: the plan is the best in expectation, and by how much.
    """
    said = str(table.attrs["sentence"])
    if not table.attrs["tie"] or plan.total == 0:
        return said
    first = max(plan.labels, key=lambda name: plan.labels[name])
    share = plan.labels[first] / plan.total
    if share < MOSTLY:
        cheapest = table[names.SLICE].iloc[int(table["price"].argmin())]
        cheap = plan.labels[cheapest] * len(table) >= plan.total  # else dear ones are worth more beside one another
        said = _sentence(table, True, cheap=cheap)
        return f"{said} The plan spreads over {sum(n > 0 for n in plan.labels.values())} slices."
    more = plan.advantage() - plan.advantage(names.EQUAL_SPLIT)
    unit = table.attrs[names.UNIT]
    best = table[names.SLICE].iloc[0]
    chance = f"P(best) {table[names.P_BEST].iloc[0]:.2f}"
    return (
        f"Which slice is best is not sure ({best} leads with {chance}). The plan still puts {100 * share:.0f} % into "
        f"{first}: in expectation that is worth {readable(float(more.mean()), 3)} {unit} more than an equal split, "
        f"and more in {100 * float((more > 0).mean()):.0f} % of draws."
    )
