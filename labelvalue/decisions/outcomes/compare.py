"""Plans side by side under the same draws: net benefit, P(best), regret, dominance, fairness, another mix of slices."""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.case.case import Score
from labelvalue.decisions.case.risk import conditional_value_at_risk, loss_against_nothing
from labelvalue.forecast.gains.curves import best_of
from labelvalue.numerals import tails
from labelvalue.settings import Checks

ENB, LOWER, UPPER = "enb", "lower", "upper"
P_POSITIVE, P_BETTER, REGRET = "p_positive", "p_better", "regret"
DIFFERENCE, AGAINST, FIRST, SECOND = "difference", "against", "first_order", "second_order"
WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)  # weights of the risk under which plans are ranked
CVAR, SCORE, RANK, EFFICIENT, WEIGHT = "cvar", "score", "rank", "efficient", "weight"


def compare_plans(outcomes: xr.Dataset, *, ci_prob: float = 0.9) -> pd.DataFrame:
    """Put plans side by side, the best expected net benefit first.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`.
    ci_prob : float
        Probability of the equal-tailed interval, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row a plan: ``plan``, ``labels``; ``enb``, the expected net benefit, with Monte Carlo error ``mcse`` and the
        interval ``lower`` to ``upper`` of the net benefit; ``p_positive``, P(net benefit > 0); ``p_better``, P(better
        than doing nothing); ``p_best``, P(no plan is better), ties shared; ``regret``, what the plan falls short of the
        best plan on average over draws; expected ``value``, ``cost`` and ``days``; with a target ``p_target``, the
        probability that it is reached.

    Raises
    ------
    InputError
        If ``ci_prob`` is not between 0 and 1.

    Examples
    --------
    >>> from labelvalue import Case
    >>> from labelvalue.plans import plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> table = compare_plans(plan_outcomes(fake_fit(seed=1), case, {"west": {"west": 500}, "all": {"east": 900}}))
    >>> round(float(table["p_best"].sum()), 6)
    1.0
    """
    import arviz_stats as azs

    _check_probability(names.CI_PROB, ci_prob)
    net = outcomes[names.NET_BENEFIT]
    best = net.max(names.PLAN)
    columns = {
        names.LABELS: outcomes[names.LABELS].sum(names.SLICE).astype(int),
        ENB: net.mean(names.SAMPLE),
        names.MCSE: azs.mcse(net, method="mean"),
        LOWER: _quantile(net, tails(ci_prob)[0]),
        UPPER: _quantile(net, tails(ci_prob)[1]),
        P_POSITIVE: (net > 0).mean(names.SAMPLE),
        P_BETTER: (loss_against_nothing(outcomes) < 0).mean(names.SAMPLE),
        names.P_BEST: best_of(net, names.PLAN).mean(names.SAMPLE),
        REGRET: (best - net).mean(names.SAMPLE),
        **{name: outcomes[name].mean(names.SAMPLE) for name in (names.VALUE, names.COST, names.DAYS)},
    }
    if names.TARGET_REACHED in outcomes:
        columns["p_target"] = outcomes[names.TARGET_REACHED].mean(names.SAMPLE)
    table = _table(columns).sort_values(ENB, ascending=False, kind="stable", ignore_index=True)
    table.attrs = dict(outcomes.attrs) | {names.CI_KIND: "eti", names.CI_PROB: ci_prob}
    return table


