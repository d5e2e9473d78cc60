"""Risk: what may be lost against doing nothing, and the money to hold back for it."""

import dataclasses
from typing import Any, ClassVar, Protocol, override

import numpy as np
import pandas as pd
import xarray as xr

from labelvalue import names
from labelvalue.settings import Checks, Positive, Settings, Share


def value_at_risk(loss: xr.DataArray, level: float = 0.9) -> xr.Dataset:
    """Loss that is exceeded with probability 1 − level.

    Parameters
    ----------
    loss : xarray.DataArray
        Draws of the loss against doing nothing, positive = loss; dims chain, draw and any others.
    level : float
        Level α, 0 < α < 1.

    Returns
    -------
    xarray.Dataset
        ``value_at_risk`` and its Monte Carlo standard error ``mcse``; the other dims.

    Raises
    ------
    InputError
        If the level is no level.

    Examples
    --------
    >>> import numpy as np
    >>> loss = xr.DataArray(np.random.default_rng(1).normal(size=(4, 5000)), dims=("chain", "draw"))
    >>> round(float(value_at_risk(loss, 0.9)["value_at_risk"]), 1)
    1.3
    """
    import arviz_stats as azs

    _check_level(level)
    made = {
        names.VALUE_AT_RISK: loss.quantile(level, names.SAMPLE).drop_vars("quantile"),
        names.MCSE: azs.mcse(loss, method="quantile", prob=level),
    }
    return xr.Dataset(made, attrs={names.LEVEL: level})


def conditional_value_at_risk(loss: xr.DataArray, level: float = 0.9) -> xr.Dataset:
    """Mean of the worst 1 − level share of losses.

    Parameters
    ----------
    loss : xarray.DataArray
        Draws of the loss against doing nothing, positive = loss; dims chain, draw and any others.
    level : float
        Level α, 0 < α < 1.

    Returns
    -------
    xarray.Dataset
        ``conditional_value_at_risk`` and its Monte Carlo standard error ``mcse``; the other dims.

    Raises
    ------
    InputError
        If the level is no level.

    References
    ----------
    Rockafellar and Uryasev (2000), "Optimization of conditional value-at-risk", Journal of Risk 2, for the form
    VaR + E(loss − VaR)⁺ / (1 − α), whose mean is flat in VaR, so that its own error does not count to first order.

    Examples
    --------
    >>> import numpy as np
    >>> loss = xr.DataArray(np.random.default_rng(1).normal(size=(4, 5000)), dims=("chain", "draw"))
    >>> round(float(conditional_value_at_risk(loss, 0.9)["conditional_value_at_risk"]), 1)
    1.7
    """
    import arviz_stats as azs

    _check_level(level)
    threshold = loss.quantile(level, names.SAMPLE).drop_vars("quantile")
    tail = threshold + (loss - threshold).clip(min=0.0) / (1.0 - level)
    made = {names.CONDITIONAL_VALUE_AT_RISK: tail.mean(names.SAMPLE), names.MCSE: azs.mcse(tail, method="mean")}
    return xr.Dataset(made, attrs={names.LEVEL: level})


def loss_against_nothing(outcomes: xr.Dataset) -> xr.DataArray:
    """Draw what each plan loses against doing nothing.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`.

    Returns
    -------
    xarray.DataArray
        ``loss``, dims chain, draw, plan; positive = loss, exactly 0 for doing nothing.

    Examples
    --------
    >>> net = xr.DataArray([[[0.0, 5.0]]], dims=("chain", "draw", "plan"), coords={"plan": ["do nothing", "buy"]})
    >>> loss_against_nothing(xr.Dataset({"net_benefit": net})).sel(plan="buy").item()
    -5.0
    """
    net = outcomes[names.NET_BENEFIT]
    return (net.sel({names.PLAN: names.NOTHING}, drop=True) - net).transpose(*net.dims).rename(names.LOSS)


def _check_level(level: float) -> None:
    checks = Checks()
    checks.share("level", level)
    checks.finish()


