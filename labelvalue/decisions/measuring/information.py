"""Value of information: what knowing more is worth, and in which slice the next labels are.

Everything is read off the draws that there are: the net benefit of every option under every draw. What a piece of
information would tell is the regression of those net benefits on it; nothing is sampled inside a sample. Options are
chosen by a regression on other draws than those that value the choice, so that no luck is counted as information, and
the Monte Carlo error is that of the regression too.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.decisions.advice.decision import Decision
from labelvalue.decisions.case.case import Case
from labelvalue.decisions.outcomes.benefit import slice_outcomes
from labelvalue.decisions.outcomes.spending import PRICE, label_cost
from labelvalue.forecast.gains.curves import best_of, slice_draws
from labelvalue.model.fitting.result import Fit
from labelvalue.numerals import readable

KNOTS = 4  # inner knots of a spline, at even quantiles of the draws
DEGREE = 3
FOLDS = 5  # parts of the draws; what is chosen in one rests on the others
TAIL = 1.645  # standard errors on either side of a 90 % interval
PENALTIES = np.logspace(-4.0, 4.0, 9)
"""Ridge penalties, of which generalised cross-validation picks one for each option."""


def evpi(net: xr.DataArray) -> xr.Dataset:
    """Expected gain from deciding with the truth in hand, over deciding now (EVPI).

    Parameters
    ----------
    net : xarray.DataArray
        Draws of net benefit, dims chain, draw, plan.

    Returns
    -------
    xarray.Dataset
        ``evpi`` ≥ 0 and its Monte Carlo standard error ``mcse``, in money; of the plans at hand, so that more plans may
        raise it.

    Examples
    --------
    >>> net = xr.DataArray([[[0.0, 2.0], [0.0, -1.0]]], dims=("chain", "draw", "plan"), coords={"plan": ["no", "yes"]})
    >>> float(evpi(net)["evpi"])
    0.5
    """
    flat = _flat(net)
    return _summary(names.EVPI, flat.max(axis=1) - flat[:, flat.mean(axis=0).argmax()])


def evppi(net: xr.DataArray, inputs: Mapping[str, xr.DataArray]) -> pd.DataFrame:
    """Expected gain from deciding with one uncertain input known, input by input (EVPPI).

    Parameters
    ----------
    net : xarray.DataArray
        Draws of net benefit, dims chain, draw, plan.
    inputs : mapping of str to DataArray
        Draws of each input, dims chain, draw; one more dim for inputs that would be learnt together.

    Returns
    -------
    pandas.DataFrame
        One row an input, the most valuable first: ``input``, ``evppi`` ≥ 0, its Monte Carlo standard error ``mcse``,
        ``share`` of the EVPI, ``changes``, the probability that another plan than today's would be best, and
        ``instead``, the one that would be most often, empty where none.
        Attributes: ``evpi`` and its ``mcse``.

    Raises
    ------
    ValueError
        If there is no input.

    References
    ----------
    Strong, Oakley and Brennan (2014), "Estimating multiparameter partial expected value of perfect information from a
    probabilistic sensitivity analysis sample: a nonparametric regression approach", Medical Decision Making 34(3).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> price, noise = (xr.DataArray(rng.normal(size=(4, 500)), dims=("chain", "draw")) for _ in range(2))
    >>> net = xr.concat([0 * price, price], dim="plan").assign_coords(plan=["no", "yes"])
    >>> evppi(net, {"noise": noise, "price": price})["input"].tolist()
    ['price', 'noise']
    """
    if not inputs:
        raise ValueError("no input given. Fix: give draws of at least one uncertain input.")
    flat = _flat(net)
    perfect = evpi(net)
    most = float(perfect[names.EVPI])
    rows = []
    for name, draws in inputs.items():
        gained, best, today = _gained(flat, as_columns(draws))
        others = best[best != today]
        instead = str(net[names.PLAN].values[np.bincount(others).argmax()]) if others.size else ""
        made = _summary(names.EVPPI, gained)
        found = min(float(made[names.EVPPI]), most)
        share = found / most if most > 0 else 0.0
        rows.append((name, found, float(made[names.MCSE]), share, others.size / best.size, instead))
    table = pd.DataFrame(rows, columns=["input", names.EVPPI, names.MCSE, "share", "changes", "instead"])
    table = table.sort_values(names.EVPPI, ascending=False, kind="stable", ignore_index=True)
    table.attrs = {names.EVPI: most, names.MCSE: float(perfect[names.MCSE])}
    return table


def evsi(net: xr.DataArray, seen: xr.DataArray, cost: float = 0.0, *, later: xr.DataArray | None = None) -> xr.Dataset:
    """Expected gain from deciding after a measurement, over deciding now (EVSI), and what is left of it (ENBS).

    The draws are cut into five parts. In each, the option is chosen that a regression on the other parts expects most
    of, and valued with the part's own draws: luck in the regression lowers the value and never raises it.

    Parameters
    ----------
    net : xarray.DataArray
        Draws of net benefit, dims chain, draw, plan.
    seen : xarray.DataArray
        What the measurement would show, one prediction a draw with all its noise; dims chain, draw, and one more where
        it shows several numbers.
    cost : float
        Money that the measurement costs.
    later : xarray.DataArray, optional
        Net benefit of the plans that there are after it, where it changes them, such as a pilot whose labels stay; what
        the best of them is expected to fall short of the best one today is part of the cost.

    Returns
    -------
    xarray.Dataset
        ``evsi`` ≥ 0; ``cost``; ``enbs`` = evsi − cost with Monte Carlo error ``mcse`` and the 90 % interval ``lower``
        to ``upper`` that follows; ``changes``, the probability that another plan than today's will look best.

    References
    ----------
    Strong, Oakley, Brennan and Breeze (2015), "Estimating the expected value of sample information using the
    probabilistic sensitivity analysis sample", Medical Decision Making 35(5).

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> worth = xr.DataArray(rng.normal(size=(4, 500)), dims=("chain", "draw"))
    >>> net = xr.concat([0 * worth, worth], dim="plan").assign_coords(plan=["no", "yes"])
    >>> seen = worth + rng.normal(size=(4, 500))
    >>> bool(evsi(net, seen)["evsi"] < evpi(net)["evpi"])
    True
    """
    now, after = _flat(net), _flat(net if later is None else later)
    gained, best, expected = _gained(after, as_columns(seen))
    today = int(now.mean(axis=0).argmax())
    if later is not None:  # the same plan, where it is still there
        at = np.flatnonzero(later[names.PLAN].values == net[names.PLAN].values[today])
        expected = int(at[0]) if at.size else expected
    paid = now[:, today] - after[:, after.mean(axis=0).argmax()] + cost
    made = _summary(names.EVSI, gained)
    error = float((gained - paid).std(ddof=1) / np.sqrt(gained.size))
    enbs = float(made[names.EVSI]) - float(paid.mean())
    more = {names.COST: float(paid.mean()), names.ENBS: enbs, names.MCSE: error}
    more |= {"lower": enbs - TAIL * error, "upper": enbs + TAIL * error}
    return made.assign(more | {"changes": float((best != expected).mean())})


def _gained(net: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """What deciding on what is seen gains, draw by draw; the option chosen in each; the one chosen without."""
    best, today = conditional_mean(net, seen, FOLDS).argmax(axis=1), int(net.mean(axis=0).argmax())
    return net[np.arange(len(net)), best] - net[:, today], best, today


def conditional_mean(values: np.ndarray, inputs: np.ndarray, folds: int = 1) -> np.ndarray:
    """Expected values given inputs, by regression on draws: splines of every input, products of pairs.

    Shapes: ``values`` (sample, option), ``inputs`` (sample, input); gives (sample, option).
    """
    moving = np.ptp(inputs, axis=0) > 0
    basis = _basis(inputs[:, moving]) if moving.any() else np.zeros((len(values), 0))
    fitted = np.empty(values.shape)
    for part in np.array_split(np.arange(len(values)), folds):
        rest = np.ones(len(values), dtype=bool)
        rest[part] = folds == 1
        center, middle = values[rest].mean(axis=0), basis[rest].mean(axis=0)
        fitted[part] = center + (basis[part] - middle) @ _ridge(basis[rest] - middle, values[rest] - center)
    return fitted


def _ridge(basis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients of a ridge regression, each option with the penalty that generalised cross-validation picks."""
    strength, axes = np.linalg.eigh(basis.T @ basis)
    along = axes.T @ (basis.T @ values)
    shrunk = 1.0 / (strength.clip(min=0.0) + PENALTIES[:, None])  # penalty, axis
    left = (values**2).sum(axis=0) - np.einsum("ap,pk->ak", shrunk * (2.0 - strength * shrunk), along**2)
    free = len(basis) - 1.0 - (strength * shrunk).sum(axis=1)
    chosen = (left / free[:, None] ** 2).argmin(axis=0)
    return np.asarray(axes @ (shrunk[chosen].T * along))


