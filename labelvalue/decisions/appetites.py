"""Risk appetites: how uncertain net benefits become one number a plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import xarray as xr

from labelvalue import names
from labelvalue.checks import Checks
from labelvalue.decisions.risk import conditional_value_at_risk


class Appetite(Protocol):
    """How uncertain net benefits are weighed; higher scores are better."""

    name: ClassVar[str]

    def score(self, advantage: xr.DataArray) -> xr.DataArray:
        """Return one number a plan from draws of its net benefit less that of doing nothing."""
        ...


@dataclasses.dataclass(frozen=True)
class Mean:
    """The expected net benefit: indifferent to risk.

    Examples
    --------
    >>> float(Mean().score(xr.DataArray([[1.0, 3.0]], dims=("chain", "draw"))))
    2.0
    """

    name: ClassVar[str] = "mean"

    def score(self, advantage: xr.DataArray) -> xr.DataArray:
        """Return the mean.

        Parameters
        ----------
        advantage : xarray.DataArray
            Draws of net benefit less that of doing nothing; dims chain, draw and others.

        Returns
        -------
        xarray.DataArray
            The other dims.
        """
        return advantage.mean(names.SAMPLE)


@dataclasses.dataclass(frozen=True)
class Quantile:
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

    probability: float = 0.1
    name: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        checks = Checks()
        checks.share("probability", self.probability)
        checks.finish()

    def score(self, advantage: xr.DataArray) -> xr.DataArray:
        """Return the quantile.

        Parameters
        ----------
        advantage : xarray.DataArray
            Draws of net benefit less that of doing nothing; dims chain, draw and others.

        Returns
        -------
        xarray.DataArray
            The other dims.
        """
        return advantage.quantile(self.probability, names.SAMPLE).drop_vars("quantile")


@dataclasses.dataclass(frozen=True)
class CVaR:
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

    level: float = 0.9
    name: ClassVar[str] = "cvar"

    def __post_init__(self) -> None:
        checks = Checks()
        checks.share("level", self.level)
        checks.finish()

    def score(self, advantage: xr.DataArray) -> xr.DataArray:
        """Return the mean of the worst draws.

        Parameters
        ----------
        advantage : xarray.DataArray
            Draws of net benefit less that of doing nothing; dims chain, draw and others.

        Returns
        -------
        xarray.DataArray
            The other dims.
        """
        return -conditional_value_at_risk(-advantage, self.level)[names.CONDITIONAL_VALUE_AT_RISK]


@dataclasses.dataclass(frozen=True)
class ExponentialUtility:
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

    tolerance: float
    name: ClassVar[str] = "exponential"

    def __post_init__(self) -> None:
        checks = Checks()
        checks.number("tolerance", self.tolerance, above=True)
        checks.finish()

    def score(self, advantage: xr.DataArray) -> xr.DataArray:
        """Return the certainty equivalent.

        Parameters
        ----------
        advantage : xarray.DataArray
            Draws of net benefit less that of doing nothing; dims chain, draw and others.

        Returns
        -------
        xarray.DataArray
            Money; the other dims.
        """
        worst = advantage.min(names.SAMPLE)
        shifted = xr.apply_ufunc(np.expm1, -(advantage - worst) / self.tolerance).mean(names.SAMPLE)
        return worst - self.tolerance * xr.apply_ufunc(np.log1p, shifted)


APPETITES: dict[str, type[Any]] = {kind.name: kind for kind in (Mean, Quantile, CVaR, ExponentialUtility)}


def appetite(checks: Checks, key: str, given: Any) -> Any:
    """Make a risk appetite from what a case file says.

    Parameters
    ----------
    checks : Checks
        Collects problems.
    key : str
        Where it stands.
    given : object
        An appetite, or a mapping with ``appetite`` (``mean``, ``quantile``, ``cvar``, ``exponential``) and its number.

    Returns
    -------
    appetite or None

    Examples
    --------
    >>> appetite(Checks(), "risk", {"appetite": "cvar", "level": 0.95})
    CVaR(level=0.95)
    """
    if isinstance(given, tuple(APPETITES.values())):
        return given
    if not isinstance(given, Mapping):
        checks.wrong(key, "expected a table", f"write it as a table [{key}]", given)
        return None
    kind = given.get("appetite", Mean.name)
    checks.text(f"{key}.appetite", kind, APPETITES)
    if not isinstance(kind, str) or kind not in APPETITES:
        return None
    return checks.section(key, APPETITES[kind], {k: v for k, v in given.items() if k != "appetite"})