def compare_pairs(outcomes: xr.Dataset, *, ci_prob: float = 0.9) -> pd.DataFrame:
    """Compare every plan with every other by the difference of their net benefits, draw by draw.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`.
    ci_prob : float
        Probability of the equal-tailed interval, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        One row an ordered pair: ``plan``, ``against``; mean ``difference`` with ``mcse``, ``lower`` and ``upper``;
        ``p_better``; ``regret``, the mean of what the plan falls short of the other where it does; ``first_order`` and
        ``second_order``, whether its draws dominate the other's stochastically: whatever one wants more of, and for
        everybody who is averse to risk.

    Raises
    ------
    InputError
        If ``ci_prob`` is not between 0 and 1.

    References
    ----------
    Levy (1992), "Stochastic dominance and expected utility", Management Science 38.

    Examples
    --------
    >>> from labelvalue import Case
    >>> from labelvalue.plans import plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> compare_pairs(plan_outcomes(fake_fit(seed=1), case, {"west": {"west": 500}}))["difference"].sum().item()
    0.0
    """
    import arviz_stats as azs

    _check_probability(names.CI_PROB, ci_prob)
    draws = outcomes[names.NET_BENEFIT].transpose(*names.SAMPLE, names.PLAN)
    flat = {str(name): draws.sel({names.PLAN: name}).values.ravel() for name in draws[names.PLAN].values}
    rows = []
    for plan, other in itertools.permutations(flat, 2):
        gap = draws.sel({names.PLAN: plan}, drop=True) - draws.sel({names.PLAN: other}, drop=True)
        ours, theirs = (np.sort(flat[name]) for name in (plan, other))
        rows.append(
            {
                names.PLAN: plan,
                AGAINST: other,
                DIFFERENCE: float(gap.mean()),
                names.MCSE: float(azs.mcse(gap, method="mean")),
                LOWER: float(gap.quantile(tails(ci_prob)[0])),
                UPPER: float(gap.quantile(tails(ci_prob)[1])),
                P_BETTER: float((gap > 0).mean()),
                REGRET: float((-gap).clip(min=0.0).mean()),
                FIRST: _dominates(ours, theirs),
                SECOND: _dominates(np.cumsum(ours), np.cumsum(theirs)),
            }
        )
    table = pd.DataFrame(rows)
    table.attrs = dict(outcomes.attrs) | {names.CI_KIND: "eti", names.CI_PROB: ci_prob}
    return table


def score_plans(outcomes: xr.Dataset, score: Score) -> pd.DataFrame:
    """Put gain, cost and risk of plans side by side and make them one score, shown with its parts.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`.
    score : Score
        Weight of the risk and level of the CVaR.

    Returns
    -------
    pandas.DataFrame
        One row a plan, the best score first: expected ``value`` and ``cost``, ``enb``, ``cvar`` of the loss against
        doing nothing with its Monte Carlo error ``mcse``; ``score`` = enb − weight · cvar, ``rank`` (1 is best); and
        ``efficient``, whether no other plan is at least as good in value, cost and risk and better in one of them.

    Examples
    --------
    >>> from labelvalue import Case
    >>> from labelvalue.plans import plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> score_plans(plan_outcomes(fake_fit(seed=1), case, {"west": {"west": 500}}), case.score)["rank"].tolist()
    [1, 2]
    """
    risk = conditional_value_at_risk(loss_against_nothing(outcomes), score.level)
    columns = {
        names.VALUE: outcomes[names.VALUE].mean(names.SAMPLE),
        names.COST: outcomes[names.COST].mean(names.SAMPLE),
        ENB: outcomes[names.NET_BENEFIT].mean(names.SAMPLE),
        CVAR: risk[names.CONDITIONAL_VALUE_AT_RISK],
        names.MCSE: risk[names.MCSE],
    }
    table = _table(columns)
    table[SCORE] = table[ENB] - score.weight * table[CVAR]
    table[RANK] = _ranks(table[SCORE])
    pillars = table[[names.VALUE, names.COST, CVAR]].to_numpy() * np.array([1.0, -1.0, -1.0])
    as_good, better = (compare(pillars[:, None], pillars) for compare in (np.greater_equal, np.greater))
    table[EFFICIENT] = ~(as_good.all(axis=2) & better.any(axis=2)).any(axis=0)  # beaten by none
    table.attrs = dict(outcomes.attrs) | {WEIGHT: score.weight, names.LEVEL: score.level}
    return table.sort_values(RANK, kind="stable", ignore_index=True)