def _basis(inputs: np.ndarray) -> np.ndarray:
    """Columns of unit variance: B-splines of each input, and products of pairs of inputs."""
    scaled = _standardised(inputs)
    columns = [_splines(column) for column in scaled.T]
    pairs = [scaled[:, i] * scaled[:, j] for i in range(scaled.shape[1]) for j in range(i)]
    return _standardised(np.column_stack([*columns, *pairs]))


def _standardised(columns: np.ndarray) -> np.ndarray:
    spread = columns.std(axis=0)
    return (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _splines(column: np.ndarray) -> np.ndarray:
    """The column itself, and cubic B-splines with knots at its quantiles."""
    from scipy.interpolate import BSpline

    inner = np.unique(np.quantile(column, np.linspace(0.0, 1.0, KNOTS + 2)))
    if inner.size < 2 + 1:
        return column[:, None]
    knots = np.concatenate([[inner[0]] * DEGREE, inner, [inner[-1]] * DEGREE])
    return np.column_stack([column, BSpline.design_matrix(column, knots, DEGREE).toarray()])


def as_columns(draws: xr.DataArray) -> np.ndarray:
    """Draws as a table: one row a draw, one column an input.

    Shapes: gives (sample, input).
    """
    values = draws.transpose(*names.SAMPLE, ...).values
    return values.reshape(values.shape[0] * values.shape[1], -1)


def _flat(net: xr.DataArray) -> np.ndarray:
    return as_columns(net.transpose(*names.SAMPLE, names.PLAN))


def _summary(name: str, gained: np.ndarray) -> xr.Dataset:
    """Mean over draws, not below 0, with its standard error."""
    error = float(gained.std(ddof=1) / np.sqrt(gained.size))
    return xr.Dataset({name: max(float(gained.mean()), 0.0), names.MCSE: error})


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
    chance = f"probability {best[names.P_BEST]:.2f}"
    if not tie:
        ahead = f"better than {second[names.SLICE]} with probability {second['behind']:.2f}"
        return f"{best[names.SLICE]} is worth most (with {chance}; {ahead})."
    matters = best["enb"] - table["enb"].iloc[-1] > TRIFLE * abs(best["enb"])
    what = "is not known" if matters else "hardly matters"
    leads = f"A tie: which slice gets them {what} ({best[names.SLICE]} is worth most with {chance}"
    prices = table["price"].to_numpy()
    if np.ptp(prices) > 0 and not matters and cheap:
        return f"{leads}); buy the cheap ones, {table[names.SLICE].iloc[int(np.argmin(prices))]} first."
    return f"{leads}, then {second[names.SLICE]})."


def beside_plan(table: pd.DataFrame, plan: Decision) -> str:
    """Return the sentence on the best slice as it stands beside a plan, which it must not contradict.

    Where the best slice is named nothing is added; where the plan buys nothing, that it does not. A tie beside a plan
    that puts most of its labels into one slice needs a reason: the plan is the best in expectation, and by how much.
    """
    said = str(table.attrs["sentence"])
    if plan.total == 0:
        return f"Were labels bought all the same: {said}"
    if not table.attrs["tie"]:
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
    chance = f"probability {table[names.P_BEST].iloc[0]:.2f}"
    return (
        f"Which slice is worth most is not sure ({best} is, with {chance}). The plan still puts "
        f"{100 * share:.0f} % into {first}: in expectation that is worth {readable(float(more.mean()), 3)} {unit} more "
        f"than an equal split, and more in {100 * float((more > 0).mean()):.0f} % of draws."
    )


def worth_of_knowing(plan: Decision, inputs: Mapping[str, xr.DataArray], outcomes: xr.Dataset) -> dict[str, Any]:
    """Price knowing each uncertain input before deciding between a plan and its alternatives, and say what it moves.

    ``rows`` are those of :func:`labelvalue.voi.evppi` with ``moves``; ``plans`` what those that are moved to buy.
    """
    if not inputs:
        return {names.EVPI: 0.0, names.MCSE: 0.0, "rows": [], "plans": {}}
    table = evppi(outcomes[names.NET_BENEFIT], inputs)
    rows = [row | {"moves": budgets_at(outcomes, inputs[row["input"]])} for row in table.to_dict("records")]
    taken = {move[names.PLAN] for row in rows if row["moves"] for move in row["moves"].values()}
    taken |= {row["instead"] for row in rows if row["instead"]}
    money = label_cost(plan.fit, plan.case.costs, outcomes[names.LABELS].astype(float))
    money = money.mean([d for d in money.dims if d not in (names.PLAN, names.SLICE)])
    plans = {name: _by_slice(outcomes[names.LABELS], money, name) for name in sorted(taken)}
    return {**{key: float(table.attrs[key]) for key in (names.EVPI, names.MCSE)}, "rows": rows, "plans": plans}


def _by_slice(labels: xr.DataArray, money: xr.DataArray, plan: str) -> dict[str, dict[str, float]]:
    """What a plan buys of each slice, and what these labels are expected to cost, where it buys any."""
    own, cost = labels.sel({names.PLAN: plan}), money.sel({names.PLAN: plan})
    return {
        str(name): {names.LABELS: int(own.sel({names.SLICE: name})), names.COST: float(cost.sel({names.SLICE: name}))}
        for name in own[names.SLICE].values[own.values > 0]
    }


def budgets_at(outcomes: xr.Dataset, draws: xr.DataArray) -> dict[str, Any] | None:
    """Say what would be bought if an input were known to lie ``low`` or ``high``: in the tenth of draws at that end.

    For each end the plan of the highest expected net benefit, its ``labels`` and mean ``cost``; ``None`` for inputs of
    several numbers.
    """
    sample = names.SAMPLE
    if set(draws.dims) != set(sample):
        return None
    order = np.argsort(draws.transpose(*sample).values.ravel(), kind="stable")
    tenth = max(order.size // 10, 1)
    net, cost = (
        outcomes[name].transpose(*sample, names.PLAN).values.reshape(order.size, -1)
        for name in (names.NET_BENEFIT, names.COST)
    )
    labels = outcomes[names.LABELS].sum(names.SLICE).values
    found: dict[str, Any] = {}
    for end, picked in (("low", order[:tenth]), ("high", order[-tenth:])):
        best = int(net[picked].mean(axis=0).argmax())
        found[end] = {
            names.PLAN: str(outcomes[names.PLAN].values[best]),
            names.LABELS: int(labels[best]),
            names.COST: float(cost[picked, best].mean()),
        }
    return found