@dataclasses.dataclass(frozen=True)
class Reserve:
    """Money held back so that a plan's cost is rarely more than what is set aside.

    Parameters
    ----------
    plan : str
        The plan.
    expected : float
        Its expected cost.
    reserve : float
        Money to hold back beside it, ≥ 0.
    p_overrun : float
        Probability that the cost is more than both together.
    mcse : float
        Monte Carlo standard error of the reserve.

    Examples
    --------
    >>> Reserve("west", expected=1000.0, reserve=250.0, p_overrun=0.1, mcse=3.0).share
    0.2
    """

    plan: str
    expected: float
    reserve: float
    p_overrun: float
    mcse: float

    @property
    def share(self) -> float:
        """Reserve as a share of all the money set aside; 0 where none is."""
        total = self.expected + self.reserve
        return self.reserve / total if total > 0 else 0.0


def money_needed(cost: xr.DataArray, p_overrun: float) -> float:
    """Return the least money, at least the expected cost, that a cost exceeds with a given probability at most."""
    return max(float(cost.mean()), float(np.quantile(cost.values, 1.0 - p_overrun, method="inverted_cdf")))


def size_reserve(outcomes: xr.Dataset, plan: str, *, p_overrun: float = 0.1) -> Reserve:
    """Size the reserve for rework, cleaning and audits by the probability of an overrun.

    Parameters
    ----------
    outcomes : xarray.Dataset
        From :func:`labelvalue.plans.plan_outcomes`.
    plan : str
        The plan.
    p_overrun : float
        Probability with which the cost may be more than what is set aside, 0 < p < 1.

    Returns
    -------
    Reserve
        The smallest that keeps to it in the draws.

    Raises
    ------
    InputError
        If there is no such plan, or the probability is none.

    Examples
    --------
    >>> import labelvalue as lv
    >>> case = lv.Case(costs={"price_per_label": {"low": 0.1, "high": 0.4}}, value={"per_error_point": 400})
    >>> outcomes = lv.plans.plan_outcomes(lv.testing.fake_fit(seed=1), case, {"west": {"west": 500}})
    >>> size_reserve(outcomes, "west", p_overrun=0.05).p_overrun
    0.05
    """
    import arviz_stats as azs

    checks = Checks()
    checks.share("p_overrun", p_overrun)
    checks.text(names.PLAN, plan, outcomes[names.PLAN].values.astype(str).tolist())
    checks.finish()
    cost = outcomes[names.COST].sel({names.PLAN: plan}, drop=True)
    expected, needed = float(cost.mean()), money_needed(cost, p_overrun)
    reserve = max(needed - expected, 0.0)
    overrun = float((cost > expected + reserve).mean())
    return Reserve(plan, expected, reserve, overrun, float(azs.mcse(cost, method="quantile", prob=1.0 - p_overrun)))