def rank_stability(outcomes: xr.Dataset, score: Score, weights: tuple[float, ...] = WEIGHTS) -> pd.DataFrame:
    """Show how the ranking of plans depends on the weight of the risk.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`.
    score : Score
        Gives the level of the CVaR.
    weights : tuple of float
        Weights λ to try, ≥ 0.

    Returns
    -------
    pandas.DataFrame
        One row a weight and plan: ``weight``, ``plan``, ``score``, ``rank``.

    Raises
    ------
    InputError
        If a weight is negative or no number.

    Examples
    --------
    >>> from labelvalue import Case
    >>> from labelvalue.plans import plan_outcomes
    >>> from labelvalue.testing import fake_fit
    >>> case = Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> rank_stability(plan_outcomes(fake_fit(seed=1), case, {"west": {"west": 500}}), case.score, (0.0, 9.0)).shape
    (4, 4)
    """
    parts = score_plans(outcomes, score).sort_values(names.PLAN, ignore_index=True)
    tables = []
    for weight in weights:
        chosen = Score(weight=weight, level=score.level)
        scores = parts[ENB] - chosen.weight * parts[CVAR]
        row = {WEIGHT: float(weight), names.PLAN: parts[names.PLAN], SCORE: scores, RANK: _ranks(scores)}
        tables.append(pd.DataFrame(row))
    table = pd.concat(tables, ignore_index=True)
    table.attrs = dict(outcomes.attrs) | {names.LEVEL: score.level}
    return table


def _table(columns: dict[str, xr.DataArray]) -> pd.DataFrame:
    first = next(iter(columns.values()))
    return pd.DataFrame({names.PLAN: first[names.PLAN].values, **{k: v.values for k, v in columns.items()}})


def _ranks(scores: pd.Series) -> pd.Series:
    return scores.rank(ascending=False, method="min").astype(int)


def _dominates(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return bool((ours >= theirs).all() and (ours > theirs).any())


def _quantile(draws: xr.DataArray, probability: float) -> xr.DataArray:
    return draws.quantile(probability, names.SAMPLE).drop_vars("quantile")


def _check_probability(key: str, value: float) -> None:
    checks = Checks()
    checks.share(key, value)
    checks.finish()


STRESS, BASE, BEST = "stress", "base", "best"
SCENARIOS = (STRESS, BASE, BEST)


def scenario_sets(outcomes: xr.Dataset, plan: str, *, tail: float = 0.1) -> xr.Dataset:
    """Cut the draws into stress, base and best case by the net benefit of one plan.

    A set holds whole draws: prices, curves and dates that go together. All plans are averaged over the same sets, so
    that they are compared within one and the same future.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`.
    plan : str
        The plan that says which draws are bad and good.
    tail : float
        Probability of the stress case, and of the best case, 0 < tail < 0.5.

    Returns
    -------
    xarray.Dataset
        Means over each set of every variable of the outcomes, with dim scenario (``stress``, ``base``, ``best``);
        ``probability`` of each set, summing to 1; ``p_best``, dims scenario and plan, the share of the set's draws in
        which the plan is best, ties shared.

    Raises
    ------
    InputError
        If there is no such plan, or ``tail`` leaves no base case.

    Examples
    --------
    >>> import labelvalue as lv
    >>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> sets = scenario_sets(lv.plans.plan_outcomes(lv.testing.fake_fit(seed=1), case, {"west": {"west": 500}}), "west")
    >>> sets["probability"].values.tolist()
    [0.1, 0.8, 0.1]
    """
    checks = Checks()
    checks.text(names.PLAN, plan, outcomes[names.PLAN].values.astype(str).tolist())
    if not 0 < tail < 0.5:
        checks.wrong("tail", "must lie in 0 < … < 0.5", "give a share such as 0.1", tail)
    checks.finish()
    net = outcomes[names.NET_BENEFIT]
    sampled = outcomes.assign({names.P_BEST: best_of(net, names.PLAN)}).stack(  # noqa: PD013  of xarray
        sample=names.SAMPLE, create_index=False
    )
    order = np.argsort(sampled[names.NET_BENEFIT].sel({names.PLAN: plan}).values, kind="stable")
    cut = max(1, round(tail * order.size))
    sets = (order[:cut], order[cut:-cut], order[-cut:])
    means = [sampled.isel(sample=np.sort(one)).mean("sample") for one in sets]
    joined = xr.concat(means, dim=names.SCENARIO).assign_coords({names.SCENARIO: list(SCENARIOS)})
    probability = xr.DataArray([one.size / order.size for one in sets], dims=names.SCENARIO)
    joined = joined.assign({names.PROBABILITY: probability, names.LABELS: outcomes[names.LABELS]})
    joined.attrs = {**outcomes.attrs, names.PLAN: plan}
    return joined


def fairness(outcomes: xr.Dataset) -> xr.Dataset:
    """Draw how unequal the errors of slices are under each plan.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`.

    Returns
    -------
    xarray.Dataset
        Dims chain, draw, plan, in the unit of the error: ``worst_error``, that of the worst slice; ``gap`` between it
        and the best slice; ``disparity``, the mean distance of slices from the mean of all.

    References
    ----------
    Tae and Whang (2021), "Slice Tuner", SIGMOD, for the average disparity.

    Examples
    --------
    >>> import labelvalue as lv
    >>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> drawn = fairness(lv.plans.plan_outcomes(lv.testing.fake_fit(seed=1), case, {"west": {"west": 500}}))
    >>> bool((drawn["gap"] <= drawn["worst_error"]).all())
    True
    """
    error = outcomes[names.ERROR]
    worst = error.max(names.SLICE)
    made = {
        names.WORST_ERROR: worst,
        names.GAP: worst - error.min(names.SLICE),
        names.DISPARITY: abs(error - error.mean(names.SLICE)).mean(names.SLICE),
    }
    return xr.Dataset(made, attrs=outcomes.attrs | {names.UNIT: "error"})


def gain_under_mix(outcomes: xr.Dataset, shares: Mapping[str, float]) -> xr.DataArray:
    """Draw the gain of each plan averaged over slices by another mix; the same draws, no new fit.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`.
    shares : mapping of str to float
        Share of each slice, ≥ 0; scaled to sum to 1, 0 where not named.

    Returns
    -------
    xarray.DataArray
        ``gain``, dims chain, draw, plan; unit of the error.

    Raises
    ------
    InputError
        If a slice is unknown, a share negative, or all are 0.

    Examples
    --------
    >>> import labelvalue as lv
    >>> case = lv.Case(costs={"price_per_label": 0.1}, value={"per_error_point": 400})
    >>> outcomes = lv.plans.plan_outcomes(lv.testing.fake_fit(seed=1), case, {"west": {"west": 500}})
    >>> own = outcomes["gain"].sel(slice="west", drop=True)
    >>> bool((gain_under_mix(outcomes, {"west": 2.0}) == own).all())
    True
    """
    known = outcomes[names.SLICE].values.astype(str).tolist()
    checks = Checks()
    for name, share in shares.items():
        checks.number(f"shares.{name}", share)
        checks.known(f"shares.{name}", "slice", name, known)
    if not checks.problems and not sum(shares.values()) > 0:
        checks.wrong("shares", "all shares are 0", "give at least one slice a share")
    checks.finish()
    total = sum(shares.values())
    weights = [shares.get(name, 0.0) / total for name in known]
    mix = xr.DataArray(weights, dims=names.SLICE, coords={names.SLICE: outcomes[names.SLICE].values})
    gain = (outcomes[names.GAIN] * mix).sum(names.SLICE).rename(names.GAIN)
    gain.attrs = {**outcomes.attrs, names.UNIT: "error"}
    return gain