class Appetite(Protocol):
    """How uncertain net benefits are weighed; higher scores are better."""

    name: ClassVar[str]

    def score(self, advantage: xr.DataArray) -> xr.DataArray:
        """Return one number a plan: the mean, the quantile, the mean of the worst draws, or the certainty equivalent.

        Parameters
        ----------
        advantage : xarray.DataArray
            Draws of net benefit less that of doing nothing; dims chain, draw and others.

        Returns
        -------
        xarray.DataArray
            Money; the other dims.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Mean(Appetite):
    """The expected net benefit: indifferent to risk.

    Examples
    --------
    >>> float(Mean().score(xr.DataArray([[1.0, 3.0]], dims=("chain", "draw"))))
    2.0
    """

    name: ClassVar[str] = "mean"

    @override
    def score(self, advantage: xr.DataArray) -> xr.DataArray:
        return advantage.mean(names.SAMPLE)


@dataclasses.dataclass(frozen=True)
class Quantile(Settings, Appetite):
    """What is reached at least, but for a stated probability.

    Parameters
    ----------
    probability : float
        Probability of less, 0 < probability < 1.

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> float(Quantile(0.5).score(xr.DataArray([[1.0, 2.0, 9.0]], dims=("chain", "draw"))))
    2.0
    """

    probability: Share = 0.1
    name: ClassVar[str] = "quantile"

    @override
    def score(self, advantage: xr.DataArray) -> xr.DataArray:
        return advantage.quantile(self.probability, names.SAMPLE).drop_vars("quantile")


@dataclasses.dataclass(frozen=True)
class CVaR(Settings, Appetite):
    """The mean of the worst outcomes: minus the conditional value at risk of the loss.

    Parameters
    ----------
    level : float
        Level α, 0 < α < 1: the worst 1 − α are averaged.

    Raises
    ------
    InputError
        If it is none.

    Examples
    --------
    >>> round(float(CVaR(0.5).score(xr.DataArray([[1.0, 2.0, 8.0, 9.0]], dims=("chain", "draw")))), 6)
    1.5
    """

    level: Share = 0.9
    name: ClassVar[str] = "cvar"

    @override
    def score(self, advantage: xr.DataArray) -> xr.DataArray:
        return -conditional_value_at_risk(-advantage, self.level)[names.CONDITIONAL_VALUE_AT_RISK]


@dataclasses.dataclass(frozen=True)
class ExponentialUtility(Settings, Appetite):
    """The sure amount that is worth as much, under constant aversion to risk.

    Parameters
    ----------
    tolerance : float
        Risk tolerance in money, > 0: about the stake at which one would just accept an even bet of winning it all or
        losing half of it.

    Raises
    ------
    InputError
        If it is not positive.

    References
    ----------
    Howard (1988), "Decision analysis: practice and promise", Management Science 34, for the meaning of risk tolerance.

    Examples
    --------
    >>> round(float(ExponentialUtility(1e9).score(xr.DataArray([[1.0, 3.0]], dims=("chain", "draw")))), 3)
    2.0
    """

    tolerance: Positive
    name: ClassVar[str] = "exponential"

    @override
    def score(self, advantage: xr.DataArray) -> xr.DataArray:
        worst = advantage.min(names.SAMPLE)
        shifted = xr.apply_ufunc(np.expm1, -(advantage - worst) / self.tolerance).mean(names.SAMPLE)
        return worst - self.tolerance * xr.apply_ufunc(np.log1p, shifted)


TIE = 1e-6  # weight of the expected net benefit where two plans reach what is aspired to as probably


@dataclasses.dataclass(frozen=True)
class Aspiration(Settings, Appetite):
    """The probability that the net benefit is at least so much, times that sum.

    With a target in the value of the case that is the probability of reaching it, cost and delay taken off its worth.

    Parameters
    ----------
    least : float
        Net benefit that is aspired to, in money, > 0.

    Raises
    ------
    InputError
        If it is not positive.

    References
    ----------
    Roy (1952), "Safety first and the holding of assets", Econometrica 20; Charnes and Cooper (1963), "Deterministic
    equivalents for optimizing and satisficing under chance constraints", Operations Research 11, for the P-model.

    Examples
    --------
    >>> round(float(Aspiration(4.0).score(xr.DataArray([[1.0, 3.0, 5.0, 9.0]], dims=("chain", "draw")))), 3)
    2.0
    """

    least: Positive
    name: ClassVar[str] = "aspiration"

    @override
    def score(self, advantage: xr.DataArray) -> xr.DataArray:
        reached = (advantage >= self.least).mean(names.SAMPLE)
        return self.least * reached + TIE * advantage.mean(names.SAMPLE)


def scores_of(appetite: Appetite, outcomes: xr.Dataset) -> pd.Series:
    """Score plans over doing nothing by a risk appetite, one number a plan."""
    net = outcomes[names.NET_BENEFIT]
    return appetite.score(net - net.sel({names.PLAN: names.NOTHING}, drop=True)).to_series()


APPETITES: dict[str, type[Any]] = {kind.name: kind for kind in (Mean, Quantile, CVaR, ExponentialUtility, Aspiration)}


def appetite(checks: Checks, key: str, given: Any) -> Any:
    """Make a risk appetite from what a case file says."""
    return checks.one_of(key, APPETITES, given, by="appetite", default=Mean.name)
